"""Layers with weights: convolutions and linear layers in each form that weights may have, and activations' codes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor, fx, nn

from compression.engine.files.export.writer import Writer, array_of
from compression.engine.network.form import (
    ActivationQuantizer,
    DynamicQuantizer,
    WeightedLayer,
    WeightFormat,
    module_of,
    weight_format,
)
from compression.engine.network.grids import SMALLEST_SCALE, Affine, BrainFloat, Codebook, Half
from compression.engine.onnx_graph import per_channel
from compression.errors import UnsupportedModel

_BIAS_LIMIT = 2**30
"""Half of int32: room for the products that an integer kernel adds to the bias."""


def convolution(writer: Writer, node: fx.Node, layer: nn.Conv2d) -> str:
    """A `Conv`; raises `UnsupportedModel` for padding that is not zeros."""
    if layer.padding_mode != "zeros":
        raise UnsupportedModel(f"{node.name} pads with {layer.padding_mode!r}; only zeros can be written.")
    top_left, bottom_right = _conv_padding(layer)
    return writer.op(
        "Conv",
        *_operands(writer, node, layer),
        kernel_shape=list(layer.kernel_size),
        pads=[*top_left, *bottom_right],
        strides=list(layer.stride),
        dilations=list(layer.dilation),
        group=layer.groups,
    )


def _conv_padding(layer: nn.Conv2d) -> tuple[list[int], list[int]]:
    if layer.padding == "valid":
        return [0, 0], [0, 0]
    if layer.padding == "same":  # an odd pixel goes to the end, as in torch
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        return [total // 2 for total in totals], [total - total // 2 for total in totals]
    padding = [int(size) for size in layer.padding]
    return padding, padding


def linear(writer: Writer, node: fx.Node, layer: nn.Linear) -> str:
    """A `Gemm`."""
    if node.args[0] in writer.row_scales:
        return _dynamic_linear(writer, node, layer)
    return writer.op("Gemm", *_operands(writer, node, layer), transB=1)


def _dynamic_linear(writer: Writer, node: fx.Node, layer: nn.Linear) -> str:
    """Integers for rows brought to a scale of 1; afterwards each row gets its own scale back, then the bias."""
    weight = _dequantize(writer, *_codes(layer, weight_format(layer)))
    sums = writer.op("Gemm", writer.value(node.args[0]), weight, transB=1)
    y = writer.op("Mul", sums, writer.row_scales[node.args[0]])
    return y if layer.bias is None else writer.op("Add", y, writer.constant(array_of(layer.bias)))


def _operands(writer: Writer, node: fx.Node, layer: WeightedLayer) -> list[str]:
    """Names of input, weight and, if there is one, bias."""
    x = writer.value(node.args[0])
    bias = None if layer.bias is None else array_of(layer.bias)
    before = _quantizer_before(writer.model, node)
    after = _quantizers_after(writer.model, node)
    if before is not None and (after or isinstance(layer, nn.Linear)):
        finest = min((quantizer.scale for quantizer in after), default=math.inf)
        integers = _integer_operands(writer, layer, bias, np.float32(before.scale), finest)
        if integers is not None:
            return [x, *integers]
        if after:
            x = _keep_float(writer, x, before)
    biases = [] if bias is None else [writer.constant(bias)]
    return [x, _float_weight(writer, layer), *biases]


def _keep_float(writer: Writer, x: str, before: ActivationQuantizer) -> str:
    """A limit that no value exceeds: it hides from ONNX Runtime that the input is quantized.

    Otherwise ONNX Runtime (1.31.1) would round the layer's float weights to 8 bits, all channels alike.
    """
    lowest = np.float32(-before.zero_point) * np.float32(before.scale)
    return writer.op("Clip", x, writer.constant(np.asarray(lowest)))


def _integer_operands(
    writer: Writer, layer: WeightedLayer, bias: NDArray[np.float32] | None, input_scale: np.float32, finest: float
) -> list[str] | None:
    """Weight and bias for an integer kernel; None if weights are floats, or int32 has no place for a bias.

    Nor if rounding a bias to its steps would move it by half of the `finest` step in which outputs are told apart.
    """
    if not isinstance(weight_format(layer).grid, Affine):
        return None
    codes, scale, zero_point = _codes(layer, weight_format(layer))
    if bias is None:
        return [_dequantize(writer, codes, scale, zero_point)]
    scale = _room_for_bias(scale, codes, zero_point, bias, input_scale)
    step = (input_scale * scale).astype(np.float64)
    steps = np.rint(bias / step)
    if not np.abs(steps).max() <= _BIAS_LIMIT or np.abs(steps * step - bias).max() > finest / 2:
        return None
    weight = _dequantize(writer, codes, scale, zero_point)
    no_offset = np.zeros(scale.shape, np.int32)
    return [weight, _dequantize(writer, steps.astype(np.int32), input_scale * scale, no_offset)]


def _float_weight(writer: Writer, layer: WeightedLayer) -> str:
    """The weight for a float kernel, written once for all calls of the layer.

    What turns constants into others (Cast, Mul, Gather) is done once, when the file is loaded.
    """
    if layer not in writer.float_weights:
        writer.float_weights[layer] = _unpacked(writer, layer, weight_format(layer))
    return writer.float_weights[layer]


def _unpacked(writer: Writer, layer: WeightedLayer, restriction: WeightFormat) -> str:
    match restriction.grid:
        case Affine():
            return _scaled_codes(writer, layer, restriction)
        case Codebook():
            return _looked_up(writer, restriction.grid, restriction.mask)
    weight = array_of(layer.weight) + np.float32(0)  # turns -0.0, which masking leaves, into 0.0
    match restriction.grid:
        case BrainFloat():
            return writer.op("Cast", writer.brain_float(weight), to=TensorProto.FLOAT)
        case Half():
            return writer.op("Cast", writer.constant(weight.astype(np.float16)), to=TensorProto.FLOAT)
    return writer.constant(weight)


def _looked_up(writer: Writer, book: Codebook, mask: Tensor | None) -> str:
    """Codes that point into a codebook. Weights outside the mask point at a zero that is put before its values."""
    codes, values = array_of(book.codes), array_of(book.values)
    if writer.has_zero(book):
        kept = np.ones(codes.shape, bool) if mask is None else array_of(mask).astype(bool)
        codes = np.where(kept, codes.astype(np.uint16) + 1, 0).astype(np.uint8 if len(values) < 256 else np.uint16)
        values = np.concatenate([np.zeros(1, np.float32), values])
    indices = writer.op("Cast", writer.constant(codes), to=TensorProto.INT32)
    return writer.op("Gather", writer.constant(values), indices, axis=0)


def _scaled_codes(writer: Writer, layer: WeightedLayer, restriction: WeightFormat) -> str:
    codes, scale, zero_point = _codes(layer, restriction)
    name = writer.op("Cast", writer.constant(codes), to=TensorProto.FLOAT)
    if zero_point.any():
        zero_points = writer.constant(per_channel(zero_point, codes))
        name = writer.op("Sub", name, writer.op("Cast", zero_points, to=TensorProto.FLOAT))
    return writer.op("Mul", name, writer.constant(per_channel(scale, codes)))


def _codes(
    layer: WeightedLayer, restriction: WeightFormat
) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32], NDArray[np.integer[Any]]]:
    """Codes (shape of the weight), scales and zero points (one, or one an output channel), in signed 8 bits.

    Codes are counted from the zero point wherever they then fit into int8: always up to 7 bits, and at
    8 bits when the grid is symmetric. Other grids are moved by 128: kernels for unsigned weights are slower.
    """
    grid = restriction.grid
    assert isinstance(grid, Affine)
    zero_point = array_of(grid.zero_point).reshape(-1).astype(np.int32)
    scale = array_of(grid.scale).reshape(-1).astype(np.float32)
    codes = array_of(grid.quantize(layer.weight.detach()))
    centred = codes - per_channel(zero_point, codes)
    if restriction.mask is not None:
        centred = centred * array_of(restriction.mask).astype(bool)
    exact = centred.astype(np.float32) * per_channel(scale, codes)
    assert np.array_equal(exact, array_of(layer.weight)), "a layer's weights have left their grid"
    if centred.min() >= -128 and centred.max() <= 127:
        return centred.astype(np.int8), scale, np.zeros(scale.shape, np.int8)
    moved = zero_point - 128
    return (centred + per_channel(moved, codes)).astype(np.int8), scale, moved.astype(np.int8)


def _room_for_bias(
    scale: NDArray[np.float32],
    codes: NDArray[np.integer[Any]],
    zero_point: NDArray[np.integer[Any]],
    bias: NDArray[np.float32],
    input_scale: np.float32,
) -> NDArray[np.float32]:
    """Widen the scales of channels without any weight, whose scale is free, until their bias fits int32."""
    if scale.size == 1:
        return scale
    flat = codes.reshape(len(codes), -1)
    is_empty = (flat == zero_point.reshape(-1, 1)).all(axis=1)
    needed = 1.01 * np.abs(bias) / (input_scale * _BIAS_LIMIT)  # 1 % more, as float32 rounds
    return np.where(is_empty, np.maximum(scale, needed), scale).astype(np.float32)


def _dequantize(
    writer: Writer, codes: NDArray[Any], scale: NDArray[np.float32], zero_point: NDArray[np.integer[Any]]
) -> str:
    if scale.size == 1:
        names = [writer.constant(values) for values in (codes, scale.reshape(()), zero_point.reshape(()))]
        return writer.op("DequantizeLinear", *names)
    names = [writer.constant(values) for values in (codes, scale, np.broadcast_to(zero_point, scale.shape))]
    return writer.op("DequantizeLinear", *names, axis=0)


def _quantizer_before(model: fx.GraphModule, node: fx.Node) -> ActivationQuantizer | None:
    """The quantizer whose levels the layer's input consists of; pooling by maximum and reshaping keep them."""
    before = node.args[0]
    while isinstance(before, fx.Node):
        layer = module_of(model, before)
        if isinstance(layer, ActivationQuantizer):
            return layer
        if not isinstance(layer, nn.MaxPool2d | nn.Flatten | nn.Dropout | nn.Identity):
            return None
        before = before.args[0]
    return None


def _quantizers_after(model: fx.GraphModule, node: fx.Node) -> list[ActivationQuantizer]:
    """Those that round the layer's output, perhaps behind an activation; none if it is used in any other way too."""
    users = list(node.users)
    if len(users) == 1 and isinstance(module_of(model, users[0]), nn.ReLU | nn.ReLU6):
        users = list(users[0].users)
    layers = [module_of(model, user) for user in users]
    quantizers = [layer for layer in layers if isinstance(layer, ActivationQuantizer)]
    return quantizers if len(quantizers) == len(layers) else []


def quantizer(writer: Writer, node: fx.Node, layer: ActivationQuantizer) -> str:
    """A `QuantizeLinear` and a `DequantizeLinear`, between which kernels compute with integers."""
    return _round(writer, writer.value(node.args[0]), layer.scale, layer.zero_point, layer.high)


def _round(writer: Writer, x: str, scale: float, zero_point: int, high: int) -> str:
    """Codes are 8 bits wide and end at 0 and 255 by themselves; fewer bits are cut off above, between kernels."""
    names = [writer.constant(np.asarray(scale, np.float32)), writer.constant(np.asarray(zero_point, np.uint8))]
    codes = writer.op("QuantizeLinear", x, *names)
    if high < 255:
        codes = writer.op("Clip", codes, "", writer.constant(np.asarray(high, np.uint8)))
    return writer.op("DequantizeLinear", codes, *names)


def dynamic_quantizer(writer: Writer, node: fx.Node, layer: DynamicQuantizer) -> str:
    """Rows divided by their scales, rounded to whole numbers: `_dynamic_linear` multiplies the scales back in."""
    if any(not _is_integer_linear(module_of(writer.model, user)) for user in node.users):
        raise UnsupportedModel(
            f"{node.name} rounds for each image; only linear layers with integer codes may read that."
        )
    x = writer.value(node.args[0])
    scale = writer.constant(np.asarray(SMALLEST_SCALE, np.float32))
    for op_type, levels in (("ReduceMax", layer.high - layer.zero_point), ("ReduceMin", -layer.zero_point)):
        if levels:
            end = writer.op(op_type, x, axes=[1], keepdims=1)
            scale = writer.op("Max", writer.op("Mul", end, writer.constant(np.asarray(1 / levels, np.float32))), scale)
    writer.row_scales[node] = scale
    return _round(writer, writer.op("Div", x, scale), 1.0, layer.zero_point, layer.high)


def _is_integer_linear(layer: nn.Module | None) -> bool:
    return isinstance(layer, nn.Linear) and isinstance(weight_format(layer).grid, Affine)
