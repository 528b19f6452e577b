"""The one door: any module becomes a graph in the engine's normal form.

torch writes down which operations the module carries out on a few images. Functions, methods and layers look alike
there, and decisions by an image's size have been taken. From that the network is rebuilt of standard layers: nothing
happens in place any more, what nobody reads is gone, dropout and its like are left out, what is computed from
parameters alone is computed here, once, and each parameter stands there once. An operation for which there is no layer
is refused by name, before any work is done.
"""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental import proxy_tensor
from torch.nn.parameter import is_lazy

from compression.engine.network.form import free_name, propagate_shapes
from compression.errors import UnsupportedModel

aten = torch.ops.aten

BATCHES = 2, 3
"""Images that the module is run on, twice: what differs between the two depends on how many there are."""


def trace(module: nn.Module, input_shape: tuple[int, int, int]) -> fx.GraphModule:
    """Write a module down as a graph (evaluation mode) that shares nothing with it; `input_shape` is C x H x W.

    Layers keep their names; those of functions are called after the module that calls them. Every node's
    `meta["shape"]` then holds its output's shape for a batch of one. Raises `UnsupportedModel` for what the normal form
    has no layer for, naming it, and for a module that cannot be run on such images.
    """
    few, more = (torch.zeros(images, *input_shape) for images in BATCHES)
    with _evaluating(module), torch.no_grad():
        _try(module, few)
        programs = _Program(module, few), _Program(module, more)
    return _Builder(module, programs, input_shape).build()


@contextlib.contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, the module is in evaluation mode; afterwards its parts are in the mode and state they were in."""
    modes = [(part, part.training) for part in module.modules()]
    states = [(buffer, buffer.clone()) for buffer in module.buffers() if not is_lazy(buffer)]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
        for buffer, state in states:
            buffer.copy_(state)


def _try(module: nn.Module, images: Tensor) -> None:
    """Run the module once, which also gives lazy layers their sizes; raises `UnsupportedModel` unless logits come."""
    try:
        answer = module(images)
    except Exception as error:
        raise UnsupportedModel(f"The network cannot be run on images of {_sizes(images.shape[1:])}: {error}") from error
    if not isinstance(answer, Tensor):
        count = f"{len(answer)} values" if isinstance(answer, Sequence) else f"a {type(answer).__name__}"
        raise UnsupportedModel(
            f"The network returns {count}; it must return one tensor of logits. Leave auxiliary outputs out."
        )


class _Program:
    """The operations that a module carried out on `images`, and inside which of its parts."""

    def __init__(self, module: nn.Module, images: Tensor) -> None:
        self.paths: dict[str, str] = {}
        """Names of the innermost modules by the names of nodes."""
        with self._telling_where(module):
            try:
                self.graph_module = proxy_tensor.make_fx(module, pre_dispatch=True)(images)
            except Exception as error:
                raise UnsupportedModel(f"The network cannot be written down as a graph: {error}") from error
        self.nodes = list(self.graph_module.graph.nodes)

    @contextlib.contextmanager
    def _telling_where(self, module: nn.Module) -> Iterator[None]:
        """Inside, each operation that is written down is noted with the module whose part it is."""
        names, begun = {part: name for name, part in module.named_modules()}, list[int]()

        def nodes() -> Any:  # noqa: ANN401 - torch's list of nodes
            return proxy_tensor.get_proxy_mode().tracer.graph.nodes  # type: ignore[union-attr]

        def enter(part: nn.Module, args: object) -> None:
            begun.append(len(nodes()))

        def leave(part: nn.Module, args: object, answer: object) -> None:
            for node in list(nodes())[begun.pop() :]:
                self.paths.setdefault(node.name, names[part])

        hooks = [part.register_forward_pre_hook(enter) for part in names]
        hooks += [part.register_forward_hook(leave) for part in names]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _sizes(shape: Sequence[object]) -> str:
    return " × ".join(map(str, shape))


_MANY = "N"
"""Stands for a size that depends on the number of images."""


class _Builder:
    """Rebuilds a program from layers; it was written down twice, with different numbers of images."""

    def __init__(self, module: nn.Module, programs: tuple[_Program, _Program], shape: tuple[int, int, int]) -> None:
        self.source, (program, other) = module, programs
        self.program = program
        if [node.target for node in program.nodes] != [node.target for node in other.nodes]:
            raise UnsupportedModel("The network does other things with other numbers of images.")
        self.twins = dict(zip(program.nodes, other.nodes, strict=True))
        self.model = fx.GraphModule(nn.Module(), fx.Graph())
        self.model.input_shape = shape  # type: ignore[assignment]
        self.names = {id(tensor): name for name, tensor in (*module.named_buffers(), *module.named_parameters())}
        self.values: dict[fx.Node, Any] = {}
        self.layers: dict[tuple[object, ...], str] = {}
        """Names of layers by what they are made of: one that is called twice has its weights once."""
        self.constants: dict[int, tuple[str, Tensor]] = {}
        """Names of the graph's own tensors by the tensors that they are copies of, which are held on to."""

    def build(self) -> fx.GraphModule:
        """The graph."""
        for node in self.program.nodes:
            if node.op == "placeholder":
                self.values[node] = self.model.graph.placeholder("x")
            elif node.op == "get_attr":
                self.values[node] = operator.attrgetter(str(node.target))(self.program.graph_module)
            elif node.op == "output":
                self._finish(node)
            elif self._is_read(node):
                self.values[node] = self._call(node)
        self.model.graph.eliminate_dead_code()
        self.model.delete_all_unused_submodules()
        self.model.recompile()
        return propagate_shapes(self.model.eval())  # type: ignore[arg-type]

    def _finish(self, node: fx.Node) -> None:
        (answer,) = (self.values[value] for value in node.all_input_nodes)
        if not isinstance(answer, fx.Node) or answer.op == "placeholder":
            raise UnsupportedModel("The network must return logits that depend on its input.")
        self.model.graph.output(answer)

    def _is_read(self, node: fx.Node) -> bool:
        """Whether anybody looks at what an operation makes; what is written into others is always."""
        return bool(node.users) or _writes(node)

    def _call(self, node: fx.Node) -> object:
        args, kwargs = self._known(node.args), self._known(node.kwargs)
        if node.target is operator.getitem:
            return args[0][args[1]]
        target = _in_new_memory(node.target)
        rule = _RULES.get(target)
        if rule is not _reshaped and not _is_same(node, self.twins[node]):
            raise self.refused(node, "depends on the number of images")
        known = list(_flat((args, kwargs)))
        if target is None or any(isinstance(value, fx.Node) for value in known):
            if rule is None:
                raise self.refused(node)
            x, settings = _bound(node.target, args, kwargs)
            made = rule(self, node, x, **settings)
        else:
            made = target(*args, **kwargs)
        if _writes(node):
            self._overwrite(node, made)
        return made

    def _known(self, given: Any) -> Any:  # noqa: ANN401 - arguments are of any kind
        """Arguments with what is known of each value in the place of its node."""
        return fx.node.map_arg(given, self._value)

    def _value(self, node: fx.Node) -> Any:  # noqa: ANN401
        value = self.values[node]
        if id(value) in self.names and value.is_floating_point() and not value.isfinite().all():
            raise UnsupportedModel(f"{self.names[id(value)]} has numbers that are not finite (NaN or infinity).")
        return value

    def _overwrite(self, node: fx.Node, made: object) -> None:
        """From now on everybody who looks at the memory that an operation wrote into sees what it made.

        Others that lie in the same memory without being the same, such as a part of a map, are refused.
        """
        written = node.all_input_nodes[0]
        base, before = _memory(written), self.values[written]
        for other, value in list(self.values.items()):
            if _memory(other) is base and any(user not in self.values and user is not node for user in other.users):
                if value is not before:
                    raise self.refused(node, "writes into memory that another value lies in")
                self.values[other] = made

    # --- what rules are made of ----------------------------------------------------------------------------------

    def refused(
        self, node: fx.Node, why: str = "has no counterpart among the layers that the engine knows"
    ) -> UnsupportedModel:
        """The error that names an operation and the layer that it comes from."""
        path = self.path(node)
        return UnsupportedModel(f"{_operation(node)}{f' in {path!r}' if path else ''} ({node.name}) {why}.")

    def path(self, node: fx.Node) -> str:
        """Of the innermost module that the operation is part of; '' for the network itself."""
        return self.program.paths.get(node.name, "")

    def shape(self, node: fx.Node) -> tuple[object, ...]:
        """Sizes of an operation's result; `_MANY` where they depend on the number of images."""
        pairs = zip(_shape_of(node), _shape_of(self.twins[node]), strict=True)
        return tuple(size if size == other else _MANY for size, other in pairs)

    def layer(
        self,
        node: fx.Node,
        make: Callable[[], nn.Module],
        x: object,
        *,
        key: tuple[object, ...] = (),
        called: str = "",
    ) -> fx.Node:
        """A call of a layer on the value `x`; those with the same `key` are the same layer.

        Where a function is meant, it is named after the operation, or as it is `called`.
        """
        if not isinstance(x, fx.Node):
            raise self.refused(node, "works on weights and not on the image")
        name = self.layers.get(key) if key else None
        if name is None:
            name = self._new_name(node, called or _operation(node))
            layer = make().eval()
            self.model.add_submodule(name, layer)
            if key:
                self.layers[key] = name
        return self.model.graph.call_module(name, (x,))

    def _new_name(self, node: fx.Node, called: str) -> str:
        """Of the module that does nothing else, or of the operation within its module."""
        path = self.path(node)
        is_layer = bool(path) and next(self.source.get_submodule(path).children(), None) is None
        name = path if is_layer else f"{path}.{called}".lstrip(".")
        return free_name(self.model, name)

    def function(self, node: fx.Node, target: Callable[..., object], *args: Any) -> fx.Node:  # noqa: ANN401 - as torch's
        """A call of a function; tensors among its arguments become constants of the graph."""

        def argument(value: object) -> object:
            if not isinstance(value, Tensor):
                return value
            return value.item() if value.dim() == 0 else self.model.graph.get_attr(self._kept(value, node))

        return self.model.graph.call_function(target, fx.node.map_aggregate(args, argument))  # type: ignore[arg-type]

    def _kept(self, value: Tensor, node: fx.Node) -> str:
        """The name of the graph's copy of a tensor: as in the module if it stands there, else after the operation."""
        if id(value) not in self.constants:
            name = free_name(self.model, self.names.get(id(value), _operation(node)).replace(".", "_"))
            copy = value.detach().clone()
            if isinstance(value, nn.Parameter):
                self.model.register_parameter(name, nn.Parameter(copy))
            else:
                self.model.register_buffer(name, copy)
            self.constants[id(value)] = name, value
        return self.constants[id(value)][0]


def _flat(value: object) -> Iterator[object]:
    """All values in nested arguments."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _flat(part)
    else:
        yield value


def _shape_of(node: fx.Node) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)


def _is_same(node: fx.Node, twin: fx.Node) -> bool:
    """Whether two operations have the same numbers among their arguments."""
    pairs = (_flat((one.args, one.kwargs)) for one in (node, twin))
    return all(a == b for a, b in zip(*pairs, strict=True) if not isinstance(a, fx.Node))


def _writes(node: fx.Node) -> bool:
    """Whether an operation changes what it gets."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _in_new_memory(target: Any) -> Any:  # noqa: ANN401 - torch's operations
    """The operation that does the same without changing what it gets; None where there is none."""
    schema = getattr(target, "_schema", None)
    if schema is None or not schema.is_mutable:
        return target
    packet = getattr(aten, schema.name.removeprefix("aten::").removesuffix("_"), None)
    return getattr(packet, schema.overload_name or "default", None)


def _memory(node: fx.Node) -> fx.Node:
    """The first of the values that lie in the same memory as this one, or might."""
    schema = getattr(node.target, "_schema", None)
    may_alias = node.target in (aten.reshape.default, aten.flatten.using_ints, aten.contiguous.default)
    is_view = schema is not None and any(found.alias_info is not None for found in schema.returns)
    return _memory(node.all_input_nodes[0]) if is_view or may_alias else node


def _bound(target: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[object, dict[str, object]]:  # noqa: ANN401
    """An operation's first argument, and all others by name, those that were not given as its schema has them."""
    first, *others = target._schema.arguments
    settings = {other.name: other.default_value for other in others if other.has_default_value()}
    settings |= dict(zip((other.name for other in others), args[1:], strict=False))
    return args[0] if args else kwargs[first.name], settings | dict(kwargs)


def _operation(node: fx.Node) -> str:
    """'conv2d', 'softmax': the operation's name without its variant."""
    name = str(getattr(node.target, "_opname", "") or getattr(node.target, "__name__", node.target))
    return name.split(".", maxsplit=1)[0].lstrip("_")


def _source(node: fx.Node) -> fx.Node:
    return node.all_input_nodes[0]


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


def _convolution(
    builder: _Builder,
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
    if not isinstance(weight, Tensor):
        raise builder.refused(node, "has weights that depend on the image")
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


def _linear(builder: _Builder, node: fx.Node, x: object, *, weight: Tensor, bias: Tensor | None) -> fx.Node:
    if not isinstance(weight, Tensor):
        raise builder.refused(node, "has weights that depend on the image")
    if len(builder.shape(node)) != 2:
        raise builder.refused(
            node, f"reads a value of {len(builder.shape(node))} dimensions; only rows of features can be read"
        )

    def make() -> nn.Module:
        outputs, inputs = weight.shape
        return _with(nn.Linear(inputs, outputs, bias is not None, device="meta"), weight=weight, bias=bias)

    return builder.layer(node, make, x, key=("linear", id(weight), id(bias)))


def _batch_norm(
    builder: _Builder,
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
        kind = nn.BatchNorm2d if len(builder.shape(_source(node))) == 4 else nn.BatchNorm1d
        norm = kind(len(running_mean), eps, momentum, affine=weight is not None, device="meta")
        norm.running_mean, norm.running_var = running_mean.detach().clone(), running_var.detach().clone()
        norm.num_batches_tracked = torch.zeros((), dtype=torch.int64)
        return _with(norm, weight=weight, bias=bias)

    key = ("norm", *map(id, (weight, bias, running_mean, running_var)), eps)
    return builder.layer(node, make, x, key=key)


# --- layers without weights ---------------------------------------------------------------------------------------


def _simple(kind: Callable[..., nn.Module], *names: str) -> Callable[..., fx.Node]:
    """A layer with those of the operation's settings that it has too."""

    def rule(builder: _Builder, node: fx.Node, x: object, **settings: object) -> fx.Node:
        return builder.layer(node, lambda: kind(**{name: _one(settings[name]) for name in names}), x)

    return rule


def _identity(builder: _Builder, node: fx.Node, x: object, **settings: object) -> object:
    return x


def _clamped(builder: _Builder, node: fx.Node, x: object, **limits: float | None) -> fx.Node:
    low, high = limits.values()
    if low == 0 and high in (6, None):
        return builder.layer(node, nn.ReLU6 if high == 6 else nn.ReLU, x)
    raise builder.refused(node, f"limits numbers to {low} and {high}; only 0 and 6 are known")


def _mean(
    builder: _Builder, node: fx.Node, x: object, *, dim: Sequence[int], keepdim: bool, **others: object
) -> fx.Node:
    """Over the whole map: global average pooling."""
    if len(builder.shape(_source(node))) != 4 or sorted(one % 4 for one in dim) != [2, 3]:
        raise builder.refused(node, f"averages over dimensions {list(dim)}; only the whole map can be averaged")
    pooled = builder.layer(node, lambda: nn.AdaptiveAvgPool2d(1), x)
    return pooled if keepdim else builder.layer(node, lambda: nn.Flatten(1), pooled, called="flatten")


def _reshaped(builder: _Builder, node: fx.Node, x: object, **sizes: object) -> object:
    before, after = builder.shape(_source(node)), builder.shape(node)
    if before == after:
        return x
    if before[0] == after[0] and len(after) == 2 and after[1] == math.prod(before[1:]):  # type: ignore[arg-type]
        return builder.layer(node, lambda: nn.Flatten(1), x, called="flatten")
    raise builder.refused(node, f"reshapes {_sizes(before)} to {_sizes(after)}; only flattening is known")


def _padded(builder: _Builder, node: fx.Node, x: object, *, pad: Sequence[int], mode: str, **others: object) -> object:
    if not any(pad):
        return x
    raise builder.refused(node, f"pads by {list(pad)} in mode {mode!r}; only a layer's own padding with zeros is known")


def _resized(mode: str) -> Callable[..., fx.Node]:
    def rule(
        builder: _Builder,
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


def _antialiased(builder: _Builder, node: fx.Node, x: object, **settings: object) -> fx.Node:
    raise UnsupportedModel("An image is resized with antialias=True; average with AvgPool2d before it instead.")


# --- values with each other ---------------------------------------------------------------------------------------


def _sum(builder: _Builder, node: fx.Node, x: object, *, other: object, alpha: float = 1) -> fx.Node:
    if alpha != 1:
        other = builder.function(node, operator.mul, other, alpha) if isinstance(other, fx.Node) else other * alpha  # type: ignore[operator]
    return builder.function(node, operator.add, x, other)


def _difference(builder: _Builder, node: fx.Node, x: object, *, other: object, alpha: float = 1) -> fx.Node:
    return _sum(builder, node, x, other=other, alpha=-alpha)


def _difference_from(builder: _Builder, node: fx.Node, x: object, *, other: object, alpha: float = 1) -> fx.Node:
    return builder.function(node, operator.add, builder.function(node, operator.mul, x, -alpha), other)


def _product(builder: _Builder, node: fx.Node, x: object, *, other: object) -> fx.Node:
    return builder.function(node, operator.mul, x, other)


def _quotient(builder: _Builder, node: fx.Node, x: object, *, other: Any) -> fx.Node:  # noqa: ANN401
    if isinstance(other, fx.Node):
        raise builder.refused(node, "divides by a value that depends on the image")
    return builder.function(node, operator.mul, x, 1 / other)


def _joined(builder: _Builder, node: fx.Node, values: Sequence[object], *, dim: int) -> object:
    if len(values) == 1:
        return values[0]
    return builder.function(node, torch.cat, list(values), dim % len(builder.shape(node)))


_WINDOW = "kernel_size", "stride", "padding"

_RULES: dict[object, Callable[..., Any]] = {
    aten._upsample_bilinear2d_aa.default: _antialiased,
    aten._upsample_bilinear2d_aa.vec: _antialiased,
    aten.adaptive_avg_pool2d.default: _simple(nn.AdaptiveAvgPool2d, "output_size"),
    aten.add.Tensor: _sum,
    aten.alias.default: _identity,
    aten.avg_pool2d.default: _simple(nn.AvgPool2d, *_WINDOW, "ceil_mode", "count_include_pad", "divisor_override"),
    aten.batch_norm.default: _batch_norm,
    aten.cat.default: _joined,
    aten.clamp.default: _clamped,
    aten.clone.default: _identity,
    aten.contiguous.default: _identity,
    aten.conv2d.default: _convolution,
    aten.conv2d.padding: _convolution,
    aten.detach.default: _identity,
    aten.div.Tensor: _quotient,
    aten.dropout.default: _identity,
    aten.elu.default: _simple(nn.ELU, "alpha"),
    aten.feature_dropout.default: _identity,
    aten.flatten.using_ints: _reshaped,
    aten.gelu.default: _simple(nn.GELU, "approximate"),
    aten.hardsigmoid.default: _simple(nn.Hardsigmoid),
    aten.hardswish.default: _simple(nn.Hardswish),
    aten.hardtanh.default: _clamped,
    aten.leaky_relu.default: _simple(nn.LeakyReLU, "negative_slope"),
    aten.linear.default: _linear,
    aten.max_pool2d.default: _simple(nn.MaxPool2d, *_WINDOW, "dilation", "ceil_mode"),
    aten.mean.dim: _mean,
    aten.mul.Tensor: _product,
    aten.pad.default: _padded,
    aten.relu.default: _simple(nn.ReLU),
    aten.relu6.default: _simple(nn.ReLU6),
    aten.reshape.default: _reshaped,
    aten.rsub.Scalar: _difference_from,
    aten.rsub.Tensor: _difference_from,
    aten.sigmoid.default: _simple(nn.Sigmoid),
    aten.silu.default: _simple(nn.SiLU),
    aten.sub.Tensor: _difference,
    aten.tanh.default: _simple(nn.Tanh),
    aten.upsample_bilinear2d.vec: _resized("bilinear"),
    aten.upsample_nearest2d.vec: _resized("nearest"),
    aten.view.default: _reshaped,
}
"""The layer or function for each operation that the normal form has."""
