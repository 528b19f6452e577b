"""Where the bytes of a network's files go, and why its four sizes differ. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compression.results.record import RUNTIME_PARTS

if TYPE_CHECKING:  # imported late: pages use `waterfall` only, and onnx takes a while
    import onnx


# --- which initializer is what -----------------------------------------------------------------------------------

_WEIGHTED = {"Conv", "Gemm", "MatMul", "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "ConvTranspose"}
_ROUNDING = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Clip", "Cast", "Round"}
"""Nodes that turn numbers into codes and back."""
_PASSING = {"Cast", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Flatten", "Concat", "Slice"}
_OPERANDS = {
    "Add": "biases",
    "BatchNormalization": "biases",
    "Clip": "rounding",
    "DequantizeLinear": "scales",
    "Div": "scales",
    "Max": "rounding",
    "Min": "rounding",
    "Mul": "scales",
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
    numbers = {tensor.name for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type in _WEIGHTED:
            for position, role in ((0, "weights"), (1, "weights"), (2, "biases")):
                if position < len(node.input):
                    _follow(node.input[position], role, makers, numbers, found)
    for node in model.graph.node:
        for name in node.input:
            if name in numbers:
                found.setdefault(name, _OPERANDS.get(node.op_type, "graph"))
    return [found.get(tensor.name, "graph") for tensor in model.graph.initializer]


def _follow(
    name: str, role: str, makers: Mapping[str, onnx.NodeProto], numbers: set[str], found: dict[str, str]
) -> None:
    """Give `role` to the numbers that `name` was made from, as long as nothing else went into it."""
    for _ in range(len(makers) + 1):
        if name in numbers:
            found.setdefault(name, role)
            return
        node = makers.get(name)
        if node is None or not node.input or not _is_constant(name, makers, numbers):
            return
        if node.op_type == "Gather":
            if node.input[0] in numbers:
                found.setdefault(node.input[0], "codebooks")
            name = node.input[1] if len(node.input) > 1 else ""
        elif node.op_type in _PASSING or node.op_type in ("DequantizeLinear", "Mul", "Sub", "Div"):
            name = node.input[0]
        else:
            return


def _is_constant(name: str, makers: Mapping[str, onnx.NodeProto], numbers: set[str]) -> bool:
    """Whether `name` depends on initializers only."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in numbers or not name or name in seen:
            continue
        if name not in makers or not makers[name].input:
            return False
        seen.add(name)
        waiting += makers[name].input
    return True


# --- the runtime file --------------------------------------------------------------------------------------------


def runtime_ledger(onnx_bytes: bytes) -> dict[str, int]:
    """How many bytes of a runtime file each of `RUNTIME_PARTS` takes; they add up to the file.

    Weights that are zero (or whose code stands for zero) are counted as `zeros`. What surrounds the numbers
    (names, types, shapes) belongs to the graph, as do all nodes but those that round.
    """
    import onnx

    model = onnx.ModelProto.FromString(onnx_bytes)
    counted = dict.fromkeys(RUNTIME_PARTS, 0)
    zeros = _zero_masks(model)
    for tensor, role in zip(model.graph.initializer, roles(model), strict=True):
        size = len(tensor.raw_data)
        empty = _zero_bytes(tensor, zeros.get(tensor.name)) if role == "weights" else 0
        counted[role] += size - empty
        counted["zeros"] += empty
    rounding = (node for node in model.graph.node if node.op_type in _ROUNDING and not _is_relu6(node, model))
    counted["rounding"] += sum(_field_size(node.ByteSize()) for node in rounding)
    counted["graph"] += len(onnx_bytes) - sum(counted.values())
    return counted


def _field_size(size: int) -> int:
    """Bytes of a message of `size` bytes inside another: tag, length, content."""
    return 1 + max(1, -(-size.bit_length() // 7)) + size


def _is_relu6(node: onnx.NodeProto, model: onnx.ModelProto) -> bool:
    """Whether a Clip is the activation function with limits 0 and 6."""
    if node.op_type != "Clip" or len(node.input) != 3:
        return False
    limits = {tensor.name: tensor.raw_data for tensor in model.graph.initializer}
    return [limits.get(name) for name in node.input[1:]] == [np.float32(limit).tobytes() for limit in (0, 6)]


def _zero_masks(model: onnx.ModelProto) -> dict[str, NDArray[np.bool_]]:
    """Which codes stand for zero, for tensors of codes where that is not the code 0: zero points, codebooks."""
    numbers = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    found: dict[str, NDArray[np.bool_]] = {}
    for node in model.graph.node:
        if node.op_type == "Gather":
            codes, book = (numbers.get(_source(name, makers)) for name in (node.input[1], node.input[0]))
            if codes is not None and book is not None:
                found[codes.name] = (_numbers(book) == 0)[_numbers(codes)]
        elif node.op_type == "Sub" or (node.op_type == "DequantizeLinear" and len(node.input) > 2):
            codes, zero = (
                numbers.get(_source(node.input[position], makers)) for position in _CODES_AND_ZERO[node.op_type]
            )
            if codes is not None and zero is not None:
                found[codes.name] = _numbers(codes) == _against_rows(_numbers(zero), len(codes.dims))
    return found


_CODES_AND_ZERO = {"Sub": (0, 1), "DequantizeLinear": (0, 2)}
"""Which operands are the codes and their zero point."""


def _against_rows(values: NDArray[Any], dims: int) -> NDArray[Any]:
    return values.reshape(-1, *[1] * (dims - 1)) if values.ndim == 1 and dims > 1 else values


def _source(name: str, makers: Mapping[str, onnx.NodeProto]) -> str:
    """The name before a Cast."""
    maker = makers.get(name)
    return maker.input[0] if maker is not None and maker.op_type == "Cast" else name


def _numbers(tensor: onnx.TensorProto) -> NDArray[Any]:
    from onnx import numpy_helper

    values: NDArray[Any] = numpy_helper.to_array(tensor)
    return values


def _zero_bytes(tensor: onnx.TensorProto, is_zero: NDArray[np.bool_] | None) -> int:
    """Bytes of the elements that stand for zero."""
    count = math.prod(tensor.dims)
    if not count or len(tensor.raw_data) % count:
        return 0
    zeros = np.count_nonzero(_numbers(tensor) == 0 if is_zero is None else is_zero)
    return int(zeros * (len(tensor.raw_data) // count))


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
