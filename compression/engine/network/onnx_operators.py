"""What the operators of ONNX do with torch's values, in all opsets from 7 on."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.nn import functional

from compression.engine.network.onnx_node import OnnxNode, Operator, Value


def _tensor(value: Value) -> Tensor:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.astype(np.float32))
    if value is None:
        raise TypeError("an input is missing")
    return value


def _numbers(value: Value) -> list[int]:
    """Whole numbers that are known beforehand."""
    if not isinstance(value, np.ndarray):
        raise TypeError("sizes or axes depend on the image")
    return [int(one) for one in value.reshape(-1)]


def _of_one(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda node, x, **settings: function(_tensor(x))


def _of_two(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda node, x, y: function(_beside(x, y), _beside(y, x))


def _beside(value: Value, other: Value) -> Tensor:
    """The value; one number in any sizes that the other one has too is but a number."""
    found = _tensor(value)
    is_number = isinstance(value, np.ndarray) and value.size == 1 and value.ndim <= _tensor(other).dim()
    return found.reshape(()) if is_number else found


def _conv(
    node: OnnxNode,
    x: Tensor,
    weight: Value,
    bias: Value = None,
    *,
    kernel_shape: object = None,
    group: int = 1,
    **window: Any,  # noqa: ANN401 - attributes
) -> Tensor:
    kernel = _tensor(weight)
    stride, dilation, pads = _window(x, kernel.shape[2:], **window)
    x, padding = _padded(x, pads, 0.0)
    return functional.conv2d(x, kernel, None if bias is None else _tensor(bias), stride, padding, dilation, group)


def _conv_transpose(
    node: OnnxNode,
    x: Tensor,
    weight: Value,
    bias: Value = None,
    *,
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    output_padding: Sequence[int] = (0, 0),
    output_shape: Sequence[int] = (),
    auto_pad: bytes = b"NOTSET",
    group: int = 1,
    kernel_shape: object = None,
) -> Tensor:
    """What is more than the size that is asked for is cut off at both ends, as are pads."""
    kernel, numbers = _tensor(weight), None if bias is None else _tensor(bias)
    if auto_pad in {b"SAME_UPPER", b"SAME_LOWER"} and not output_shape:
        output_shape = [size * stride for size, stride in zip(x.shape[2:], strides, strict=True)]
    if output_shape:
        whole = zip(x.shape[2:], strides, dilations, kernel.shape[2:], output_padding, strict=True)
        sizes = [(size - 1) * stride + spacing * (far - 1) + 1 + more for size, stride, spacing, far, more in whole]
        over = [size - wanted for size, wanted in zip(sizes, output_shape[-2:], strict=True)]
        less, rest = [one // 2 for one in over], [one - one // 2 for one in over]
        pads = [*less, *rest] if auto_pad == b"SAME_UPPER" else [*rest, *less]
    top, left, bottom, right = pads
    padding = (top, left) if (top, left) == (bottom, right) else (0, 0)
    y = functional.conv_transpose2d(x, kernel, numbers, strides, padding, output_padding, group, dilations)  # type: ignore[arg-type]
    return y if any(padding) else y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]


def _window(
    x: Tensor,
    size: Sequence[int],
    *,
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    auto_pad: bytes = b"NOTSET",
) -> tuple[tuple[int, ...], tuple[int, ...], list[int]]:
    """Strides, dilations, and how much is added above, left, below, right."""
    if auto_pad in {b"SAME_UPPER", b"SAME_LOWER"}:
        before, after = [], []
        for length, kernel, stride, dilation in zip(x.shape[2:], size, strides, dilations, strict=True):
            missing = max(0, (math.ceil(length / stride) - 1) * stride + dilation * (kernel - 1) + 1 - length)
            less, more = missing // 2, missing - missing // 2
            before.append(less if auto_pad == b"SAME_UPPER" else more)
            after.append(more if auto_pad == b"SAME_UPPER" else less)
        pads = [*before, *after]
    return tuple(strides), tuple(dilations), list(pads)


def _padded(x: Tensor, pads: Sequence[int], value: float) -> tuple[Tensor, tuple[int, int]]:
    """The image, and what the layer itself has to add: all of it where it is the same on both sides."""
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return x, (top, left)
    return functional.pad(x, (left, right, top, bottom), value=value), (0, 0)


def _max_pool(
    node: OnnxNode,
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    ceil_mode: int = 0,
    storage_order: int = 0,
    **window: Any,  # noqa: ANN401
) -> Tensor:
    stride, dilation, pads = _window(x, kernel_shape, **window)
    x, padding = _padded(x, pads, -math.inf)
    return functional.max_pool2d(x, tuple(kernel_shape), stride, padding, dilation, ceil_mode=bool(ceil_mode))


def _average_pool(
    node: OnnxNode,
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    **window: Any,  # noqa: ANN401
) -> Tensor:
    stride, dilation, pads = _window(x, kernel_shape, **window)
    if set(dilation) != {1}:
        raise node.refused("averages numbers that are not neighbours")
    if pads[:2] != pads[2:] and not count_include_pad:
        raise node.refused(f"adds {pads} at the borders and leaves them out of the average")
    x, padding = _padded(x, pads, 0.0)
    return functional.avg_pool2d(
        x, tuple(kernel_shape), stride, padding, bool(ceil_mode), bool(count_include_pad) or padding == (0, 0)
    )


def _gemm(
    node: OnnxNode,
    x: Tensor,
    weight: Value,
    bias: Value = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803 - ONNX's names
    transB: int = 0,  # noqa: N803
) -> Tensor:
    rows = x.t() if transA else x
    matrix = _tensor(weight) if transB else _tensor(weight).t()
    matrix = matrix if alpha == 1 else matrix * alpha
    if bias is None:
        return functional.linear(rows, matrix)
    added = _tensor(bias) if beta == 1 else _tensor(bias) * beta
    return functional.linear(rows, matrix, added.reshape(-1).expand(matrix.shape[0]))


def _matrix_product(node: OnnxNode, x: Value, y: Value) -> Tensor:
    left, right = _tensor(x), _tensor(y)
    if isinstance(y, np.ndarray | nn.Parameter) and right.dim() == 2:
        return functional.linear(left, right.t())
    return left @ right


def _batch_norm(
    node: OnnxNode,
    x: Tensor,
    *numbers: Value,
    epsilon: float = 1e-5,
    **settings: object,
) -> Tensor:
    if settings.get("training_mode") or len(node.outputs) > 1:
        raise node.refused(*_IN_TRAINING)
    scale, bias, mean, variance = map(_tensor, numbers)
    return functional.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


_IN_TRAINING = "is in training mode", "Call network.eval(), and export the network anew."


def _cast(node: OnnxNode, x: Tensor, *, to: int, **settings: object) -> Tensor:
    if to not in _FLOATS:
        raise node.refused("makes other numbers than float ones of what depends on the image")
    return x


_FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
"""All of them are float32 here: more digits make no difference that counts, and fewer do it in the comparison."""


def _cast_like(node: OnnxNode, x: Tensor, example: NDArray[Any]) -> Tensor:
    return _cast(node, x, to=helper.np_dtype_to_tensor_dtype(example.dtype))


def _dropout(node: OnnxNode, x: Tensor, ratio: Value = None, is_training: Value = None, **settings: object) -> Tensor:
    if is_training is not None and bool(_tensor(is_training)):
        raise node.refused(*_IN_TRAINING)
    return x


def _layer_norm(
    node: OnnxNode, x: Tensor, *numbers: Value, axis: int = -1, epsilon: float = 1e-5, **settings: object
) -> Tensor:
    scale, bias = [*map(_tensor, numbers), None][:2]
    return functional.layer_norm(x, x.shape[axis % x.dim() :], scale, bias, epsilon)


def _root_norm(
    node: OnnxNode, x: Tensor, scale: Value, *, axis: int = -1, epsilon: float = 1e-5, **settings: object
) -> Tensor:
    dims = list(range(axis % x.dim(), x.dim()))
    return x / torch.sqrt(x.pow(2).mean(dims, keepdim=True) + epsilon) * _tensor(scale)


def _swish(node: OnnxNode, x: Tensor, alpha: float = 1.0) -> Tensor:
    return functional.silu(x) if alpha == 1 else x * torch.sigmoid(alpha * x)


def _group_norm(
    node: OnnxNode, x: Tensor, *numbers: Value, num_groups: int = 0, epsilon: float = 1e-5, **settings: object
) -> Tensor:
    """Before opset 21 each group has a scale and a bias, since then each channel; without groups each is its own."""
    channels = x.shape[1]
    scale, bias = (
        one.repeat_interleave(channels // len(one)) if len(one) < channels else one for one in map(_tensor, numbers)
    )
    return functional.group_norm(x, num_groups or channels, scale, bias, epsilon)


def _clip(
    node: OnnxNode,
    x: Tensor,
    low: Value = None,
    high: Value = None,
    *,
    min: float | None = None,
    max: float | None = None,
) -> Tensor:
    ends = [float(_tensor(end)) if end is not None else given for end, given in ((low, min), (high, max))]
    at_least, at_most = ends
    return torch.clamp(x, at_least, at_most) if at_most is not None or at_least is None else x.clamp_min(at_least)


def _reduced(function: Callable[..., Tensor]) -> Operator:
    def rule(
        node: OnnxNode,
        x: Tensor,
        dims: Value = None,
        *,
        axes: Sequence[int] | None = None,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> Tensor:
        chosen = _numbers(dims) if dims is not None else list(axes or ())
        if not chosen and noop_with_empty_axes:
            return x
        return function(x, chosen or list(range(x.dim())), bool(keepdims))

    return rule


def _softmax(function: Callable[[Tensor, int], Tensor]) -> Operator:
    def rule(node: OnnxNode, x: Tensor, *, axis: int | None = None) -> Tensor:
        if node.opset >= 13 or axis in (-1, x.dim() - 1):
            return function(x, -1 if axis is None else axis)
        first = 1 if axis is None else axis % x.dim()  # older opsets: over all dimensions from this one on
        return function(x.flatten(first), -1).reshape(x.shape)

    return rule


def _reshape(node: OnnxNode, x: Tensor, shape: Value, *, allowzero: int = 0) -> Tensor:
    sizes = _numbers(shape)
    if node.fixed_images == 1:
        node.one_image = tuple(x.shape), sizes
    elif node.one_image[1] == sizes:  # not computed from how many images there are
        return x.reshape(_for_images(node, sizes, x))
    return x.reshape([x.shape[at] if size == 0 and not allowzero else size for at, size in enumerate(sizes)])


def _for_images(node: OnnxNode, sizes: list[int], x: Tensor) -> list[int]:
    """Sizes that were written for one image, for several.

    Images lie where the file says 1, else they are the outer of what a size counts; the last size, which counts
    features, has none behind the first: there they are the inner of the size before it.
    """
    one, _ = node.one_image
    place = next((at for at, (few, many) in enumerate(zip(one, x.shape, strict=True)) if few != many), None)
    if place is None:
        return sizes
    told = [size or one[at] for at, size in enumerate(sizes)]
    found = list(np.empty(one, np.bool_).reshape(told).shape)
    ahead = [math.prod(found[:at]) for at in range(len(found))]
    before, after = math.prod(one[:place]), math.prod(one[: place + 1])
    free = (ahead.index(count) for count in (before, after) if (count, 1) in zip(ahead, found, strict=True))
    outer = (at for at, count in enumerate(ahead) if count == before and (at < len(found) - 1 or not at))
    inner = (at for at, count in enumerate(ahead) if count * found[at] == before)
    at = next((at for ways in (free, outer, inner) for at in ways), None)
    if at is None:
        raise node.refused("mixes images with each other")
    found[at] *= node.fixed_images
    return found


def _flatten(node: OnnxNode, x: Tensor, *, axis: int = 1) -> Tensor:
    return x.flatten(1) if axis == 1 else x.reshape(math.prod(x.shape[:axis]), -1)


def _squeeze(node: OnnxNode, x: Tensor, dims: Value = None, *, axes: Sequence[int] | None = None) -> Tensor:
    chosen = _numbers(dims) if dims is not None else axes
    if chosen is None:
        raise node.refused("does not say which dimensions it takes away")
    return x.squeeze(tuple(chosen))


def _unsqueeze(node: OnnxNode, x: Value, dims: Value = None, *, axes: Sequence[int] | None = None) -> Tensor:
    value = _tensor(x)
    chosen = _numbers(dims) if dims is not None else list(axes or ())
    for dim in sorted(one % (value.dim() + len(chosen)) for one in chosen):
        value = value.unsqueeze(dim)
    return value


def _split(
    node: OnnxNode,
    x: Tensor,
    sizes: Value = None,
    *,
    axis: int = 0,
    split: Sequence[int] | None = None,
    num_outputs: int | None = None,
) -> tuple[Tensor, ...]:
    equal = -(-x.shape[axis] // len(node.outputs))
    parts = _numbers(sizes) if sizes is not None else list(split) if split is not None else equal
    return tuple(torch.split(x, parts, axis))  # type: ignore[no-untyped-call]


def _slice(node: OnnxNode, x: Tensor, *inputs: Value, **older: Sequence[int]) -> Tensor:
    told = dict(zip(("starts", "ends", "axes", "steps"), inputs, strict=False))
    given = {name: _numbers(value) for name, value in told.items() if value is not None} or older
    begin, stop = given["starts"], given["ends"]
    where, steps = given.get("axes", range(len(begin))), given.get("steps", [1] * len(begin))
    if any(step < 1 for step in steps):
        raise node.refused("goes backwards")
    for dim, start, end, step in zip(where, begin, stop, steps, strict=True):
        index = [slice(None)] * x.dim()
        index[dim] = slice(start, min(end, x.shape[dim]), step)
        x = x[tuple(index)]
    return x


def _gather(node: OnnxNode, x: Tensor, indices: Value, *, axis: int = 0) -> Tensor:
    if not isinstance(indices, np.ndarray):
        raise node.refused("looks up places that depend on the image")
    if indices.ndim == 0:
        return x.select(axis, int(indices))
    axis %= x.dim()
    sizes = [*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]]
    lengths = x.shape[axis : axis + 1] + (node.one_image[0][axis : axis + 1] if node.fixed_images > 1 else ())
    if any(np.array_equal(indices.reshape(-1), np.arange(length)) for length in lengths):  # all in their order
        return _reshape(node, x, np.array(sizes))
    places = indices.reshape(-1).astype(np.int64) % x.shape[axis]
    return x.index_select(axis, torch.from_numpy(places)).reshape(sizes)


def _pad(
    node: OnnxNode, x: Tensor, *inputs: Value, mode: bytes = b"constant", pads: Sequence[int] = (), value: float = 0.0
) -> Tensor:
    amounts, constant, dims = [*inputs, None, None, None][:3]
    if mode != b"constant" or dims is not None:
        raise node.refused(f"pads in mode {mode.decode()!r}")
    found = _numbers(amounts) if amounts is not None else list(pads)
    rank = x.dim()
    told = [amount for dim in reversed(range(rank)) for amount in (found[dim], found[dim + rank])]
    return functional.pad(x, told, value=value if constant is None else float(_tensor(constant)))


def _expand(node: OnnxNode, x: Value, shape: Value) -> Tensor:
    value, sizes = _tensor(x), _numbers(shape)
    if node.fixed_images == 1:
        node.one_image = tuple(value.shape), sizes
    elif node.one_image[1] == sizes:
        pairs = zip(reversed(sizes), reversed(node.one_image[0]), reversed(value.shape), strict=False)
        sizes = [many if size == one else size for size, one, many in pairs][::-1]
    return value.expand(np.broadcast_shapes(tuple(value.shape), tuple(sizes)))


def _concat(node: OnnxNode, *values: Value, axis: int) -> Tensor:
    parts = [_tensor(value) for value in values]
    images = max(len(part) for part in parts)
    if node.fixed_images == images > 1 and axis % parts[0].dim() > 0:
        parts = [part.expand(images, *part.shape[1:]) if len(part) == 1 else part for part in parts]
    return torch.cat(parts, axis)


def _resize(
    node: OnnxNode,
    x: Tensor,
    roi: Value = None,
    scales: Value = None,
    sizes: Value = None,
    *,
    mode: bytes = b"nearest",
    coordinate_transformation_mode: bytes = b"half_pixel",
    nearest_mode: bytes = b"round_prefer_floor",
    **settings: object,
) -> Tensor:
    if node.op_type == "Upsample":  # the operator before opset 10, with the factors in its place
        scales, coordinate_transformation_mode, nearest_mode = (
            roi if scales is None else scales,
            b"asymmetric",
            b"floor",
        )
    how: dict[str, Any] = {}
    if sizes is not None and _numbers(sizes):
        how["size"] = tuple(_numbers(sizes)[2:])
    else:
        how["scale_factor"] = tuple(float(one) for one in np.asarray(scales).tolist()[2:])
    if mode == b"nearest" and coordinate_transformation_mode == b"asymmetric" and nearest_mode == b"floor":
        return functional.interpolate(x, mode="nearest", **how)
    if mode == b"linear" and coordinate_transformation_mode in {b"half_pixel", b"pytorch_half_pixel", b"align_corners"}:
        corners = coordinate_transformation_mode == b"align_corners"
        return functional.interpolate(x, mode="bilinear", align_corners=corners, **how)
    raise node.refused(
        f"resizes by {mode.decode()}, {coordinate_transformation_mode.decode()}, which torch does not have"
    )


def _depth_to_space(node: OnnxNode, x: Tensor, *, blocksize: int, mode: bytes = b"DCR") -> Tensor:
    if mode == b"DCR":  # the channels of each place together, and not the places of each channel
        x = x.unflatten(1, (blocksize**2, -1)).transpose(1, 2).flatten(1, 2)  # type: ignore[no-untyped-call]
    return functional.pixel_shuffle(x, blocksize)


def _space_to_depth(node: OnnxNode, x: Tensor, *, blocksize: int) -> Tensor:
    """The channels of each place in a block one after the other; torch has the places of each channel together."""
    places = functional.pixel_unshuffle(x, blocksize)
    apart: Tensor = places.unflatten(1, (x.shape[1], blocksize**2))  # type: ignore[no-untyped-call]
    return apart.transpose(1, 2).flatten(1, 2)


def _gelu(node: OnnxNode, x: Tensor, *, approximate: bytes = b"none") -> Tensor:
    return functional.gelu(x, approximate=approximate.decode())


def _sloped(node: OnnxNode, x: Tensor, slope: Value) -> Tensor:
    """PReLU with one slope or one a channel; other slopes are multiplied with what is below zero."""
    slopes = _tensor(slope)
    sizes = (1,) * (x.dim() - slopes.dim()) + tuple(slopes.shape)
    if slopes.numel() in (1, sizes[1]):
        return functional.prelu(x, slopes.reshape(-1))
    return torch.relu(x) - slopes * torch.relu(-x)


def _power(node: OnnxNode, x: Tensor, exponent: Value) -> Tensor:
    return x ** float(_tensor(exponent))


def _hard_sigmoid(node: OnnxNode, x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    if math.isclose(alpha, 1 / 6, rel_tol=1e-5) and beta == 0.5:
        return functional.hardsigmoid(x)
    return functional.relu6((x * alpha + beta) * 6) / 6


def _einsum(node: OnnxNode, *values: Tensor, equation: bytes) -> Tensor:
    return torch.einsum(equation.decode(), *values)


def _attention(
    node: OnnxNode,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Value = None,
    *caches: Value,
    is_causal: int = 0,
    scale: float | None = None,
    softcap: float = 0.0,
    q_num_heads: int = 1,
    kv_num_heads: int = 1,
    **settings: object,
) -> Tensor:
    """Values of three sizes, and not four, have the features of all heads one after the other."""
    if any(one is not None for one in caches) or any(node.outputs[1:]) or softcap:
        raise node.refused("keeps what it has seen, caps scores or gives them out; none of this is known")
    is_flat = query.dim() == 3
    if is_flat:
        pairs = ((query, q_num_heads), (key, kv_num_heads), (value, kv_num_heads))
        query, key, value = (one.unflatten(2, (heads, -1)).transpose(1, 2) for one, heads in pairs)  # type: ignore[no-untyped-call]
    if query.shape[1] != key.shape[1]:
        raise node.refused("has more heads of queries than of keys")
    added = None if mask is None else _tensor(mask)
    if isinstance(mask, np.ndarray) and mask.dtype == np.bool_:  # who is seen, and not what is added
        added = torch.from_numpy(mask.copy())
    y = functional.scaled_dot_product_attention(query, key, value, added, is_causal=bool(is_causal), scale=scale)
    return y.transpose(1, 2).flatten(2) if is_flat else y


OPERATORS: Mapping[str, Operator] = {
    "Abs": _of_one(torch.abs),
    "Add": _of_two(torch.add),
    "Attention": _attention,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Div": _of_two(torch.div),
    "Dropout": _dropout,
    "Einsum": _einsum,
    "Elu": lambda node, x, alpha=1.0: functional.elu(x, alpha),
    "Erf": _of_one(torch.erf),
    "Exp": _of_one(torch.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda node, x: functional.adaptive_avg_pool2d(x, 1),
    "GroupNormalization": _group_norm,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _of_one(functional.hardswish),
    "Identity": lambda node, x: x,
    "InstanceNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda node, x, alpha=0.01: functional.leaky_relu(x, alpha),
    "Log": _of_one(torch.log),
    "LogSoftmax": _softmax(torch.log_softmax),
    "MatMul": _matrix_product,
    "Max": lambda node, x, low: torch.clamp_min(x, float(_tensor(low))),
    "MaxPool": _max_pool,
    "Mul": _of_two(torch.mul),
    "Neg": _of_one(torch.neg),
    "Pad": _pad,
    "Pow": _power,
    "PRelu": _sloped,
    "Reciprocal": lambda node, x: 1 / x,
    "RMSNormalization": _root_norm,
    "ReduceL2": _reduced(lambda x, dims, keeps: torch.linalg.vector_norm(x, 2, dims, keeps)),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Relu": _of_one(torch.relu),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _of_one(torch.sigmoid),
    "Slice": _slice,
    "Softmax": _softmax(torch.softmax),
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Sqrt": _of_one(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _of_two(torch.sub),
    "Sum": lambda node, *values: functools.reduce(torch.add, map(_tensor, values)),
    "Swish": _swish,
    "Tanh": _of_one(torch.tanh),
    "Transpose": lambda node, x, perm=None: x.permute(perm or tuple(reversed(range(x.dim())))),
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
"""What each operator does with torch's values."""
