"""Write a network as ONNX, straight from its graph: milliseconds, where torch's own exporter takes seconds.

Weights are written in the form that the runtime computes with (`compression.network.WeightFormat`):

* no grid: float32;
* `Half`: float16 and a `Cast`, which ONNX Runtime carries out once, when it loads the file;
* `Affine` behind an `ActivationQuantizer`: integer codes (int8) and a `DequantizeLinear`, and the
  bias as int32 with scale = input scale x weight scale, so that ONNX Runtime replaces the whole group by an
  integer kernel (`QLinearConv`, `QGemm`). A convolution has one only if its output is rounded as well;
* `Affine` elsewhere: integer codes, a `Cast` and a `Mul`, also carried out once, at loading: the layer then
  computes in float. (A `DequantizeLinear` would run again for every image.)

An `ActivationQuantizer` becomes `QuantizeLinear` and `DequantizeLinear`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, fx, nn
from torch.nn import functional

from compression.errors import UnsupportedModel
from compression.grids import SMALLEST_SCALE
from compression.network import (
    ActivationQuantizer,
    Affine,
    BrainFloat,
    Codebook,
    DynamicQuantizer,
    Half,
    WeightedLayer,
    WeightFormat,
    input_shape,
    module_of,
    weight_format,
    weighted_layers,
)
from compression.primitives.batch_norm import fold_batch_norm

OPSET = 17
"""Has every operator needed here, and has been read by every ONNX Runtime since 1.12 (2022)."""
IR_VERSION = 8
"""The one that goes with opset 17."""
INPUT, OUTPUT = "x", "logits"

_BIAS_LIMIT = 2**30
"""Half of int32: room for the products that an integer kernel adds to the bias."""


def to_onnx(model: fx.GraphModule) -> onnx.ModelProto:
    """The network as an ONNX model: float32 input `x` (N x C x H x W) to float32 `logits` (N x classes).

    Batch norm is folded into the layer before it wherever there is one. N is free. The same network
    always gives the same bytes. Raises `UnsupportedModel` for a layer that has no ONNX form here.
    """
    writer = _Writer(fold_batch_norm(model))
    writer.write()
    graph = helper.make_graph(
        writer.nodes,
        "g",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", *input_shape(model)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", *writer.output_shape])],
        writer.initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


class _Writer:
    """Nodes and initializers written so far, and the ONNX name of each graph node's value."""

    def __init__(self, model: fx.GraphModule) -> None:
        self.model = model
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.names: dict[fx.Node, str] = {}
        self.output_shape: tuple[int, ...] = ()
        self.float_weights: dict[WeightedLayer, str] = {}
        self.row_scales: dict[object, str] = {}
        self._written: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def write(self) -> None:
        for node in self.model.graph.nodes:
            if node.op == "placeholder":
                self.names[node] = INPUT
            elif node.op == "get_attr":
                self.names[node] = self.constant(_array(operator.attrgetter(node.target)(self.model)))
            elif node.op == "output":
                self._write_output(node)
            else:
                self.names[node] = self._call(node)

    def _write_output(self, node: fx.Node) -> None:
        """Give the last value its public name."""
        (value,) = node.args
        if not isinstance(value, fx.Node) or self.names[value] == INPUT:
            raise UnsupportedModel("The network must return one tensor of logits that depends on its input.")
        self.output_shape = value.meta["shape"][1:]
        old = self.names[value]
        for written in self.nodes:
            for names in (written.input, written.output):
                names[:] = [OUTPUT if name == old else name for name in names]

    def _call(self, node: fx.Node) -> str:
        layer = module_of(self.model, node)
        if layer is not None:
            rule = next((_LAYERS[kind] for kind in type(layer).__mro__ if kind in _LAYERS), None)
            if rule:
                return rule(self, node, layer)
        elif node.target in _FUNCTIONS:
            return _FUNCTIONS[node.target](self, node)
        what = type(layer).__name__ if layer is not None else getattr(node.target, "__name__", node.target)
        raise UnsupportedModel(
            f"{node.name} ({what}) cannot be written as ONNX here. Supported layers: "
            f"{', '.join(sorted(kind.__name__ for kind in _LAYERS))}; and their functional forms, +, * and cat."
        )

    def op(self, op_type: str, *inputs: str, **attributes: int | float | str | list[int]) -> str:
        """Append one node; returns the name of its output."""
        name = self._new_name()
        self.nodes.append(helper.make_node(op_type, inputs, [name], **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """The name of an initializer with these numbers; equal ones are written once, as for tied layers."""
        values = np.asarray(values, order="C")
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._written:
            self._written[key] = self._new_name()
            self.initializers.append(numpy_helper.from_array(values, self._written[key]))
        return self._written[key]

    def brain_float(self, values: NDArray[np.float32]) -> str:
        """An initializer of bfloat16 numbers, the upper halves of float32 numbers whose lower halves are zero."""
        halves = (values.view(np.uint32) >> 16).astype("<u2")
        name = self._new_name()
        tensor = onnx.TensorProto(name=name, data_type=TensorProto.BFLOAT16, dims=values.shape)
        tensor.raw_data = halves.tobytes()
        self.initializers.append(tensor)
        return name

    def has_zero(self, book: Codebook) -> bool:
        """Whether one of the layers with these values has a mask: their common codebook then begins with a zero."""
        formats = (weight_format(layer) for layer in weighted_layers(self.model).values())
        return any(
            found.mask is not None and not bool(found.mask.all())
            for found in formats
            if isinstance(found.grid, Codebook) and found.grid.values is book.values
        )

    def value(self, argument: object) -> str:
        """The name of a graph node's value, or of a new constant."""
        if isinstance(argument, fx.Node):
            return self.names[argument]
        return self.constant(np.asarray(argument, dtype=np.float32))

    def _new_name(self) -> str:
        self._count += 1
        return str(self._count - 1)


# --- weighted layers ---------------------------------------------------------------------------------------------


def _conv(writer: _Writer, node: fx.Node, layer: nn.Conv2d) -> str:
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


def _linear(writer: _Writer, node: fx.Node, layer: nn.Linear) -> str:
    if node.args[0] in writer.row_scales:
        return _dynamic_linear(writer, node, layer)
    return writer.op("Gemm", *_operands(writer, node, layer), transB=1)


def _dynamic_linear(writer: _Writer, node: fx.Node, layer: nn.Linear) -> str:
    """Integers for rows brought to a scale of 1; afterwards each row gets its own scale back, then the bias."""
    weight = _dequantize(writer, *_codes(layer, weight_format(layer)))
    sums = writer.op("Gemm", writer.value(node.args[0]), weight, transB=1)
    y = writer.op("Mul", sums, writer.row_scales[node.args[0]])
    return y if layer.bias is None else writer.op("Add", y, writer.constant(_array(layer.bias)))


def _operands(writer: _Writer, node: fx.Node, layer: WeightedLayer) -> list[str]:
    """Names of input, weight and, if there is one, bias."""
    x = writer.value(node.args[0])
    bias = None if layer.bias is None else _array(layer.bias)
    before = _quantizer_before(writer.model, node)
    is_quantized_after = _is_quantized_after(writer.model, node)
    if before is not None and (is_quantized_after or isinstance(layer, nn.Linear)):
        integers = _integer_operands(writer, layer, bias, np.float32(before.scale))
        if integers is not None:
            return [x, *integers]
        if is_quantized_after:
            x = _keep_float(writer, x, before)
    biases = [] if bias is None else [writer.constant(bias)]
    return [x, _float_weight(writer, layer), *biases]


def _keep_float(writer: _Writer, x: str, before: ActivationQuantizer) -> str:
    """A limit that no value exceeds: it hides from ONNX Runtime that the input is quantized.

    Otherwise ONNX Runtime (1.31.1) would round the layer's float weights to 8 bits, all channels alike.
    """
    lowest = np.float32(-before.zero_point) * np.float32(before.scale)
    return writer.op("Clip", x, writer.constant(np.asarray(lowest)))


def _integer_operands(
    writer: _Writer, layer: WeightedLayer, bias: NDArray[np.float32] | None, input_scale: np.float32
) -> list[str] | None:
    """Weight and bias for an integer kernel; None if weights are floats or a bias has no place in int32."""
    if not isinstance(weight_format(layer).grid, Affine):
        return None
    codes, scale, zero_point = _codes(layer, weight_format(layer))
    if bias is None:
        return [_dequantize(writer, codes, scale, zero_point)]
    scale = _room_for_bias(scale, codes, zero_point, bias, input_scale)
    steps = np.rint(bias.astype(np.float64) / (input_scale * scale))
    if not np.abs(steps).max() <= _BIAS_LIMIT:
        return None
    weight = _dequantize(writer, codes, scale, zero_point)
    no_offset = np.zeros(scale.shape, np.int32)
    return [weight, _dequantize(writer, steps.astype(np.int32), input_scale * scale, no_offset)]


def _float_weight(writer: _Writer, layer: WeightedLayer) -> str:
    """The weight for a float kernel, written once for all calls of the layer.

    What turns constants into others (Cast, Mul, Gather) is done once, when the file is loaded.
    """
    if layer not in writer.float_weights:
        writer.float_weights[layer] = _unpacked(writer, layer, weight_format(layer))
    return writer.float_weights[layer]


def _unpacked(writer: _Writer, layer: WeightedLayer, restriction: WeightFormat) -> str:
    match restriction.grid:
        case Affine():
            return _scaled_codes(writer, layer, restriction)
        case Codebook():
            return _looked_up(writer, restriction.grid, restriction.mask)
    weight = _array(layer.weight) + np.float32(0)  # turns -0.0, which masking leaves, into 0.0
    match restriction.grid:
        case Half():
            return writer.op("Cast", writer.constant(weight.astype(np.float16)), to=TensorProto.FLOAT)
        case BrainFloat():
            return writer.op("Cast", writer.brain_float(weight), to=TensorProto.FLOAT)
    return writer.constant(weight)


def _looked_up(writer: _Writer, book: Codebook, mask: Tensor | None) -> str:
    """Codes that point into a codebook. Weights outside the mask point at a zero that is put before its values."""
    codes, values = _array(book.codes), _array(book.values)
    if writer.has_zero(book):
        kept = np.ones(codes.shape, bool) if mask is None else _array(mask).astype(bool)
        codes = np.where(kept, codes.astype(np.uint16) + 1, 0).astype(np.uint8 if len(values) < 256 else np.uint16)
        values = np.concatenate([np.zeros(1, np.float32), values])
    indices = writer.op("Cast", writer.constant(codes), to=TensorProto.INT32)
    return writer.op("Gather", writer.constant(values), indices, axis=0)


def _scaled_codes(writer: _Writer, layer: WeightedLayer, restriction: WeightFormat) -> str:
    codes, scale, zero_point = _codes(layer, restriction)
    name = writer.op("Cast", writer.constant(codes), to=TensorProto.FLOAT)
    if zero_point.any():
        zero_points = writer.constant(_per_channel(zero_point, codes))
        name = writer.op("Sub", name, writer.op("Cast", zero_points, to=TensorProto.FLOAT))
    return writer.op("Mul", name, writer.constant(_per_channel(scale, codes)))


def _codes(
    layer: WeightedLayer, restriction: WeightFormat
) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32], NDArray[np.integer[Any]]]:
    """Codes (shape of the weight), scales and zero points (one, or one an output channel), in signed 8 bits.

    Codes are counted from the zero point wherever they then fit into int8: always up to 7 bits, and at
    8 bits when the grid is symmetric. Other grids are moved by 128: kernels for unsigned weights are slower.
    """
    grid = restriction.grid
    assert isinstance(grid, Affine)
    zero_point = _array(grid.zero_point).reshape(-1).astype(np.int32)
    scale = _array(grid.scale).reshape(-1).astype(np.float32)
    codes = _array(grid.quantize(layer.weight.detach()))
    centred = codes - _per_channel(zero_point, codes)
    if restriction.mask is not None:
        centred = centred * _array(restriction.mask).astype(bool)
    exact = centred.astype(np.float32) * _per_channel(scale, codes)
    assert np.array_equal(exact, _array(layer.weight)), "a layer's weights have left their grid"
    if centred.min() >= -128 and centred.max() <= 127:
        return centred.astype(np.int8), scale, np.zeros(scale.shape, np.int8)
    moved = zero_point - 128
    return (centred + _per_channel(moved, codes)).astype(np.int8), scale, moved.astype(np.int8)


def _per_channel(values: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """Values of output channels (one, or one each) in a shape that broadcasts against the weight."""
    return values.reshape(-1, *[1] * (weight.ndim - 1))


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
    writer: _Writer, codes: NDArray[Any], scale: NDArray[np.float32], zero_point: NDArray[np.integer[Any]]
) -> str:
    names = [writer.constant(codes)]
    if scale.size == 1:
        return writer.op(
            "DequantizeLinear", *names, writer.constant(scale.reshape(())), writer.constant(zero_point.reshape(()))
        )
    names += [writer.constant(scale), writer.constant(np.broadcast_to(zero_point, scale.shape))]
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


def _is_quantized_after(model: fx.GraphModule, node: fx.Node) -> bool:
    """Whether the layer's output is used in no other way than rounded, perhaps behind an activation."""
    users = list(node.users)
    if len(users) == 1 and isinstance(module_of(model, users[0]), nn.ReLU | nn.ReLU6):
        users = list(users[0].users)
    return len(users) > 0 and all(isinstance(module_of(model, user), ActivationQuantizer) for user in users)


def _quantizer(writer: _Writer, node: fx.Node, layer: ActivationQuantizer) -> str:
    return _round(writer, writer.value(node.args[0]), layer.scale, layer.zero_point, layer.high)


def _round(writer: _Writer, x: str, scale: float, zero_point: int, high: int) -> str:
    """Codes are 8 bits wide and end at 0 and 255 by themselves; fewer bits are cut off above, between kernels."""
    names = [writer.constant(np.asarray(scale, np.float32)), writer.constant(np.asarray(zero_point, np.uint8))]
    codes = writer.op("QuantizeLinear", x, *names)
    if high < 255:
        codes = writer.op("Clip", codes, "", writer.constant(np.asarray(high, np.uint8)))
    return writer.op("DequantizeLinear", codes, *names)


def _dynamic_quantizer(writer: _Writer, node: fx.Node, layer: DynamicQuantizer) -> str:
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


# --- other layers ------------------------------------------------------------------------------------------------


def _batch_norm(writer: _Writer, node: fx.Node, layer: nn.BatchNorm2d) -> str:
    mean, variance = layer.running_mean, layer.running_var
    if mean is None or variance is None:
        raise UnsupportedModel(f"{node.name} keeps no running statistics; train it with track_running_stats=True.")
    gamma = torch.ones_like(mean) if layer.weight is None else layer.weight
    beta = torch.zeros_like(mean) if layer.bias is None else layer.bias
    names = [writer.constant(_array(tensor)) for tensor in (gamma, beta, mean, variance)]
    return writer.op("BatchNormalization", writer.value(node.args[0]), *names, epsilon=layer.eps)


def _max_pool(writer: _Writer, node: fx.Node, layer: nn.MaxPool2d) -> str:
    return writer.op(
        "MaxPool",
        writer.value(node.args[0]),
        kernel_shape=_pair(layer.kernel_size),
        strides=_pair(layer.stride or layer.kernel_size),
        pads=_pair(layer.padding) * 2,
        dilations=_pair(layer.dilation),
        ceil_mode=int(layer.ceil_mode),
    )


def _average_pool(writer: _Writer, node: fx.Node, layer: nn.AvgPool2d) -> str:
    if layer.divisor_override is not None:
        raise UnsupportedModel(f"{node.name} overrides the divisor of its average; ONNX has no form for that.")
    return writer.op(
        "AveragePool",
        writer.value(node.args[0]),
        kernel_shape=_pair(layer.kernel_size),
        strides=_pair(layer.stride or layer.kernel_size),
        pads=_pair(layer.padding) * 2,
        ceil_mode=int(layer.ceil_mode),
        count_include_pad=int(layer.count_include_pad),
    )


def _adaptive_average_pool(writer: _Writer, node: fx.Node, layer: nn.AdaptiveAvgPool2d) -> str:
    return _adaptive(writer, node, layer.output_size)


def _adaptive(writer: _Writer, node: fx.Node, output_size: object) -> str:
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


def _upsample(writer: _Writer, node: fx.Node, layer: nn.Upsample) -> str:
    return _interpolate(writer, node, layer.mode, layer.align_corners)


def _interpolate(writer: _Writer, node: fx.Node, mode: str, align_corners: object) -> str:
    """To the size that the graph says the result has."""
    before, after = _map_size(node.all_input_nodes[0]), _map_size(node)
    if mode == "area":
        return _adaptive(writer, node, after)
    if mode != "bilinear" or align_corners:
        raise UnsupportedModel(f"{node.name} resizes in mode {mode!r}; only 'bilinear' and 'area' can be written.")
    scales = np.array([1, 1, *map(_scale_to, before, after)], np.float32)
    return writer.op("Resize", writer.value(node.args[0]), "", writer.constant(scales), mode="linear")


def _scale_to(before: int, after: int) -> np.float32:
    """The factor whose product with `before`, in float32 and rounded down, is `after`."""
    scale = np.float32(after / before)
    while int(np.float32(before) * scale) < after:
        scale = np.nextafter(scale, np.float32(np.inf), dtype=np.float32)
    return scale


def _flatten_layer(writer: _Writer, node: fx.Node, layer: nn.Flatten) -> str:
    return _flatten(writer, node, layer.start_dim, layer.end_dim)


def _flatten(writer: _Writer, node: fx.Node, start: int = 0, end: int = -1) -> str:
    if start != 1 or end not in (-1, 3):
        raise UnsupportedModel(f"{node.name} flattens dimensions {start} to {end}; only 1 to -1 can be written.")
    # not Flatten: behind a Reshape, ONNX Runtime still sees that the values are 8-bit codes
    return writer.op("Reshape", writer.value(node.args[0]), writer.constant(np.array([0, -1], np.int64)))


def _clip(writer: _Writer, node: fx.Node) -> str:
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
    """An operator without settings, as a layer, a function or a method."""
    return lambda writer, node, layer=None: writer.op(op_type, writer.value(node.args[0]))


def _hard_sigmoid(writer: _Writer, node: fx.Node, layer: object = None) -> str:
    return writer.op("HardSigmoid", writer.value(node.args[0]), alpha=1 / 6, beta=0.5)


def _silu(writer: _Writer, node: fx.Node, layer: object = None) -> str:
    x = writer.value(node.args[0])
    return writer.op("Mul", x, writer.op("Sigmoid", x))


def _skip(writer: _Writer, node: fx.Node, layer: object = None) -> str:
    return writer.value(node.args[0])


def _binary(op_type: str) -> Callable[[_Writer, fx.Node], str]:
    def rule(writer: _Writer, node: fx.Node) -> str:
        if node.kwargs.get("alpha", 1) != 1:
            raise UnsupportedModel(f"{node.name} adds with alpha={node.kwargs['alpha']}; only 1 can be written.")
        return writer.op(op_type, *(writer.value(argument) for argument in node.args[:2]))

    return rule


def _concatenate(writer: _Writer, node: fx.Node) -> str:
    tensors, *rest = node.args
    axis = rest[0] if rest else node.kwargs.get("dim", 0)
    assert isinstance(tensors, Iterable) and isinstance(axis, int)
    return writer.op("Concat", *(writer.value(tensor) for tensor in tensors), axis=axis)


def _flatten_function(writer: _Writer, node: fx.Node) -> str:
    settings = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | node.kwargs
    return _flatten(writer, node, settings.get("start_dim", 0), settings.get("end_dim", -1))  # type: ignore[arg-type]


def _max_pool_function(writer: _Writer, node: fx.Node) -> str:
    return _max_pool(writer, node, nn.MaxPool2d(*node.args[1:], **node.kwargs))  # type: ignore[arg-type]


def _average_pool_function(writer: _Writer, node: fx.Node) -> str:
    return _average_pool(writer, node, nn.AvgPool2d(*node.args[1:], **node.kwargs))  # type: ignore[arg-type]


def _interpolate_function(writer: _Writer, node: fx.Node) -> str:
    names = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")
    settings = dict(zip(names, node.args[1:], strict=False)) | node.kwargs
    if settings.get("antialias"):
        raise UnsupportedModel(f"{node.name} resizes with antialias=True; average with AvgPool2d before it instead.")
    return _interpolate(writer, node, str(settings.get("mode", "nearest")), settings.get("align_corners"))


def _adaptive_function(writer: _Writer, node: fx.Node) -> str:
    return _adaptive(writer, node, node.kwargs.get("output_size", node.args[-1]))


_LAYERS: dict[type[nn.Module], Callable[..., str]] = {
    ActivationQuantizer: _quantizer,
    nn.AdaptiveAvgPool2d: _adaptive_average_pool,
    nn.AvgPool2d: _average_pool,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: _conv,
    nn.Dropout: _skip,
    DynamicQuantizer: _dynamic_quantizer,
    nn.Flatten: _flatten_layer,
    nn.Hardsigmoid: _hard_sigmoid,
    nn.Hardswish: _unary("HardSwish"),
    nn.Identity: _skip,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: _unary("Relu"),
    nn.ReLU6: lambda writer, node, layer: _clip(writer, node),
    nn.SiLU: _silu,
    nn.Sigmoid: _unary("Sigmoid"),
    nn.Tanh: _unary("Tanh"),
    nn.Upsample: _upsample,
}

_FUNCTIONS: dict[object, Callable[[_Writer, fx.Node], str]] = {
    operator.add: _binary("Add"),
    operator.iadd: _binary("Add"),
    operator.mul: _binary("Mul"),
    operator.imul: _binary("Mul"),
    torch.add: _binary("Add"),
    torch.mul: _binary("Mul"),
    torch.cat: _concatenate,
    torch.flatten: _flatten_function,
    torch.relu: _unary("Relu"),
    torch.sigmoid: _unary("Sigmoid"),
    torch.tanh: _unary("Tanh"),
    functional.adaptive_avg_pool2d: _adaptive_function,
    functional.avg_pool2d: _average_pool_function,
    functional.dropout: _skip,
    functional.hardsigmoid: _hard_sigmoid,
    functional.hardswish: _unary("HardSwish"),
    functional.interpolate: _interpolate_function,
    functional.max_pool2d: _max_pool_function,
    functional.relu: _unary("Relu"),
    functional.relu6: _clip,
    functional.silu: _silu,
    "flatten": _flatten_function,
    "relu": _unary("Relu"),
    "sigmoid": _unary("Sigmoid"),
    "tanh": _unary("Tanh"),
}
"""Functions, and methods of a tensor by their name."""


def _pair(size: int | Iterable[int]) -> list[int]:
    return [size, size] if isinstance(size, int) else [int(number) for number in size]


def _array(tensor: Tensor) -> NDArray[Any]:
    values: NDArray[Any] = tensor.detach().cpu().numpy()
    return values
