"""What is done first to an ONNX file that somebody brought, in a process that may break down."""

from __future__ import annotations

import math

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from compression.engine.measure.evaluation import open_session
from compression.engine.network.onnx_node import DOMAINS
from compression.engine.network.onnx_reader import read_onnx
from compression.engine.network.tracing import trace
from compression.errors import CorruptFile, RefusedFile, UnsupportedModel
from compression.watch import SILENT, Watch

TOLERANCE = 1e-3
"""Of the largest difference of two answers, over the largest answer: other orders of the same sums differ by less."""

_BYTES = {onnx.TensorProto.DOUBLE: 8, onnx.TensorProto.INT64: 8, onnx.TensorProto.FLOAT: 4, onnx.TensorProto.INT32: 4}


def check_onnx(content: bytes, watch: Watch = SILENT) -> None:
    """Read a file, follow the network, and run both on noise; raises `RefusedFile` or `UnsupportedModel`.

    Afterwards the same steps can be taken in a process that must not break down.
    """
    watch.report(0, "reading the graph")
    model = parse(content)
    module, shape = read_onnx(model)
    watch.report(0.3, "following the network")
    graph = trace(module, shape)
    watch.report(0.8, "running it")
    images = np.random.default_rng(0).standard_normal((2, *shape), np.float32)
    with torch.no_grad():
        ours = graph(torch.from_numpy(images)).numpy()
    far = difference(ours, answers_of(content, images))
    if not far <= TOLERANCE:
        raise UnsupportedModel(
            f"Read into our graph the network answers otherwise than in ONNX Runtime: by {far:.1%} of the largest "
            "answer. Please report this network."
        )


def parse(content: bytes) -> onnx.ModelProto:
    """A graph that is well-formed, as far as can be told before it is read; raises `RefusedFile`."""
    try:
        model = onnx.load_from_string(content)
    except DecodeError as error:
        raise RefusedFile(f"This is no ONNX file, or a damaged one: {error}. Export the network anew.") from error
    if not model.graph.node:
        raise RefusedFile("The ONNX file holds no network: its graph has no nodes. Export the network anew.")
    if model.functions:
        raise UnsupportedModel(
            f"The ONNX file defines functions of its own ({model.functions[0].name}). Export it with functions inlined."
        )
    for tensor in model.graph.initializer:
        _check_size(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            _check_size(attribute.t)
    foreign = sorted({node.domain for node in model.graph.node} - DOMAINS)
    if foreign:
        raise UnsupportedModel(f"The ONNX graph has operators of {foreign[0]!r}; only those of ONNX itself are read.")
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        words = str(error).strip().splitlines()[0]
        raise RefusedFile(f"The ONNX graph is not well-formed: {words} Export the network anew.") from error
    return model


def _check_size(tensor: onnx.TensorProto) -> None:
    """Dimensions that lie would have memory reserved for nothing."""
    if any(size < 0 for size in tensor.dims):
        raise RefusedFile(f"The tensor {tensor.name!r} has a negative size. Export the network anew.")
    there = len(tensor.raw_data)
    if there and math.prod(tensor.dims) * _BYTES.get(tensor.data_type, 0) > there:
        raise RefusedFile(
            f"The tensor {tensor.name!r} says that it is {' × '.join(map(str, tensor.dims))} but has {there:,} bytes: "
            "the file is damaged. Export the network anew."
        )


def answers_of(content: bytes, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What ONNX Runtime answers for preprocessed images (N x C x H x W), one by one where the file wants that."""
    try:
        session = open_session(content)
        (source,) = session.get_inputs()
        if isinstance(source.shape[0], int):
            found = [session.run(None, {source.name: images[n : n + 1]})[0] for n in range(len(images))]
        else:
            found = session.run(None, {source.name: images})[:1]
        return np.concatenate(found).reshape(len(images), -1)
    except CorruptFile as error:
        raise RefusedFile(f"ONNX Runtime cannot load the network: {error}") from error
    except Exception as error:
        raise RefusedFile(f"ONNX Runtime cannot run the network: {str(error).splitlines()[0]}") from error


def difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """The largest difference over the largest answer; NaN where one is not finite or the shapes differ."""
    if ours.shape != theirs.shape:
        return math.nan
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-12))
