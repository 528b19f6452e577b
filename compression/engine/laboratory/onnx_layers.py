"""Layers with weights as they stand in a runtime file: values, codes, scales, and which numbers belong to which."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from compression.inquiries.anatomy import Format

WEIGHTED = ("Conv", "Gemm")
"""What `compression.engine.files.export` writes weighted layers as."""


@dataclass(frozen=True)
class Weight:
    """A layer's weight: `values` as the runtime computes with them (float32, outputs first).

    `codes` are the integers that stand for them; `scale` has one value or one for each output (`format` is `codes`);
    `book` has the values that codes point at (`format` is `codebook`).
    """

    values: NDArray[np.float32]
    format: Format
    codes: NDArray[Any] | None = None
    scale: NDArray[np.float32] | None = None
    zero_point: NDArray[Any] | None = None
    book: NDArray[np.float32] | None = None

    @property
    def levels(self) -> int:
        """How many different codes or shared values are in use; 0 for floats, where nobody counts."""
        if self.book is not None:
            return len(np.unique(self.values))
        return 0 if self.codes is None else len(np.unique(self.codes))

    @property
    def bits(self) -> int:
        """Bits that a code needs; for floats, their width. Two levels need one bit, whatever lies between them."""
        if self.book is not None:
            return max(1, (self.levels - 1).bit_length())
        if self.codes is None:
            return 32 if self.format == "float32" else 16
        span = int(self.codes.max()) - int(self.codes.min()) + 1
        return max(1, (min(span, 2 if self.levels <= 2 else span) - 1).bit_length())


@dataclass(frozen=True)
class Call:
    """One node that multiplies with weights. `tensors` are the initializers made for it, biases included.

    `row_scaled` where ranges are found for each image: each row gets its scale back behind the node, then the bias.
    """

    node: int
    output: str
    kind: str
    weight_name: str
    tensors: frozenset[str]
    biases: int
    kernel: tuple[int, ...]
    groups: int
    row_scaled: bool = False


def calls_of(model: onnx.ModelProto) -> list[Call]:
    """The nodes with weights, in the order of the graph."""
    numbers = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    return [
        _call(number, node, model, numbers, makers)
        for number, node in enumerate(model.graph.node)
        if node.op_type in WEIGHTED
    ]


def _call(
    number: int,
    node: onnx.NodeProto,
    model: onnx.ModelProto,
    numbers: Mapping[str, onnx.TensorProto],
    makers: Mapping[str, onnx.NodeProto],
) -> Call:
    settings = {attribute.name: attribute for attribute in node.attribute}
    later = _behind_rows(node, model, numbers) if len(node.input) == 2 else None
    bias = node.input[2] if len(node.input) > 2 else later or ""
    owned = set(sources(node.input[1], numbers, makers)) | (set(sources(bias, numbers, makers)) if bias else set())
    return Call(
        node=number,
        output=node.output[0],
        kind=node.op_type,
        weight_name=node.input[1],
        tensors=frozenset(owned),
        biases=max((math.prod(numbers[name].dims) for name in sources(bias, numbers, makers)), default=0),
        kernel=tuple(settings["kernel_shape"].ints) if "kernel_shape" in settings else (),
        groups=settings["group"].i if "group" in settings else 1,
        row_scaled=later is not None,
    )


def _behind_rows(node: onnx.NodeProto, model: onnx.ModelProto, numbers: Mapping[str, onnx.TensorProto]) -> str | None:
    """The bias that is added after rows got their scales back ('' without one); None where rows have no scales."""
    scaled = [other for other in model.graph.node if node.output[0] in other.input]
    if node.op_type != "Gemm" or len(scaled) != 1 or scaled[0].op_type != "Mul":
        return None
    added = [other for other in model.graph.node if scaled[0].output[0] in other.input and other.op_type == "Add"]
    return next((name for other in added for name in other.input if name in numbers), "")


def sources(name: str, numbers: Mapping[str, object], makers: Mapping[str, onnx.NodeProto]) -> Iterator[str]:
    """The initializers that a constant is made from."""
    waiting, seen = [name], set()
    while waiting:
        name = waiting.pop()
        if name in numbers and name not in seen:
            seen.add(name)
            yield name
        elif name in makers:
            waiting += makers[name].input


def weight_of(model: onnx.ModelProto, call: Call) -> Weight:
    """The weight of one call, computed from codes and scales as the runtime does."""
    numbers = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    if call.weight_name in numbers:
        return Weight(_array(numbers[call.weight_name]).astype(np.float32), "float32")
    node = makers[call.weight_name]
    if node.op_type == "DequantizeLinear":
        codes, scale, zero = (_array(numbers[name]) for name in node.input)
        return _affine(codes, scale, zero)
    if node.op_type == "Mul":
        before = makers[node.input[0]]
        scale = _array(numbers[node.input[1]])
        zero = np.zeros(1, np.int32)
        if before.op_type == "Sub":
            zero = _array(numbers[makers[before.input[1]].input[0]])
            before = makers[before.input[0]]
        return _affine(_array(numbers[before.input[0]]), scale, zero)
    if node.op_type == "Gather":
        book = _array(numbers[node.input[0]]).astype(np.float32)
        codes = _array(numbers[makers[node.input[1]].input[0]])
        return Weight(book[codes], "codebook", codes=codes, book=book)
    tensor = numbers[node.input[0]]  # behind a Cast
    name: Format = "bfloat16" if tensor.data_type == TensorProto.BFLOAT16 else "float16"
    return Weight(_array(tensor).astype(np.float32), name)


def _affine(codes: NDArray[Any], scale: NDArray[Any], zero: NDArray[Any]) -> Weight:
    rows = (-1, *[1] * (codes.ndim - 1))
    scale, zero = scale.reshape(-1).astype(np.float32), zero.reshape(-1).astype(np.int32)
    values = (codes.astype(np.int32) - zero.reshape(rows)).astype(np.float32) * scale.reshape(rows)
    return Weight(values, "codes", codes=codes, scale=scale, zero_point=zero)


def _array(tensor: onnx.TensorProto) -> NDArray[Any]:
    if tensor.data_type == TensorProto.BFLOAT16:  # the upper halves of float32 numbers
        halves = np.frombuffer(tensor.raw_data, "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(tuple(tensor.dims))
    values: NDArray[Any] = numpy_helper.to_array(tensor)
    return values


def kind_in_words(call: Call, shape: tuple[int, ...]) -> str:
    """'Linear', 'Conv 3×3', 'Depthwise 3×3'; convolutions of one pixel are 'Conv 1×1'."""
    if call.kind == "Gemm":
        return "Linear"
    size = "×".join(map(str, call.kernel))
    depthwise = call.groups > 1 and shape[1] == 1
    return f"{'Depthwise' if depthwise else 'Conv' if call.groups == 1 else 'Grouped conv'} {size}"
