"""Where the bytes of a network's files go, and why its four sizes differ. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compression.engine.onnx_graph import OnnxGraph
from compression.engine.onnx_layers import calls_of, weight_of
from compression.results.record import RUNTIME_PARTS

# --- which initializer is what -----------------------------------------------------------------------------------

_WEIGHTED = {"Conv", "Gemm", "MatMul", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "ConvTranspose"}
_ROUNDING = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Clip", "Cast", "Round"}
"""Nodes that turn numbers into codes and back."""
_RESHAPING = {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Flatten", "Concat", "Slice"}
_PASSING = {"Cast", "DequantizeLinear", "Div", "Gather", "Mul", "Sub"} | _RESHAPING
"""What numbers may go through on their way to a layer."""
_OPERANDS = {
    "Add": "biases",
    "BatchNormalization": "biases",
    "Clip": "rounding",
    "DequantizeLinear": "scales",
    "Div": "scales",
    "InstanceNormalization": "biases",
    "Max": "rounding",
    "Min": "rounding",
    "Mul": "scales",
    "PRelu": "biases",
    "QuantizeLinear": "scales",
    "Sub": "scales",
}
"""What an initializer is to a node that reads it outside the way of a weight."""


def roles(model: onnx.ModelProto) -> list[str]:
    """What each initializer is, by its use: `weights`, `biases`, `scales`, `codebooks`, `rounding` or `graph`.

    A weight is what a layer multiplies with, wherever on the way it was scaled, cast or looked up; `rounding`
    are limits of activations, `graph` shapes and axes.
    """
    found: dict[str, str] = {}
    graph = OnnxGraph(model.graph)
    for node in graph.nodes:
        if node.op_type in _WEIGHTED:
            for name, role in zip(node.input, ("weights", "weights", "biases"), strict=False):
                _follow(name, role, graph, found)
    for node in graph.nodes:
        for name in node.input:
            if name in graph.tensors:
                found.setdefault(name, _OPERANDS.get(node.op_type, "graph"))
    return [found.get(tensor.name, "graph") for tensor in model.graph.initializer]


def _follow(name: str, role: str, graph: OnnxGraph, found: dict[str, str]) -> None:
    """Give `role` to the numbers that `name` was made from, as long as nothing else went into it."""
    if not graph.is_constant(name):
        return
    for step in graph.way_back(name):
        if step in graph.tensors:
            found.setdefault(step, role)
            return
        node = graph.makers.get(step)
        if node is None or node.op_type not in _PASSING:
            return
        if node.op_type == "Gather" and node.input[0] in graph.tensors:
            found.setdefault(node.input[0], "codebooks")


# --- the runtime file --------------------------------------------------------------------------------------------


def runtime_ledger(onnx_bytes: bytes) -> dict[str, int]:
    """How many bytes of a runtime file each of `RUNTIME_PARTS` takes; they add up to the file.

    Weights that are zero (or whose code stands for zero) are counted as `zeros`. What surrounds the numbers
    (names, types, shapes) belongs to the graph, as do all nodes but those that round.
    """
    model = onnx.ModelProto.FromString(onnx_bytes)
    graph = OnnxGraph(model.graph)
    counted = dict.fromkeys(RUNTIME_PARTS, 0)
    zeros = {graph.holder(call.weight_name): weight_of(graph, call).values == 0 for call in calls_of(graph)}
    for tensor, role in zip(model.graph.initializer, roles(model), strict=True):
        size = len(tensor.raw_data)
        empty = _zero_bytes(tensor, zeros.get(tensor.name, graph.array(tensor.name) == 0)) if role == "weights" else 0
        counted[role] += size - empty
        counted["zeros"] += empty
    rounding = (node for node in model.graph.node if node.op_type in _ROUNDING and not _is_relu6(node, graph))
    counted["rounding"] += sum(_field_size(node.ByteSize()) for node in rounding)
    counted["graph"] += len(onnx_bytes) - sum(counted.values())
    return counted


def _field_size(size: int) -> int:
    """Bytes of a message of `size` bytes inside another: tag, length, content."""
    return 1 + max(1, -(-size.bit_length() // 7)) + size


def _is_relu6(node: onnx.NodeProto, graph: OnnxGraph) -> bool:
    """Whether a Clip is the activation function with limits 0 and 6."""
    limits = (graph.array(name).tolist() for name in node.input[1:] if name in graph.tensors)
    return node.op_type == "Clip" and list(limits) == [0, 6]


def _zero_bytes(tensor: onnx.TensorProto, is_zero: NDArray[np.bool_]) -> int:
    """Bytes of the elements that stand for zero."""
    count = math.prod(tensor.dims)
    return int(np.count_nonzero(is_zero) * (len(tensor.raw_data) // count)) if count else 0


# --- why the sizes differ ----------------------------------------------------------------------------------------


def proportional(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Divide `total` into whole numbers as the shares are (largest remainders); they add up to it exactly."""
    whole = sum(shares.values())
    if not total or whole <= 0:
        return {next(iter(shares), "codes"): total}
    exact = {name: total * share / whole for name, share in shares.items()}
    rounded = {name: math.floor(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: rounded[name] - exact[name])
    for name in by_remainder[: total - sum(rounded.values())]:
        rounded[name] += 1
    return rounded
