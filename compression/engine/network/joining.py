"""Layers that a file spells out in arithmetic are found again, so that they are treated as what they are.

Exporters for older opsets write GELU, SiLU, hard swish and norms as products, means and roots. Each part would be
rounded by itself, and nobody would see that a layer norm's channels can go.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from compression.engine.network import functions
from compression.engine.network.form import free_name, module_of, propagate_shapes

Found = tuple[fx.Node, nn.Module] | None
"""What a layer reads, and the layer."""


def join_layers(model: fx.GraphModule) -> fx.GraphModule:
    """Put layers in the place of arithmetic that is the same, in place; returns the same model."""
    _take_biases(model)
    _take_scales(model)
    _roll(model)
    for node in list(model.graph.nodes):
        found = next(filter(None, (pattern(model, node) for pattern in _PATTERNS)), None)
        if found:
            source, layer = found
            name = free_name(model, type(layer).__name__.lower())
            model.add_submodule(name, layer.eval())
            with model.graph.inserting_before(node):
                joined = model.graph.call_module(name, (source,))
            joined.meta["shape"] = node.meta["shape"]
            node.replace_all_uses_with(joined)
    model.graph.eliminate_dead_code()
    model.delete_all_unused_submodules()
    read = {str(node.target) for node in model.graph.nodes if node.op == "get_attr"}
    own = [*model.named_parameters(recurse=False), *model.named_buffers(recurse=False)]
    for name in {name for name, _ in own} - read:
        delattr(model, name)
    model.recompile()
    return propagate_shapes(model)


def _calls(node: object, target: Callable[..., Any]) -> bool:
    return isinstance(node, fx.Node) and node.target is target


def _take_biases(model: fx.GraphModule) -> None:
    """Give linear layers that have no bias what is added to each row of their answers, in place."""
    calls = Counter(node.target for node in model.graph.nodes)
    for node in list(model.graph.nodes):
        value, bias = _with_constant(model, node, operator.add)
        rows: Any = value
        while _calls(rows, torch.reshape) and len(rows.users) == 1 and _last(rows) == _last(rows.args[0]):
            rows = rows.args[0]
        layer = module_of(model, rows) if bias is not None and isinstance(rows, fx.Node) else None
        if not isinstance(layer, nn.Linear) or layer.bias is not None or bias is None:
            continue
        if calls[rows.target] == len(rows.users) == 1 and bias.shape == (layer.out_features,):
            layer.bias = nn.Parameter(bias.detach().clone())
            node.replace_all_uses_with(value)  # type: ignore[arg-type]


def _take_scales(model: fx.GraphModule) -> None:
    """Multiply one factor of a matrix product with the numbers of both, in place: half of each is in attention's."""
    for node in model.graph.nodes:
        factors: Any = node.args if _calls(node, torch.matmul) else ()
        if factors and all(_calls(one, operator.mul) and _number(one.args[1]) for one in factors):
            (left, one), (right, other) = (factor.args for factor in factors)
            with model.graph.inserting_before(node):
                scaled = model.graph.call_function(operator.mul, (left, one * other))
            scaled.meta["shape"] = left.meta["shape"]
            node.args = scaled, right


def _roll(model: fx.GraphModule) -> None:
    """Places moved along, and what falls off one end comes in at the other, in place of the two parts put together."""
    for node in list(model.graph.nodes):
        parts, dim = node.args if _calls(node, torch.cat) else ((), 0)
        if len(parts) != 2 or not all(_calls(one, functions.part) for one in parts):
            continue
        (x, where, back), (other, also, front) = (one.args for one in parts)
        size = x.meta["shape"][dim]
        ends = [places.indices(size) for places in (back, front)]
        if x is other and where == also == dim and ends == [(front.stop, size, 1), (0, back.start, 1)]:
            source, shifts, dims = x.args if _calls(x, torch.roll) and dim not in x.args[2] else (x, (), ())
            with model.graph.inserting_before(node):
                rolled = model.graph.call_function(torch.roll, (source, (*shifts, -back.start), (*dims, dim)))
            rolled.meta["shape"] = node.meta["shape"]
            node.replace_all_uses_with(rolled)


def _last(node: fx.Node) -> int:
    size: int = node.meta["shape"][-1]
    return size


def _number(node: object) -> float | None:
    return float(node) if isinstance(node, int | float) else None


def _factors(node: object) -> tuple[list[fx.Node], float]:
    """What a nested product is made of: values, and the product of its numbers."""
    values, number = list[fx.Node](), 1.0
    waiting: list[object] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, fx.Node) and _calls(one, operator.mul) and (one is node or len(one.users) == 1):
            waiting += one.args
        elif isinstance(one, fx.Node):
            values.append(one)
        else:
            number *= _number(one) or math.nan
    return values, number


def _gated(kind: type[nn.Module], gate: type[nn.Module]) -> Callable[[fx.GraphModule, fx.Node], Found]:
    """The value times what the gate makes of it."""

    def pattern(model: fx.GraphModule, node: fx.Node) -> Found:
        if not _calls(node, operator.mul):
            return None
        for x, y in (node.args, node.args[::-1]):
            if isinstance(y, fx.Node) and isinstance(module_of(model, y), gate) and y.args[0] is x:
                return x, kind()  # type: ignore[return-value]
        return None

    return pattern


def _gelu(model: fx.GraphModule, node: fx.Node) -> Found:
    """Half of x × (1 + erf(x / √2)), multiplied in any order."""
    if not _calls(node, operator.mul):
        return None
    values, half = _factors(node)
    if len(values) != 2 or not math.isclose(half, 0.5, rel_tol=1e-5):
        return None
    for x, grown in (values, values[::-1]):
        if not _calls(grown, operator.add) or 1.0 not in [_number(one) for one in grown.args]:
            continue
        curves = [one for one in grown.all_input_nodes if one.target is torch.erf]
        inner, scale = _factors(curves[0].args[0]) if curves else ([], 0.0)
        if inner == [x] and math.isclose(scale, math.sqrt(0.5), rel_tol=1e-5):
            return x, nn.GELU()
    return None


def _layer_norm(model: fx.GraphModule, node: fx.Node) -> Found:
    """(x - mean) / √(mean of its squares + ε) × weight + bias, over the last dimension."""
    scaled, bias = _with_constant(model, node, operator.add)
    normal, weight = _with_constant(model, scaled, operator.mul)
    if weight is None or bias is None or not isinstance(normal, fx.Node) or not _calls(normal, operator.truediv):
        return None
    centred, root = normal.args
    x = _centred(centred)
    epsilon = _variance_of(root, centred)
    if x is None or epsilon is None or weight.shape != bias.shape or weight.dim() != 1:
        return None
    norm = nn.LayerNorm(len(weight), epsilon)
    norm.weight, norm.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return x, norm


def _with_constant(model: fx.GraphModule, node: object, target: Callable[..., Any]) -> tuple[object, Tensor | None]:
    """The value and the constant that a sum or product is made of."""
    if isinstance(node, fx.Node) and _calls(node, target):
        for value, constant in (node.args, node.args[::-1]):
            if isinstance(constant, fx.Node) and constant.op == "get_attr":
                found: Tensor = operator.attrgetter(str(constant.target))(model)
                return value, found
    return None, None


def _centred(node: object) -> fx.Node | None:
    """The x in x - mean(x), whose mean is over the last dimension."""
    if not isinstance(node, fx.Node) or not _calls(node, operator.add):
        return None
    x, less = node.args
    mean, sign = _factors(less) if isinstance(less, fx.Node) else ([], 0.0)
    return x if len(mean) == 1 and sign == -1 and _is_last_mean(mean[0], x) else None  # type: ignore[return-value]


def _is_last_mean(node: object, x: object) -> bool:
    if not isinstance(node, fx.Node) or not _calls(node, torch.mean):
        return False
    last = len(node.meta["shape"]) - 1
    return node.args[0] is x and node.args[1] == (last,) and bool(node.args[2])


def _variance_of(root: object, centred: object) -> float | None:
    """The ε in √(mean(centred²) + ε); None where it is something else."""
    if not isinstance(root, fx.Node) or not _calls(root, torch.sqrt) or not _calls(root.args[0], operator.add):
        return None
    mean, epsilon = root.args[0].args  # type: ignore[union-attr]
    square = mean.args[0] if isinstance(mean, fx.Node) and _calls(mean, torch.mean) else None
    is_square = (_calls(square, torch.pow) and square.args == (centred, 2)) or (  # type: ignore[union-attr]
        _calls(square, operator.mul) and square.args == (centred, centred)  # type: ignore[union-attr]
    )
    return _number(epsilon) if is_square and _is_last_mean(mean, square) else None


def _group_norm(model: fx.GraphModule, node: fx.Node) -> Found:
    """What lies in a group as one channel, normalized, and put back."""
    normal: Any = node.args[0] if _calls(node, torch.reshape) else None
    norm = module_of(model, normal) if isinstance(normal, fx.Node) else None
    if not isinstance(norm, nn.GroupNorm) or norm.num_groups != norm.num_channels:
        return None
    apart = normal.args[0]
    x, shape = apart.args[0], node.meta["shape"]
    is_group = _calls(apart, torch.reshape) and x.meta["shape"] == shape and apart.meta["shape"][0] == shape[0]
    if not is_group or shape[1] % norm.num_groups:
        return None
    weight, bias = (numbers.repeat_interleave(shape[1] // norm.num_groups) for numbers in _affine(norm))
    if bool((weight != 1).any() or bias.any()):
        return x, _grouped(norm, weight, bias)
    return x, nn.GroupNorm(norm.num_groups, shape[1], norm.eps, affine=False)


def _affine_group_norm(model: fx.GraphModule, node: fx.Node) -> Found:
    """A group norm, and behind it the numbers that its channels are multiplied with or that are added to them."""
    for target in (operator.mul, operator.add):
        value, constant = _with_constant(model, node, target)
        norm = module_of(model, value) if isinstance(value, fx.Node) and len(value.users) == 1 else None
        if not isinstance(norm, nn.GroupNorm) or constant is None:
            continue
        weight, bias = _affine(norm)
        sizes = len(weight), *[1] * (len(node.meta["shape"]) - 2)
        if not bias.any() and constant.numel() == len(weight) and tuple(constant.shape)[-len(sizes) :] == sizes:
            numbers = constant.detach().reshape(-1)
            pair = (weight * numbers, bias) if target is operator.mul else (weight, numbers)
            return value.args[0], _grouped(norm, *pair)  # type: ignore[attr-defined]
    return None


def _affine(norm: nn.GroupNorm) -> tuple[Tensor, Tensor]:
    """What each channel is multiplied with, and what is added."""
    if not norm.affine:
        return torch.ones(norm.num_channels), torch.zeros(norm.num_channels)
    return norm.weight.detach(), norm.bias.detach()


def _grouped(norm: nn.GroupNorm, weight: Tensor, bias: Tensor) -> nn.GroupNorm:
    """The norm with these numbers of each channel."""
    made = nn.GroupNorm(norm.num_groups, len(weight), norm.eps)
    made.weight, made.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    return made


_PATTERNS = (
    _gated(nn.SiLU, nn.Sigmoid),
    _gated(nn.Hardswish, nn.Hardsigmoid),
    _gelu,
    _layer_norm,
    _group_norm,
    _affine_group_norm,
)
