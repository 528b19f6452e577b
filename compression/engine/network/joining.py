"""Layers that a file spells out in arithmetic are found again, so that they are treated as what they are.

Exporters for older opsets write GELU, SiLU, hard swish and layer norms as products, means and roots. Each part would be
rounded by itself, and nobody would see that a layer norm's channels can go.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from compression.engine.network.form import free_name, module_of, propagate_shapes

Found = tuple[fx.Node, nn.Module] | None
"""What a layer reads, and the layer."""


def join_layers(model: fx.GraphModule) -> fx.GraphModule:
    """Put layers in the place of arithmetic that is the same, in place; returns the same model."""
    for node in list(model.graph.nodes):
        found = next(filter(None, (pattern(model, node) for pattern in _PATTERNS)), None)
        if found:
            source, layer = found
            name = free_name(model, type(layer).__name__.lower())
            model.add_submodule(name, layer.eval())
            with model.graph.inserting_before(node):
                node.replace_all_uses_with(model.graph.call_module(name, (source,)))
    model.graph.eliminate_dead_code()
    model.delete_all_unused_submodules()
    model.recompile()
    return propagate_shapes(model)


def _calls(node: object, target: Callable[..., Any]) -> bool:
    return isinstance(node, fx.Node) and node.target is target


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


_PATTERNS = (_gated(nn.SiLU, nn.Sigmoid), _gated(nn.Hardswish, nn.Hardsigmoid), _gelu, _layer_norm)
