"""Which layer or function of the normal form stands for each of torch's operations."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from compression.engine.network import functions, placing
from compression.engine.network.builder import Builder
from compression.engine.network.placing import dims_of
from compression.engine.network.program import shape_of, source_of
from compression.errors import UnsupportedModel

aten = torch.ops.aten


def _one(setting: Any) -> Any:  # noqa: ANN401 - what torch's layers take
    """One number where all of several are the same, None where there is none; other settings as they are."""
    if not isinstance(setting, Sequence) or isinstance(setting, str):
        return setting
    return next(iter(setting), None) if len(set(setting)) < 2 else tuple(setting)


# --- layers with weights ------------------------------------------------------------------------------------------


def _with(layer: nn.Module, **tensors: Tensor | None) -> nn.Module:
    """The layer, made without numbers, with these parameters: contiguous copies that belong to nobody else."""
    for name, tensor in tensors.items():
        if tensor is not None:
            setattr(layer, name, nn.Parameter(tensor.detach().clone(memory_format=torch.contiguous_format)))
    return layer


def _fixed(builder: Builder, node: fx.Node, *weights: object) -> None:
    """Refuse weights that are computed from the image."""
    if any(isinstance(weight, fx.Node) for weight in weights):
        raise builder.refused(node, "has weights that depend on the image")


def _convolution(
    builder: Builder,
    node: fx.Node,
    x: object,
    *,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int] | str,
    dilation: Sequence[int],
    groups: int,
) -> fx.Node:
    _fixed(builder, node, weight, bias)
    settings = {
        "stride": _one(stride),
        "padding": _one(padding),
        "dilation": _one(dilation),
        "groups": groups,
        "bias": bias is not None,
    }

    def make() -> nn.Module:
        size = tuple(weight.shape[2:])
        layer = nn.Conv2d(weight.shape[1] * groups, len(weight), size, **settings, device="meta")  # type: ignore[arg-type]
        return _with(layer, weight=weight, bias=bias)

    return builder.layer(node, make, x, key=("conv", id(weight), id(bias), *settings.values()))


def _transposed_convolution(
    builder: Builder,
    node: fx.Node,
    x: object,
    *,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    groups: int,
    dilation: Sequence[int],
    **others: object,
) -> fx.Node:
    """An ordinary convolution, one channel for each place of a step, and pixel shuffle behind it (Shi et al., 2016)."""
    _fixed(builder, node, weight, bias)
    step = _one(stride)
    if not isinstance(step, int):
        raise builder.refused(node, f"has strides {stride}; only equal ones are known")
    if step > 1 and _one(dilation) != 1:
        raise builder.refused(node, f"has strides {stride} and dilations {dilation}; only one of both is known")
    reach = [spacing * (-(-size // step) - 1) for size, spacing in zip(weight.shape[2:], _pair(dilation), strict=True)]
    sizes = zip(shape_of(source_of(node))[2:], shape_of(node)[2:], _pair(padding), reach, strict=True)
    ends = [(far - cut // step, -(-(cut + after) // step) - before) for before, after, cut, far in sizes]
    around = [max(0, *two) for two in ends]
    settings = {"padding": _one(around), "dilation": _one(dilation), "groups": groups, "bias": bias is not None}

    def make() -> nn.Module:
        kernel = _apart(weight, step, groups)
        size = tuple(kernel.shape[2:])
        layer = nn.Conv2d(len(weight), len(kernel), size, **settings, device="meta")  # type: ignore[arg-type]
        return _with(layer, weight=kernel, bias=None if bias is None else bias.repeat_interleave(step**2))

    y = builder.layer(node, make, x, key=("transposed", id(weight), id(bias), step, *settings.values()))
    if step > 1:
        y = builder.layer(node, lambda: nn.PixelShuffle(step), y, called="pixel_shuffle")
    for dim, (cut, far, more) in enumerate(zip(_pair(padding), reach, around, strict=True), 2):
        start, size = cut - step * (far - more), shape_of(node)[dim]
        if (start, size) != (0, step * (shape_of(source_of(node))[dim] + 2 * more - far)):
            y = builder.function(node, functions.part, y, dim, slice(start, start + size))
    return y


def _apart(weight: Tensor, step: int, groups: int) -> Tensor:
    """The kernel of a transposed convolution as one for each place of a step, in the order of pixel shuffle.

    Where its size is no multiple of the step, some of them end in zeros.
    """
    inputs, outputs, *size = weight.shape
    height, width = (-(-one // step) for one in size)
    whole = nn.functional.pad(weight.detach(), (0, width * step - size[1], 0, height * step - size[0]))
    places = whole.reshape(groups, inputs // groups, outputs, height, step, width, step).flip(3, 5)
    return places.permute(0, 2, 4, 6, 1, 3, 5).reshape(-1, inputs // groups, height, width)


def _linear(builder: Builder, node: fx.Node, x: object, *, weight: Tensor, bias: Tensor | None) -> fx.Node:
    """A linear layer reads rows of features: where each image has many, as in transformers, all are rows."""
    _fixed(builder, node, weight, bias)

    def make() -> nn.Module:
        outputs, inputs = weight.shape
        return _with(nn.Linear(inputs, outputs, bias is not None, device="meta"), weight=weight, bias=bias)

    rows, sizes = x, builder.shape(node)
    if len(sizes) != 2 and isinstance(x, fx.Node):
        rows = builder.function(node, torch.reshape, x, (-1, weight.shape[1]))
    answers = builder.layer(node, make, rows, key=("linear", id(weight), id(bias)))
    return answers if len(sizes) == 2 else builder.function(node, torch.reshape, answers, builder.target(node))


def _batch_norm(
    builder: Builder,
    node: fx.Node,
    x: object,
    *,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: float,
    eps: float,
    **others: object,
) -> fx.Node:
    if running_mean is None or running_var is None:
        raise builder.refused(node, "keeps no running statistics; train it with track_running_stats=True")

    def make() -> nn.Module:
        kind = nn.BatchNorm2d if len(builder.shape(source_of(node))) == 4 else nn.BatchNorm1d
        norm = kind(len(running_mean), eps, momentum, affine=weight is not None, device="meta")
        norm.running_mean, norm.running_var = running_mean.detach().clone(), running_var.detach().clone()
        norm.num_batches_tracked = torch.zeros((), dtype=torch.int64)
        return _with(norm, weight=weight, bias=bias)

    key = ("norm", *map(id, (weight, bias, running_mean, running_var)), eps)
    return builder.layer(node, make, x, key=key)


def _sloped(builder: Builder, node: fx.Node, x: object, *, weight: Tensor) -> fx.Node:
    _fixed(builder, node, weight)
    slopes = weight.reshape(-1)
    return builder.layer(
        node, lambda: _with(nn.PReLU(len(slopes), device="meta"), weight=slopes), x, key=("slopes", id(weight))
    )


# --- layers without weights ---------------------------------------------------------------------------------------


def _simple(kind: Callable[..., nn.Module], *names: str) -> Callable[..., fx.Node]:
    """A layer with those of the operation's settings that it has too."""

    def rule(builder: Builder, node: fx.Node, x: object, **settings: object) -> fx.Node:
        return builder.layer(node, lambda: kind(**{name: _one(settings[name]) for name in names}), x)

    return rule


def _pooled(kind: Callable[..., nn.Module], *names: str) -> Callable[..., fx.Node]:
    """A pooling layer; rounding its size up is only said where it makes a difference."""
    rule = _simple(kind, *names)

    def pooled(builder: Builder, node: fx.Node, x: object, *, ceil_mode: bool, **settings: Any) -> fx.Node:  # noqa: ANN401
        windows = zip(*(_pair(settings.get(name) or 1) for name in ("kernel_size", "dilation")), strict=True)
        strides = _pair(settings["stride"] or settings["kernel_size"])
        before, after = (shape_of(one)[2:] for one in (source_of(node), node))
        rounded = [
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, padding, (kernel, dilation), stride in zip(
                before, _pair(settings["padding"]), windows, strides, strict=True
            )
        ]
        return rule(builder, node, x, ceil_mode=ceil_mode and list(after) != rounded, **settings)  # type: ignore[no-any-return]

    return pooled


def _pair(setting: Sequence[int] | int) -> tuple[int, int]:
    one = _one(setting)
    return (one, one) if isinstance(one, int) else one  # type: ignore[return-value]


def _identity(builder: Builder, node: fx.Node, x: object, **settings: object) -> object:
    return x


def _clamped(builder: Builder, node: fx.Node, x: object, **limits: float | None) -> fx.Node:
    low, high = limits.values()
    if low == 0 and high in (6, None):
        return builder.layer(node, nn.ReLU6 if high == 6 else nn.ReLU, x)
    raise builder.refused(node, f"limits numbers to {low} and {high}; only 0 and 6 are known")


def _mean(
    builder: Builder, node: fx.Node, x: object, *, dim: Sequence[int], keepdim: bool, **others: object
) -> fx.Node:
    """Over the whole map it is global average pooling."""
    before = builder.shape(source_of(node))
    dims = dims_of(builder, node, dim)
    if len(before) != 4 or dims != (2, 3):
        return builder.function(node, torch.mean, x, dims, keepdim)
    pooled = builder.layer(node, lambda: nn.AdaptiveAvgPool2d(1), x)
    return pooled if keepdim else builder.layer(node, lambda: nn.Flatten(1), pooled, called="flatten")


def _padded(
    builder: Builder, node: fx.Node, x: object, *, pad: Sequence[int], mode: str, value: float | None
) -> object:
    if not any(pad):
        return x
    if mode != "constant":
        raise builder.refused(node, f"pads in mode {mode!r}; only a constant is known")
    return builder.function(node, nn.functional.pad, x, tuple(pad), mode, value or 0.0)


def _resized(mode: str) -> Callable[..., fx.Node]:
    def rule(
        builder: Builder,
        node: fx.Node,
        x: object,
        *,
        scale_factors: Sequence[float] | None,
        align_corners: bool | None = None,
        **others: object,
    ) -> fx.Node:
        how: dict[str, Any] = (
            {"scale_factor": _one(scale_factors)} if scale_factors else {"size": _one(builder.shape(node)[2:])}
        )
        return builder.layer(node, lambda: nn.Upsample(mode=mode, align_corners=align_corners or None, **how), x)

    return rule


def _antialiased(builder: Builder, node: fx.Node, x: object, **settings: object) -> fx.Node:
    raise UnsupportedModel("An image is resized with antialias=True; average with AvgPool2d before it instead.")


# --- values with each other ---------------------------------------------------------------------------------------


def _sum(builder: Builder, node: fx.Node, x: object, *, other: object, alpha: float = 1) -> fx.Node:
    if alpha != 1:
        other = builder.function(node, operator.mul, other, alpha) if isinstance(other, fx.Node) else other * alpha  # type: ignore[operator]
    return builder.function(node, operator.add, x, other)


def _difference(builder: Builder, node: fx.Node, x: object, *, other: object, alpha: float = 1) -> fx.Node:
    return _sum(builder, node, x, other=other, alpha=-alpha)


def _difference_from(builder: Builder, node: fx.Node, x: object, *, other: object, alpha: float = 1) -> fx.Node:
    return builder.function(node, operator.add, builder.function(node, operator.mul, x, -alpha), other)


def _product(builder: Builder, node: fx.Node, x: object, *, other: object) -> fx.Node:
    return builder.function(node, operator.mul, x, other)


def _quotient(builder: Builder, node: fx.Node, x: object, *, other: Any) -> fx.Node:  # noqa: ANN401
    if isinstance(other, fx.Node):
        return builder.function(node, operator.truediv, x, other)
    return builder.function(node, operator.mul, x, 1 / other)


def _pointwise(function: Callable[..., Tensor]) -> Callable[..., fx.Node]:
    """A function of each number alone."""

    def rule(builder: Builder, node: fx.Node, x: object, **settings: object) -> fx.Node:
        return builder.function(node, function, x, *settings.values())

    return rule


def _joined(builder: Builder, node: fx.Node, values: Sequence[object], *, dim: int) -> object:
    if len(values) == 1:
        return values[0]
    return builder.function(node, torch.cat, list(values), dim % len(builder.shape(node)))


def _layer_norm(
    builder: Builder,
    node: fx.Node,
    x: object,
    *,
    normalized_shape: Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    **others: object,
) -> fx.Node:
    def make() -> nn.Module:
        norm = nn.LayerNorm(
            tuple(normalized_shape), eps, elementwise_affine=weight is not None, bias=bias is not None, device="meta"
        )
        return _with(norm, weight=weight, bias=bias)

    return builder.layer(node, make, x, key=("layer norm", id(weight), id(bias), eps) if weight is not None else ())


def _group_norm(
    builder: Builder,
    node: fx.Node,
    x: object,
    *,
    num_groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    **others: object,
) -> fx.Node:
    _fixed(builder, node, weight, bias)
    channels = shape_of(source_of(node))[1]
    has_numbers = weight is not None or bias is not None

    def make() -> nn.Module:
        norm = nn.GroupNorm(num_groups, channels, eps, affine=has_numbers)
        return _with(norm, weight=weight, bias=bias)

    key = ("group norm", num_groups, id(weight), id(bias), eps)
    return builder.layer(node, make, x, key=key if has_numbers else ())


def _instance_norm(builder: Builder, node: fx.Node, x: object, *, use_input_stats: bool, **settings: Any) -> fx.Node:  # noqa: ANN401
    """A group norm of one channel in each group; with statistics that were kept, a batch norm."""
    if not use_input_stats:
        return _batch_norm(builder, node, x, **settings)
    return _group_norm(builder, node, x, num_groups=shape_of(source_of(node))[1], **settings)


def _softmax(kind: type[nn.Softmax | nn.LogSoftmax]) -> Callable[..., fx.Node]:
    def rule(builder: Builder, node: fx.Node, x: object, *, dim: int, dtype: object) -> fx.Node:
        (place,) = dims_of(builder, node, dim)
        return builder.layer(node, lambda: kind(place - len(builder.shape(node))), x)

    return rule


def _vector_norm(
    builder: Builder, node: fx.Node, x: object, *, ord: float, dim: Sequence[int], keepdim: bool, dtype: object
) -> fx.Node:
    if ord != 2 or dim is None:
        raise builder.refused(node, f"is a norm of order {ord}; only 2 is known")
    return builder.function(node, torch.linalg.vector_norm, x, 2, dims_of(builder, node, dim), keepdim)


def _at_least(builder: Builder, node: fx.Node, x: object, *, min: float) -> fx.Node:
    if min == 0:
        return builder.layer(node, nn.ReLU, x)
    return builder.function(node, torch.clamp_min, x, min)


_WINDOW = "kernel_size", "stride", "padding"

RULES: dict[object, Callable[..., Any]] = {
    **{
        getattr(aten, function.__name__).default: _pointwise(function)
        for function in (torch.abs, torch.erf, torch.exp, torch.log, torch.neg, torch.sqrt)
    },
    aten.pow.Tensor_Scalar: _pointwise(torch.pow),
    aten._upsample_bilinear2d_aa.default: _antialiased,
    aten._upsample_bilinear2d_aa.vec: _antialiased,
    aten.bmm.default: placing.matrix_product,
    aten.adaptive_avg_pool2d.default: _simple(nn.AdaptiveAvgPool2d, "output_size"),
    aten.add.Tensor: _sum,
    aten.alias.default: _identity,
    aten.avg_pool2d.default: _pooled(nn.AvgPool2d, *_WINDOW, "ceil_mode", "count_include_pad", "divisor_override"),
    aten.batch_norm.default: _batch_norm,
    aten.cat.default: _joined,
    aten.chunk.default: placing.split,
    aten.clamp.default: _clamped,
    aten.clamp_min.default: _at_least,
    aten.clone.default: _identity,
    aten.contiguous.default: _identity,
    aten.conv2d.default: _convolution,
    aten.conv2d.padding: _convolution,
    aten.conv_transpose2d.input: _transposed_convolution,
    aten.detach.default: _identity,
    aten.div.Tensor: _quotient,
    aten.dropout.default: _identity,
    aten.einsum.default: placing.einsum,
    aten.elu.default: _simple(nn.ELU, "alpha"),
    aten.expand.default: placing.spread,
    aten.expand_as.default: placing.spread,
    aten.feature_dropout.default: _identity,
    aten.flatten.using_ints: placing.reshaped,
    aten.gelu.default: _simple(nn.GELU, "approximate"),
    aten.group_norm.default: _group_norm,
    aten.hardsigmoid.default: _simple(nn.Hardsigmoid),
    aten.hardswish.default: _simple(nn.Hardswish),
    aten.hardtanh.default: _clamped,
    aten.instance_norm.default: _instance_norm,
    aten.layer_norm.default: _layer_norm,
    aten.leaky_relu.default: _simple(nn.LeakyReLU, "negative_slope"),
    aten.linalg_vector_norm.default: _vector_norm,
    aten.linear.default: _linear,
    aten.log_softmax.int: _softmax(nn.LogSoftmax),
    aten.matmul.default: placing.matrix_product,
    aten.max_pool2d.default: _pooled(nn.MaxPool2d, *_WINDOW, "dilation", "ceil_mode"),
    aten.mean.dim: _mean,
    aten.mul.Tensor: _product,
    aten.new_full.default: placing.made_of_size,
    aten.new_ones.default: placing.made_of_size,
    aten.new_zeros.default: placing.made_of_size,
    aten.ones_like.default: placing.made_of_size,
    aten.pad.default: _padded,
    aten.permute.default: placing.permuted,
    aten.pixel_shuffle.default: _simple(nn.PixelShuffle, "upscale_factor"),
    aten.pixel_unshuffle.default: _simple(nn.PixelUnshuffle, "downscale_factor"),
    aten.prelu.default: _sloped,
    aten.relu.default: _simple(nn.ReLU),
    aten.relu6.default: _simple(nn.ReLU6),
    aten.reshape.default: placing.reshaped,
    aten.rsub.Scalar: _difference_from,
    aten.roll.default: placing.rolled,
    aten.rsub.Tensor: _difference_from,
    aten.scaled_dot_product_attention.default: placing.attention,
    aten.select.int: placing.selected,
    aten.sigmoid.default: _simple(nn.Sigmoid),
    aten.silu.default: _simple(nn.SiLU),
    aten.slice.Tensor: placing.sliced,
    aten.softmax.int: _softmax(nn.Softmax),
    aten.split.Tensor: placing.split,
    aten.split_with_sizes.default: placing.split,
    aten.squeeze.default: placing.reshaped,
    aten.squeeze.dim: placing.reshaped,
    aten.squeeze.dims: placing.reshaped,
    aten.sub.Tensor: _difference,
    aten.swapaxes.default: placing.swapped,
    aten.t.default: placing.swapped,
    aten.tanh.default: _simple(nn.Tanh),
    aten.transpose.int: placing.swapped,
    aten.unbind.int: placing.unbound,
    aten.unflatten.int: placing.reshaped,
    aten.unsqueeze.default: placing.reshaped,
    aten.upsample_bilinear2d.vec: _resized("bilinear"),
    aten.upsample_nearest2d.vec: _resized("nearest"),
    aten.view.default: placing.reshaped,
    aten.zeros_like.default: placing.made_of_size,
}
"""The layer or function for each operation that the normal form has."""
