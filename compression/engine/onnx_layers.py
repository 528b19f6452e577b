"""Layers with weights as they stand in a runtime file: values, codes, scales, and which numbers belong to which."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compression.engine.onnx_graph import OnnxGraph, attributes, per_channel
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


def calls_of(graph: OnnxGraph) -> list[Call]:
    """The nodes with weights, in the order of the graph."""
    return [_call(number, node, graph) for number, node in enumerate(graph.nodes) if node.op_type in WEIGHTED]


def _call(number: int, node: onnx.NodeProto, graph: OnnxGraph) -> Call:
    settings = attributes(node)
    later = _behind_rows(node, graph) if len(node.input) == 2 else None
    weights, biases = graph.sources(node.input[1]), graph.sources(node.input[2] if len(node.input) > 2 else later or "")
    return Call(
        node=number,
        output=node.output[0],
        kind=node.op_type,
        weight_name=node.input[1],
        tensors=frozenset(weights + biases),
        biases=max((math.prod(graph.tensors[name].dims) for name in biases), default=0),
        kernel=tuple(settings.get("kernel_shape", ())),
        groups=settings.get("group", 1),
        row_scaled=later is not None,
    )


def _behind_rows(node: onnx.NodeProto, graph: OnnxGraph) -> str | None:
    """The bias that is added after rows got their scales back ('' without one); None where rows have no scales."""
    scaled = graph.only_reader(node.output[0])
    if node.op_type != "Gemm" or scaled is None or scaled.op_type != "Mul":
        return None
    sums = (other for other in graph.readers.get(scaled.output[0], []) if other.op_type == "Add")
    return next((name for other in sums for name in other.input if name in graph.tensors), "")


def weight_of(graph: OnnxGraph, call: Call) -> Weight:
    """The weight of one call, computed from codes and scales as the runtime does."""
    holder = graph.holder(call.weight_name)
    numbers = graph.array(holder)
    if holder == call.weight_name:
        return Weight(numbers.astype(np.float32), "float32")
    node = graph.makers[call.weight_name]
    if node.op_type == "DequantizeLinear":
        return _affine(*map(graph.array, node.input))
    if node.op_type == "Mul":
        before = graph.makers[node.input[0]]
        zero = graph.array(graph.holder(before.input[1])) if before.op_type == "Sub" else np.zeros(1, np.int32)
        return _affine(numbers, graph.array(node.input[1]), zero)
    if node.op_type == "Gather":
        book = graph.array(node.input[0]).astype(np.float32)
        return Weight(book[numbers], "codebook", codes=numbers, book=book)
    name: Format = "bfloat16" if numbers.dtype.name == "bfloat16" else "float16"  # behind a Cast
    return Weight(numbers.astype(np.float32), name)


def _affine(codes: NDArray[Any], scale: NDArray[Any], zero: NDArray[Any]) -> Weight:
    scale, zero = scale.reshape(-1).astype(np.float32), zero.reshape(-1).astype(np.int32)
    values = (codes.astype(np.int32) - per_channel(zero, codes)).astype(np.float32) * per_channel(scale, codes)
    return Weight(values, "codes", codes=codes, scale=scale, zero_point=zero)


def kind_in_words(call: Call, shape: tuple[int, ...]) -> str:
    """'Linear', 'Conv 3×3', 'Depthwise 3×3'; convolutions of one pixel are 'Conv 1×1'."""
    if call.kind == "Gemm":
        return "Linear"
    size = "×".join(map(str, call.kernel))
    depthwise = call.groups > 1 and shape[1] == 1
    return f"{'Depthwise' if depthwise else 'Conv' if call.groups == 1 else 'Grouped conv'} {size}"
