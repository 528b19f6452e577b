"""An ONNX graph as a torch module, which the one door then brings into the normal form.

Each node becomes a module of its own, so that layers keep their names. What depends on the image is torch's, carried
out by the operators in `OPERATORS`; what does not (shapes, axes, masks) is NumPy's, computed by ONNX's own reference.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn
from torch.nn import functional

from compression.engine.network import functions
from compression.engine.onnx_graph import attributes
from compression.errors import UnsupportedModel

OLDEST = 7
"""Opset. Before it, arithmetic broadcast in another way."""
DOMAINS = {"", "ai.onnx"}

Value = Tensor | NDArray[Any] | None
Operator = Callable[..., Any]


def read_onnx(model: onnx.ModelProto) -> tuple[nn.Module, tuple[int, int, int]]:
    """A module that computes what the model does, in evaluation mode, and the shape (C x H x W) of its images.

    Where the file takes one image at a time, the module takes any number. Raises `UnsupportedModel`, naming node and
    operator, for what cannot be read: other operators than those in `OPERATORS`, several inputs or outputs, images of
    unknown size, opsets before 7, branches and loops, and numbers that lie in other files.
    """
    opset = next((one.version for one in model.opset_import if one.domain in DOMAINS), 0)
    if opset < OLDEST:
        raise UnsupportedModel(f"The ONNX file has opset {opset}; {OLDEST} is the oldest that can be read. Convert it.")
    graph = model.graph
    known = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in known]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise UnsupportedModel(
            f"The ONNX graph has {len(inputs)} inputs and {len(graph.output)} outputs; it must have one of each."
        )
    for tensor in graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise UnsupportedModel(f"The numbers of {tensor.name!r} lie in another file. Save the model as one file.")
    shape, first = _image_shape(inputs[0]), inputs[0].type.tensor_type.shape.dim[0].dim_value
    if first > 1:
        raise UnsupportedModel(f"The ONNX graph takes {first} images at a time; it must take one, or any number.")
    network = OnnxNetwork(graph, inputs[0].name, opset).eval()
    network.has_fixed_batch = first == 1
    if network.has_fixed_batch:
        with torch.no_grad():
            network(torch.zeros(1, *shape))  # each node sees the sizes for one image
    return network, shape


def _image_shape(value: onnx.ValueInfoProto) -> tuple[int, int, int]:
    sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
    if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise UnsupportedModel(f"The input {value.name!r} does not hold float32 numbers.")
    if len(sizes) != 4 or not all(size > 0 for size in sizes[1:]):
        raise UnsupportedModel(
            f"The input {value.name!r} is {' × '.join(str(size or '?') for size in sizes)}; it must be images × "
            "channels × height × width, of which only the first may be free."
        )
    return sizes[1], sizes[2], sizes[3]


class OnnxNetwork(nn.Module):
    """A graph; its nodes are modules, in the order of the graph."""

    def __init__(self, graph: onnx.GraphProto, input_name: str, opset: int) -> None:
        super().__init__()
        self.input_name, self.output_name, self.has_fixed_batch = input_name, graph.output[0].name, False
        self.constants: dict[str, NDArray[Any]] = {}
        self.weights: dict[str, str] = {}
        """Names of parameters by names of initializers."""
        for tensor in graph.initializer:
            self._keep(tensor.name, numpy_helper.to_array(tensor))
        seen, counted = {input_name}, set[str]()
        """Values that depend on the images, and those that depend on how many there are."""
        for node in graph.node:
            is_size = node.op_type in {"Shape", "Size"}
            spreads = node.op_type == "Expand" and not counted.isdisjoint(node.input)
            depends = not is_size and (spreads or not seen.isdisjoint(node.input))
            if depends:
                seen.update(node.output)
            elif not (seen | counted).isdisjoint(node.input):
                counted.update(node.output)
            self.add_module(self._free(_layer_name(node)), OnnxNode(node, opset, depends=depends))

    def _keep(self, name: str, values: NDArray[Any]) -> None:
        if not np.issubdtype(values.dtype, np.floating) or values.size == 1:  # settings, such as where a Clip ends
            self.constants[name] = values
            return
        self.weights[name] = self._free(_clean(name))
        tensor = torch.from_numpy(values.astype(np.float32))
        if tensor.isneginf().any():
            self.register_buffer(self.weights[name], tensor)
        else:
            self.register_parameter(self.weights[name], nn.Parameter(tensor))

    def _free(self, name: str) -> str:
        taken = {*self._modules, *self._parameters, *self._buffers, *dir(self)}
        while name in taken:
            name += "_"
        return name

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images (N x C x H x W)."""
        values: dict[str, Value] = {"": None, self.input_name: images, **self.constants}
        values |= {name: getattr(self, kept) for name, kept in self.weights.items()}
        for module in self.children():
            assert isinstance(module, OnnxNode)
            module.fixed_images = len(images) if self.has_fixed_batch else 1
            answers = module(*(values[name] for name in module.inputs))
            values |= dict(zip(module.outputs, answers, strict=False))
        answer = values[self.output_name]
        assert isinstance(answer, Tensor)
        return answer


class OnnxNode(nn.Module):
    """One node: `forward` gives a tuple of its outputs."""

    def __init__(self, node: onnx.NodeProto, opset: int, *, depends: bool) -> None:
        super().__init__()
        self.inputs, self.outputs, self.op_type, self.opset = tuple(node.input), tuple(node.output), node.op_type, opset
        self.said = f"{node.op_type} ({node.name or node.output[0]})"
        self.settings, self.depends, self.operator = attributes(node), depends, OPERATORS.get(node.op_type)
        self.fixed_images = 1
        """How many images there are where the file says that there is one."""
        self.one_image: tuple[tuple[int, ...], list[int]] = (), []
        """Sizes of what comes in for one image, and those that a `Reshape` was told."""
        if node.domain not in DOMAINS:
            raise self.refused(f"is an operator of {node.domain}; only those of ONNX itself are read")
        if any(attribute.type in _SUBGRAPHS for attribute in node.attribute):
            raise self.refused("holds a graph of its own; branches and loops are not read")
        if depends and self.operator is None:
            raise self.refused("has no counterpart among our layers")
        self.node = node

    def forward(self, *inputs: Value) -> tuple[Any, ...]:
        """What the node makes of its inputs."""
        if self.op_type == "Shape":
            assert isinstance(inputs[0], Tensor | np.ndarray)
            sizes = np.array(inputs[0].shape, np.int64)
            return (sizes[self.settings.get("start", 0) : self.settings.get("end", len(sizes))],)
        try:
            if not self.depends:
                return _by_reference(self.node, self.opset, [_array(value) for value in inputs])
            assert self.operator is not None
            answer = self.operator(self, *inputs, **self.settings)
        except UnsupportedModel:
            raise
        except Exception as error:  # whatever a graph that is not well-formed leads to
            raise self.refused(f"cannot be read: {error}") from error
        return answer if isinstance(answer, tuple) else (answer,)

    def refused(self, why: str) -> UnsupportedModel:
        """The error that names the node."""
        return UnsupportedModel(f"{self.said} {why}.")


_SUBGRAPHS = {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS}
_MOVED = {"Squeeze", "Unsqueeze", "ReduceSum"}
"""Operators whose axes have been an input since opset 13, an attribute before."""


def _by_reference(node: onnx.NodeProto, opset: int, inputs: Sequence[NDArray[Any] | None]) -> tuple[Any, ...]:
    """What a node makes of constants, by ONNX's own implementation."""
    feeds = {name: value for name, value in zip(node.input, inputs, strict=True) if value is not None}
    if node.op_type in _MOVED and opset < 13:
        axes = [attribute for attribute in node.attribute if attribute.name == "axes"]
        new = onnx.NodeProto()
        new.CopyFrom(node)
        for attribute in axes:
            feeds["axes"] = np.array(attribute.ints, np.int64)
            new.input.append("axes")
        del new.attribute[:]
        new.attribute.extend(attribute for attribute in node.attribute if attribute.name != "axes")
        node, opset = new, 13
    return tuple(np.asarray(value) for value in ReferenceEvaluator(node, opsets={"": opset}).run(None, feeds))


def _array(value: Value) -> NDArray[Any] | None:
    return value.detach().numpy() if isinstance(value, Tensor) else value


def _layer_name(node: onnx.NodeProto) -> str:
    """After the weights' name where they have one of a layer, else after the node."""
    weights = (name for name in node.input[1:2] if node.op_type in {"Conv", "Gemm", "MatMul"})
    stem = next((name.removesuffix(".weight") for name in weights if name.endswith(".weight")), "")
    return _clean(stem or node.name or f"{node.op_type}_{node.output[0]}")


def _clean(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_") or "unnamed"


# --- operators: they get the node, its inputs, and its attributes by name --------------------------------------------


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
    return lambda node, x, y: function(_tensor(x), _tensor(y))


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
    scale, bias, mean, variance = map(_tensor, numbers)
    return functional.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


def _layer_norm(
    node: OnnxNode, x: Tensor, *numbers: Value, axis: int = -1, epsilon: float = 1e-5, **settings: object
) -> Tensor:
    scale, bias = [*map(_tensor, numbers), None][:2]
    return functional.layer_norm(x, x.shape[axis % x.dim() :], scale, bias, epsilon)


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


def _softmax(node: OnnxNode, x: Tensor, *, axis: int | None = None) -> Tensor:
    if node.opset >= 13 or axis in (-1, x.dim() - 1):
        return torch.softmax(x, -1 if axis is None else axis)
    first = 1 if axis is None else axis % x.dim()  # older opsets: over all dimensions from this one on
    return torch.softmax(x.flatten(first), -1).reshape(x.shape)


def _reshape(node: OnnxNode, x: Tensor, shape: Value, *, allowzero: int = 0) -> Tensor:
    sizes = _numbers(shape)
    if node.fixed_images == 1:
        node.one_image = tuple(x.shape), sizes
    elif node.one_image[1] == sizes:  # not computed from how many images there are
        return x.reshape(_for_images(node, sizes, x))
    return x.reshape([x.shape[at] if size == 0 and not allowzero else size for at, size in enumerate(sizes)])


def _for_images(node: OnnxNode, sizes: list[int], x: Tensor) -> list[int]:
    """Sizes that were written for one image, for several."""
    one, _ = node.one_image
    place = next((at for at, (few, many) in enumerate(zip(one, x.shape, strict=True)) if few != many), None)
    if place is None:
        return sizes
    found: list[int] = []
    at = 0
    for old, new in functions.blocks(one, np.empty(one, np.bool_).reshape(sizes).shape):
        if at <= place < at + len(old):
            if math.prod(one[at:place]) > 1:
                raise node.refused("mixes images with each other")
            new[new.index(1) if 1 in new else 0] *= node.fixed_images
        found += new
        at += len(old)
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
    chosen = x.index_select(axis, torch.from_numpy(indices.reshape(-1).astype(np.int64)) % x.shape[axis])
    return chosen.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis % x.dim() + 1 :])


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


def _gelu(node: OnnxNode, x: Tensor, *, approximate: bytes = b"none") -> Tensor:
    return functional.gelu(x, approximate=approximate.decode())


def _power(node: OnnxNode, x: Tensor, exponent: Value) -> Tensor:
    return x ** float(_tensor(exponent))


def _hard_sigmoid(node: OnnxNode, x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    if math.isclose(alpha, 1 / 6, rel_tol=1e-5) and beta == 0.5:
        return functional.hardsigmoid(x)
    return functional.relu6((x * alpha + beta) * 6) / 6


def _einsum(node: OnnxNode, *values: Tensor, equation: bytes) -> Tensor:
    return torch.einsum(equation.decode(), *values)


OPERATORS: Mapping[str, Operator] = {
    "Abs": _of_one(torch.abs),
    "Add": _of_two(torch.add),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": lambda node, x, to: x,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _of_two(torch.div),
    "Dropout": lambda node, x, *others, **settings: x,
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
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _of_one(functional.hardswish),
    "Identity": lambda node, x: x,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda node, x, alpha=0.01: functional.leaky_relu(x, alpha),
    "Log": _of_one(torch.log),
    "MatMul": _matrix_product,
    "Max": lambda node, x, low: torch.clamp_min(x, float(_tensor(low))),
    "MaxPool": _max_pool,
    "Mul": _of_two(torch.mul),
    "Neg": _of_one(torch.neg),
    "Pad": _pad,
    "Pow": _power,
    "Reciprocal": lambda node, x: 1 / x,
    "ReduceL2": _reduced(lambda x, dims, keeps: torch.linalg.vector_norm(x, 2, dims, keeps)),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Relu": _of_one(torch.relu),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _of_one(torch.sigmoid),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Sqrt": _of_one(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _of_two(torch.sub),
    "Tanh": _of_one(torch.tanh),
    "Transpose": lambda node, x, perm=None: x.permute(perm or tuple(reversed(range(x.dim())))),
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}
"""What each operator does with torch's values."""
