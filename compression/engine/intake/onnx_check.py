"""What is done first to an ONNX file that somebody brought, in a process that may break down."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from torch import fx, nn

from compression.engine.measure.evaluation import open_session
from compression.engine.network.onnx_node import DOMAINS, first_line, is_of_memory, shown
from compression.engine.network.onnx_reader import (
    has_channels_last,
    opset_of,
    read_onnx,
    refuse_elsewhere,
    unread_inputs,
)
from compression.engine.network.tracing import trace
from compression.errors import RefusedFile, UnsupportedModel
from compression.watch import SILENT, Watch

TOLERANCE = 1e-3
"""Of the largest difference of two answers, over the largest answer: other orders of the same sums differ by less."""

IMAGES = 4
"""Others than the network is followed with, so that what was written down for so many shows."""

_BYTES = {
    kind: onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
    for kind in (
        *(onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16),
        *(onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.INT16, onnx.TensorProto.INT8),
        *(onnx.TensorProto.UINT64, onnx.TensorProto.UINT32, onnx.TensorProto.UINT16, onnx.TensorProto.UINT8),
        onnx.TensorProto.BOOL,
    )
}
"""Of one number, for the types that are read."""

_LARGEST_DIMENSION = 1 << 31

_QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"}

_IN_WORDS = {
    "topologically sorted": "an operator reads a value that none before it makes",
    "single static assignment": "a name is given twice",
    "name is not unique": "a name is given twice",
    "No Op registered": "it has an operator that ONNX does not",
    "is higher than the checker's": "it says that a newer program wrote it",
}
"""What the words of ONNX's own check mean."""


def check_onnx(content: bytes, watch: Watch = SILENT) -> None:
    """Read a file, follow the network, and run both on noise; raises `RefusedFile` or `UnsupportedModel`.

    Afterwards the same steps can be taken in a process that must not break down.
    """
    watch.report(0, "reading the graph")
    model = parse(content)
    module, shape = read_onnx(model)
    watch.report(0.3, "following the network")
    graph = _followed(module, shape)
    watch.report(0.8, "running it")
    images = np.random.default_rng(0).standard_normal((IMAGES, *shape), np.float32)
    with torch.no_grad():
        ours = graph(torch.from_numpy(images)).numpy()
    check_logits(ours.shape)
    theirs = answers_of(content, images)
    if not np.isfinite(theirs).all():
        raise RefusedFile(
            "The network answers with numbers that are not finite (NaN or infinity): its weights are broken, or it "
            "divides by zero. Check it where it was trained."
        )
    far = difference(ours, theirs)
    if not far <= TOLERANCE:
        raise UnsupportedModel(
            f"Read into our graph the network answers otherwise than in ONNX Runtime: by {far:.1%} of the largest "
            "answer. Please report this network, and bring another one."
        )


def _followed(module: nn.Module, shape: tuple[int, int, int]) -> fx.GraphModule:
    try:
        return trace(module, shape)
    except UnsupportedModel as error:
        if "xport" in str(error):  # it says already what to do
            raise
        raise UnsupportedModel(f"{error} Export the network without that, or bring another one.") from error


def check_logits(shape: Sequence[int]) -> None:
    """Raise `UnsupportedModel` unless answers of this shape are N x classes."""
    if len(shape) != 2 or shape[1] < 2:
        raise UnsupportedModel(
            f"The network's answer for an image has the size {' × '.join(map(str, shape[1:])) or '1'}; it must be a "
            "classifier, with one number for each of at least two classes. Export it so, or bring another one."
        )


def parse(content: bytes) -> onnx.ModelProto:
    """A graph that is well-formed, as far as can be told before it is read; raises what `check_onnx` does."""
    try:
        model = onnx.load_from_string(content)
    except DecodeError as error:
        raise RefusedFile("This is no ONNX file, or a damaged one. Export the network as ONNX anew.") from error
    if not model.graph.node:
        raise RefusedFile("The ONNX file holds no network: its graph has no nodes. Export the network anew.")
    if model.functions:
        raise UnsupportedModel(
            f"The ONNX file defines functions of its own ({shown(model.functions[0].name)}). Export it with functions "
            "inlined."
        )
    opset_of(model)
    if model.graph.sparse_initializer:
        raise UnsupportedModel("The ONNX file has sparse weights. Export the network with all of its weights.")
    for tensor in model.graph.initializer:
        _check_numbers(tensor)
    for node in model.graph.node:
        _check_node(node)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise RefusedFile(f"The ONNX graph is not well-formed: {_in_words(error)}. Export the network anew.") from error
    return model


def _in_words(error: Exception) -> str:
    said = shown(first_line(error), 200)
    meaning = next((meaning for words, meaning in _IN_WORDS.items() if words in said), "")
    return f"{meaning} ({said})" if meaning else said


def _check_node(node: onnx.NodeProto) -> None:
    if node.op_type in _QUANTIZED or node.op_type.startswith("QLinear"):
        raise UnsupportedModel(
            f"The network is quantized already: it has {shown(node.op_type)}. Bring it as it was before, in float32."
        )
    if node.domain not in DOMAINS:
        raise UnsupportedModel(
            f"The ONNX graph has operators of {shown(node.domain)!r}; only those of ONNX itself are read. Export the "
            "network without them."
        )
    for attribute in node.attribute:
        if attribute.ref_attr_name or attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise UnsupportedModel(
                f"{shown(node.op_type)} has a setting, {shown(attribute.name)!r}, that cannot be read. Export the "
                "network anew."
            )
        for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
            _check_numbers(tensor)


def _check_numbers(tensor: onnx.TensorProto) -> None:
    """Sizes that lie would have memory reserved for nothing, or read what is not there."""
    refuse_elsewhere(tensor)
    name = shown(tensor.name)
    if tensor.data_type not in _BYTES or tensor.HasField("segment"):
        raise UnsupportedModel(
            f"The tensor {name!r} holds neither float numbers, whole numbers nor truth values. Export the network in "
            "float32."
        )
    if not all(0 <= size <= _LARGEST_DIMENSION for size in tensor.dims):
        raise RefusedFile(f"The tensor {name!r} has a size that cannot be. Export the network anew.")
    field = getattr(tensor, onnx.helper.tensor_dtype_to_field(tensor.data_type))
    size, there = _BYTES[tensor.data_type], len(tensor.raw_data)
    has = there / size if there else len(field)
    if has != math.prod(tensor.dims) or (there and len(field)):
        raise RefusedFile(
            f"The tensor {name!r} says that it is {' × '.join(map(str, tensor.dims[:9])) or 'one number'} but has "
            f"{has:,.10g} numbers: the file is damaged. Export the network anew."
        )


def answers_of(content: bytes, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What ONNX Runtime answers for preprocessed images (N x C x H x W), one by one where the file wants that."""
    try:
        session = open_session(_without_unread_inputs(content))
        (source,) = session.get_inputs()
        if has_channels_last(source.shape[1:]):
            images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        if isinstance(source.shape[0], int):
            found = [session.run(None, {source.name: images[n : n + 1]})[0] for n in range(len(images))]
        else:
            found = session.run(None, {source.name: images})[:1]
        return np.concatenate(found).reshape(len(images), -1)
    except Exception as error:  # each of its errors is a class of its own
        raise RefusedFile(f"ONNX Runtime cannot run the network: {_of_runtime(error)}.") from error


def _without_unread_inputs(content: bytes) -> bytes:
    """The file without inputs that nothing reads, which the runtime would want; mostly as it is."""
    model = onnx.load_from_string(content)
    unread = unread_inputs(model.graph)
    for value in unread:
        model.graph.input.remove(value)
    return model.SerializeToString() if unread else content


def _of_runtime(error: Exception) -> str:
    if is_of_memory(error):
        return "it takes more memory than there is. Bring a smaller one"
    said = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : |/onnxruntime_src/\S+ ", "", str(error.__cause__ or error))
    return f"{first_line(said)}. Export the network anew"


def difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """The largest difference over the largest answer; NaN where one is not finite or the shapes differ."""
    if ours.shape != theirs.shape:
        return math.nan
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-12))
