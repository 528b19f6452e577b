"""Layers without weights and functions, and which rule writes what."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from compression.engine.files.export.weights import convolution, dynamic_quantizer, linear, quantizer
from compression.engine.files.export.writer import Writer, array_of
from compression.engine.network import functions
from compression.engine.network.form import ActivationQuantizer, DynamicQuantizer, module_of
from compression.engine.primitives.batch_norm import BatchNorm, scale_and_shift
from compression.errors import UnsupportedModel


def _batch_norm(writer: Writer, node: fx.Node, layer: BatchNorm) -> str:
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


def _elu(writer: Writer, node: fx.Node, layer: nn.ELU) -> str:
    return writer.op("Elu", writer.value(node.args[0]), alpha=float(layer.alpha))


def _leaky(writer: Writer, node: fx.Node, layer: nn.LeakyReLU) -> str:
    return writer.op("LeakyRelu", writer.value(node.args[0]), alpha=float(layer.negative_slope))


def _sloped(writer: Writer, node: fx.Node, layer: nn.PReLU) -> str:
    slopes = array_of(layer.weight).reshape(-1, *[1] * (len(node.meta["shape"]) - 2))
    return writer.op("PRelu", writer.value(node.args[0]), writer.constant(slopes))


def _pixel_shuffle(writer: Writer, node: fx.Node, layer: nn.PixelShuffle) -> str:
    return writer.op("DepthToSpace", writer.value(node.args[0]), blocksize=layer.upscale_factor, mode="CRD")


def _pixel_unshuffle(writer: Writer, node: fx.Node, layer: nn.PixelUnshuffle) -> str:
    """ONNX has the channels of each place together, torch the places of each channel: they change places."""
    (_, channels, *_), (_, wide, *map_size) = node.all_input_nodes[0].meta["shape"], node.meta["shape"]
    blocks = writer.op("SpaceToDepth", writer.value(node.args[0]), blocksize=layer.downscale_factor)
    apart = writer.op("Reshape", blocks, _sizes(writer, [0, wide // channels, channels, *map_size]))
    turned = writer.op("Transpose", apart, perm=[0, 2, 1, 3, 4])
    return writer.op("Reshape", turned, _sizes(writer, [0, wide, *map_size]))


def _silu(writer: Writer, node: fx.Node, layer: nn.Module) -> str:
    x = writer.value(node.args[0])
    return writer.op("Mul", x, writer.op("Sigmoid", x))


def _skip(writer: Writer, node: fx.Node, layer: nn.Module) -> str:
    return writer.value(node.args[0])


def _gelu(writer: Writer, node: fx.Node, layer: nn.GELU) -> str:
    """Written out, since the operator is younger than our opset; the runtime finds it again."""
    x, half, one = writer.value(node.args[0]), writer.value(0.5), writer.value(1.0)
    if layer.approximate == "none":
        grown = writer.op("Erf", writer.op("Mul", x, writer.value(math.sqrt(0.5))))
    else:
        cube = writer.op("Mul", writer.op("Mul", x, writer.op("Mul", x, x)), writer.value(0.044715))
        grown = writer.op("Tanh", writer.op("Mul", writer.op("Add", x, cube), writer.value(math.sqrt(2 / math.pi))))
    return writer.op("Mul", writer.op("Mul", x, writer.op("Add", grown, one)), half)


def _softmax(writer: Writer, node: fx.Node, layer: nn.Softmax) -> str:
    assert layer.dim is not None  # as the door makes it
    return writer.op("Softmax", writer.value(node.args[0]), axis=layer.dim)


def _layer_norm(writer: Writer, node: fx.Node, layer: nn.LayerNorm) -> str:
    x, sizes = writer.value(node.args[0]), layer.normalized_shape
    weight = torch.ones(sizes) if layer.weight is None else layer.weight
    numbers = [writer.constant(array_of(tensor)) for tensor in (weight, layer.bias) if tensor is not None]
    return writer.op("LayerNormalization", x, *numbers, axis=-len(sizes), epsilon=layer.eps)


def _group_norm(writer: Writer, node: fx.Node, layer: nn.GroupNorm) -> str:
    """Each group as one channel of an instance norm, then the numbers of each channel, if there are any."""
    x, (_, channels, *sizes) = writer.value(node.args[0]), node.meta["shape"]
    one = torch.ones(layer.num_groups)
    apart = writer.op("Reshape", x, _sizes(writer, [0, layer.num_groups, -1]))
    numbers = (writer.constant(array_of(tensor)) for tensor in (one, torch.zeros_like(one)))
    normal = writer.op("InstanceNormalization", apart, *numbers, epsilon=layer.eps)
    y = writer.op("Reshape", normal, _sizes(writer, [0, channels, *sizes]))
    for op_type, tensor in (("Mul", layer.weight), ("Add", layer.bias)):
        if tensor is not None:
            y = writer.op(op_type, y, writer.constant(array_of(tensor).reshape(-1, *[1] * len(sizes))))
    return y


# --- functions: rules get the node, and its arguments ------------------------------------------------------------


Argument = Any
"""As `torch.fx` holds it: a node, a number, several of them."""


def _binary(op_type: str) -> Callable[..., str]:
    def rule(writer: Writer, node: fx.Node, x: Argument, y: Argument, *, alpha: float = 1) -> str:
        if alpha != 1:
            raise UnsupportedModel(f"{node.name} adds with alpha={alpha}; only 1 can be written.")
        return writer.op(op_type, writer.value(x), writer.value(y))

    return rule


def _concatenate(writer: Writer, node: fx.Node, tensors: Iterable[fx.Node], dim: int = 0) -> str:
    return writer.op("Concat", *map(writer.value, tensors), axis=dim)


def _sizes(writer: Writer, sizes: Iterable[int]) -> str:
    """A constant of whole numbers."""
    return writer.constant(np.array([*sizes], np.int64))


def _reshape(writer: Writer, node: fx.Node, x: fx.Node, sizes: Sequence[int]) -> str:
    return writer.op("Reshape", writer.value(x), _sizes(writer, sizes))


def _permute(writer: Writer, node: fx.Node, x: fx.Node, order: Sequence[int]) -> str:
    return writer.op("Transpose", writer.value(x), perm=[*order])


def _part(writer: Writer, node: fx.Node, x: fx.Node, dim: int, places: slice) -> str:
    return _slice(writer, writer.value(x), dim, places)


def _slice(writer: Writer, x: str, dim: int, places: slice) -> str:
    numbers = places.start, places.stop, dim, places.step or 1
    return writer.op("Slice", x, *(_sizes(writer, [number]) for number in numbers))


def _spread(writer: Writer, node: fx.Node, x: fx.Node, sizes: Sequence[int]) -> str:
    return writer.op("Expand", writer.value(x), _sizes(writer, map(abs, sizes)))  # 1 leaves a size as it is


def _for_each(writer: Writer, node: fx.Node, images: fx.Node, x: fx.Node) -> str:
    count = writer.op("Shape", writer.value(images), start=0, end=1)
    sizes = writer.op("Concat", count, _sizes(writer, node.meta["shape"][1:]), axis=0)
    return writer.op("Expand", writer.value(x), sizes)


def _roll(writer: Writer, node: fx.Node, x: fx.Node, shifts: Sequence[int], dims: Sequence[int]) -> str:
    value = writer.value(x)
    for shift, dim in zip(shifts, dims, strict=True):
        size = node.meta["shape"][dim]
        cut = -shift % size
        parts = (_slice(writer, value, dim, slice(*ends)) for ends in ((cut, size), (0, cut)))
        value = writer.op("Concat", *parts, axis=dim)
    return value


def _pad(writer: Writer, node: fx.Node, x: fx.Node, pads: Sequence[int], *how: str | float) -> str:
    missing = [0] * (len(node.meta["shape"]) - len(pads) // 2)
    before, after = ([*missing, *pads[end::2][::-1]] for end in (0, 1))  # torch begins with the last dimension
    return writer.op("Pad", writer.value(x), _sizes(writer, before + after), writer.value(how[-1]))


def _mean(writer: Writer, node: fx.Node, x: fx.Node, dims: Sequence[int], keepdim: bool) -> str:
    return writer.op("ReduceMean", writer.value(x), axes=[*dims], keepdims=int(keepdim))


def _norm(writer: Writer, node: fx.Node, x: fx.Node, order: int, *over: Argument) -> str:
    dims, keepdim = over
    return writer.op("ReduceL2", writer.value(x), axes=[*dims], keepdims=int(keepdim))


def _pair(size: int | Iterable[int]) -> list[int]:
    return [size, size] if isinstance(size, int) else [int(number) for number in size]


LAYERS: dict[type[nn.Module], Callable[..., str]] = {
    ActivationQuantizer: quantizer,
    nn.AdaptiveAvgPool2d: _adaptive_average_pool,
    nn.AvgPool2d: _average_pool,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: convolution,
    nn.Dropout: _skip,
    DynamicQuantizer: dynamic_quantizer,
    nn.ELU: _elu,
    nn.Flatten: _flatten,
    nn.GELU: _gelu,
    nn.GroupNorm: _group_norm,
    nn.Hardsigmoid: _hard_sigmoid,
    nn.Hardswish: _unary("HardSwish"),
    nn.Identity: _skip,
    nn.LayerNorm: _layer_norm,
    nn.LeakyReLU: _leaky,
    nn.Linear: linear,
    nn.MaxPool2d: _max_pool,
    nn.PReLU: _sloped,
    nn.PixelShuffle: _pixel_shuffle,
    nn.PixelUnshuffle: _pixel_unshuffle,
    nn.ReLU: _unary("Relu"),
    nn.ReLU6: _clip,
    nn.SiLU: _silu,
    nn.Sigmoid: _unary("Sigmoid"),
    nn.Softmax: _softmax,
    nn.Tanh: _unary("Tanh"),
    nn.Upsample: _upsample,
}
"""The rule for each kind of layer."""


def _of_one(op_type: str) -> Callable[..., str]:
    return lambda writer, node, x: writer.op(op_type, writer.value(x))


FUNCTIONS: dict[object, Callable[..., str]] = {
    operator.add: _binary("Add"),
    operator.mul: _binary("Mul"),
    operator.truediv: _binary("Div"),
    functions.for_each: _for_each,
    functions.part: _part,
    functions.spread: _spread,
    nn.functional.pad: _pad,
    torch.abs: _of_one("Abs"),
    torch.add: _binary("Add"),
    torch.cat: _concatenate,
    torch.clamp_min: _binary("Max"),
    torch.erf: _of_one("Erf"),
    torch.exp: _of_one("Exp"),
    torch.linalg.vector_norm: _norm,
    torch.log: _of_one("Log"),
    torch.matmul: _binary("MatMul"),
    torch.mean: _mean,
    torch.mul: _binary("Mul"),
    torch.neg: _of_one("Neg"),
    torch.permute: _permute,
    torch.pow: _binary("Pow"),
    torch.reshape: _reshape,
    torch.roll: _roll,
    torch.sqrt: _of_one("Sqrt"),
}
"""The rule for each function that is no layer."""
