"""Layers without weights and functions, and which rule writes what."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import fx, nn

from compression.engine.files.export.weights import convolution, dynamic_quantizer, linear, quantizer
from compression.engine.files.export.writer import Writer, array_of
from compression.engine.network.form import ActivationQuantizer, DynamicQuantizer, module_of
from compression.engine.primitives.batch_norm import scale_and_shift
from compression.errors import UnsupportedModel


def _batch_norm(writer: Writer, node: fx.Node, layer: nn.BatchNorm2d) -> str:
    mean, variance = layer.running_mean, layer.running_var
    if mean is None or variance is None:
        raise UnsupportedModel(f"{node.name} keeps no running statistics; train it with track_running_stats=True.")
    names = [writer.constant(array_of(tensor)) for tensor in (*scale_and_shift(layer), mean, variance)]
    return writer.op("BatchNormalization", writer.value(node.args[0]), *names, epsilon=layer.eps)


def _max_pool(writer: Writer, node: fx.Node, layer: nn.MaxPool2d) -> str:
    return _pooled(writer, node, layer, "MaxPool", dilations=_pair(layer.dilation))


def _average_pool(writer: Writer, node: fx.Node, layer: nn.AvgPool2d) -> str:
    if layer.divisor_override is not None:
        raise UnsupportedModel(f"{node.name} overrides the divisor of its average; ONNX has no form for that.")
    return _pooled(writer, node, layer, "AveragePool", count_include_pad=int(layer.count_include_pad))


def _pooled(
    writer: Writer, node: fx.Node, layer: nn.MaxPool2d | nn.AvgPool2d, op_type: str, **others: int | list[int]
) -> str:
    return writer.op(
        op_type,
        writer.value(node.args[0]),
        kernel_shape=_pair(layer.kernel_size),
        strides=_pair(layer.stride or layer.kernel_size),
        pads=_pair(layer.padding) * 2,
        ceil_mode=int(layer.ceil_mode),
        **others,
    )


def _adaptive_average_pool(writer: Writer, node: fx.Node, layer: nn.AdaptiveAvgPool2d) -> str:
    return _adaptive(writer, node, layer.output_size)


def _adaptive(writer: Writer, node: fx.Node, output_size: object) -> str:
    """Averages over equal parts of the map; ONNX has no form for parts that overlap."""
    sizes = _map_size(node.all_input_nodes[0]), _target(output_size, _map_size(node.all_input_nodes[0]))
    if sizes[1] == [1, 1]:
        return writer.op("GlobalAveragePool", writer.value(node.args[0]))
    if any(before % after for before, after in zip(*sizes, strict=True)):
        raise UnsupportedModel(f"{node.name} pools {sizes[0]} to {sizes[1]}; only whole parts can be written.")
    parts = [before // after for before, after in zip(*sizes, strict=True)]
    return writer.op("AveragePool", writer.value(node.args[0]), kernel_shape=parts, strides=parts)


def _map_size(node: fx.Node) -> list[int]:
    """Height and width of a node's value."""
    return [int(size) for size in node.meta["shape"][2:]]


def _target(size: object, before: list[int]) -> list[int]:
    """Height and width from torch's ways of giving them; None keeps one as it is."""
    pair = size if isinstance(size, Iterable) else (size, size)
    return [old if new is None else int(new) for new, old in zip(pair, before, strict=True)]


def _upsample(writer: Writer, node: fx.Node, layer: nn.Upsample) -> str:
    """To the size that the graph says the result has."""
    before, after = _map_size(node.all_input_nodes[0]), _map_size(node)
    if layer.mode == "area":
        return _adaptive(writer, node, after)
    if layer.mode != "bilinear" or layer.align_corners:
        raise UnsupportedModel(
            f"{node.name} resizes in mode {layer.mode!r}; only 'bilinear' and 'area' can be written."
        )
    given = None if layer.recompute_scale_factor else layer.scale_factor
    factors = given if isinstance(given, tuple) else (given, given)
    scales = np.array([1, 1, *map(_scale_to, before, after, factors)], np.float32)
    return writer.op("Resize", writer.value(node.args[0]), "", writer.constant(scales), mode="linear")


def _scale_to(before: int, after: int, factor: float | None) -> np.float32:
    """The factor whose product with `before`, in float32 and rounded down, is `after`: the one given, or their ratio.

    Torch takes places of pixels by the factor that it was given, though the size is rounded down.
    """
    scale = np.float32(factor or after / before)
    while int(np.float32(before) * scale) < after:
        scale = np.nextafter(scale, np.float32(np.inf), dtype=np.float32)
    return scale


def _flatten(writer: Writer, node: fx.Node, layer: nn.Flatten) -> str:
    start, end = layer.start_dim, layer.end_dim
    if start != 1 or end not in (-1, 3):
        raise UnsupportedModel(f"{node.name} flattens dimensions {start} to {end}; only 1 to -1 can be written.")
    # not Flatten: behind a Reshape, ONNX Runtime still sees that the values are 8-bit codes
    return writer.op("Reshape", writer.value(node.args[0]), writer.constant(np.array([0, -1], np.int64)))


def _clip(writer: Writer, node: fx.Node, layer: nn.ReLU6) -> str:
    """ReLU6; a ReLU where only quantizers read it whose last code is reached at 6: kernels know that one."""
    readers = [module_of(writer.model, user) for user in node.users]
    if readers and all(isinstance(reader, ActivationQuantizer) and _ends_below(reader, 6) for reader in readers):
        return writer.op("Relu", writer.value(node.args[0]))
    low, high = (writer.constant(np.asarray(limit, np.float32)) for limit in (0, 6))
    return writer.op("Clip", writer.value(node.args[0]), low, high)


def _ends_below(quantizer: ActivationQuantizer, limit: float) -> bool:
    """Whether everything from `limit` on gets the last code."""
    return round(limit / quantizer.scale) + quantizer.zero_point >= quantizer.high


def _unary(op_type: str) -> Callable[..., str]:
    """An operator without settings."""
    return lambda writer, node, layer: writer.op(op_type, writer.value(node.args[0]))


def _hard_sigmoid(writer: Writer, node: fx.Node, layer: nn.Module) -> str:
    return writer.op("HardSigmoid", writer.value(node.args[0]), alpha=1 / 6, beta=0.5)


def _silu(writer: Writer, node: fx.Node, layer: nn.Module) -> str:
    x = writer.value(node.args[0])
    return writer.op("Mul", x, writer.op("Sigmoid", x))


def _skip(writer: Writer, node: fx.Node, layer: nn.Module) -> str:
    return writer.value(node.args[0])


def _binary(op_type: str) -> Callable[[Writer, fx.Node], str]:
    def rule(writer: Writer, node: fx.Node) -> str:
        if node.kwargs.get("alpha", 1) != 1:
            raise UnsupportedModel(f"{node.name} adds with alpha={node.kwargs['alpha']}; only 1 can be written.")
        return writer.op(op_type, *(writer.value(argument) for argument in node.args[:2]))

    return rule


def _concatenate(writer: Writer, node: fx.Node) -> str:
    tensors, *rest = node.args
    axis = rest[0] if rest else node.kwargs.get("dim", 0)
    assert isinstance(tensors, Iterable) and isinstance(axis, int)
    return writer.op("Concat", *(writer.value(tensor) for tensor in tensors), axis=axis)


def _pair(size: int | Iterable[int]) -> list[int]:
    return [size, size] if isinstance(size, int) else [int(number) for number in size]


LAYERS: dict[type[nn.Module], Callable[..., str]] = {
    ActivationQuantizer: quantizer,
    nn.AdaptiveAvgPool2d: _adaptive_average_pool,
    nn.AvgPool2d: _average_pool,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: convolution,
    nn.Dropout: _skip,
    DynamicQuantizer: dynamic_quantizer,
    nn.Flatten: _flatten,
    nn.Hardsigmoid: _hard_sigmoid,
    nn.Hardswish: _unary("HardSwish"),
    nn.Identity: _skip,
    nn.Linear: linear,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: _unary("Relu"),
    nn.ReLU6: _clip,
    nn.SiLU: _silu,
    nn.Sigmoid: _unary("Sigmoid"),
    nn.Tanh: _unary("Tanh"),
    nn.Upsample: _upsample,
}
"""The rule for each kind of layer."""

FUNCTIONS: dict[object, Callable[[Writer, fx.Node], str]] = {
    operator.add: _binary("Add"),
    operator.mul: _binary("Mul"),
    torch.add: _binary("Add"),
    torch.mul: _binary("Mul"),
    torch.cat: _concatenate,
}
"""The rule for each function that is no layer."""
