"""A module written down as a graph of layers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from compression.engine.network.form import free_name, propagate_shapes
from compression.errors import UnsupportedModel

_OUT_OF_PLACE: dict[object, Any] = {operator.iadd: operator.add, operator.imul: operator.mul}
"""`x += y` overwrites a value of the graph that others, who look at it later, still need."""


def _upsample(*args: object, antialias: bool = False, **settings: object) -> nn.Upsample:
    if antialias:
        raise UnsupportedModel("An image is resized with antialias=True; average with AvgPool2d before it instead.")
    return nn.Upsample(*args, **settings)  # type: ignore[arg-type]


def _flatten(start_dim: int = 0, end_dim: int = -1) -> nn.Flatten:
    return nn.Flatten(start_dim, end_dim)


_AS_LAYER: dict[object, Callable[..., nn.Module]] = {
    torch.flatten: _flatten,
    torch.relu: nn.ReLU,
    torch.sigmoid: nn.Sigmoid,
    torch.tanh: nn.Tanh,
    functional.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
    functional.avg_pool2d: nn.AvgPool2d,
    functional.dropout: lambda *args, **settings: nn.Identity(),
    functional.hardsigmoid: nn.Hardsigmoid,
    functional.hardswish: nn.Hardswish,
    functional.interpolate: _upsample,
    functional.max_pool2d: nn.MaxPool2d,
    functional.relu: nn.ReLU,
    functional.relu6: nn.ReLU6,
    functional.silu: nn.SiLU,
    "flatten": _flatten,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
"""The layer that does what a function does, or a method of a tensor, given by its name: all else knows layers only."""


def trace(module: nn.Module, input_shape: tuple[int, int, int]) -> fx.GraphModule:
    """Write a module down as a graph (evaluation mode); `input_shape` is C x H x W.

    Functions without weights become layers where there are such (`_AS_LAYER`), and what does nothing any more goes.
    Every node's `meta["shape"]` then holds its output's shape for a batch of one.
    """
    graph_module = fx.symbolic_trace(module.eval())
    for node in list(graph_module.graph.nodes):
        node.target = _OUT_OF_PLACE.get(node.target, node.target)
        if node.op in ("call_function", "call_method") and node.target in _AS_LAYER:
            _call_layer(graph_module, node)
        if node.op == "call_module" and isinstance(graph_module.get_submodule(node.target), nn.Identity | nn.Dropout):
            node.replace_all_uses_with(node.args[0])
            graph_module.graph.erase_node(node)
    graph_module.delete_all_unused_submodules()
    graph_module.recompile()
    graph_module.input_shape = input_shape  # type: ignore[assignment]
    return propagate_shapes(graph_module)


def _call_layer(model: fx.GraphModule, node: fx.Node) -> None:
    """Have a layer do what the function does that this node calls, unless its settings come out of the graph."""
    if node.all_input_nodes == list(node.args[:1]):
        name = free_name(model, node.name)
        model.add_submodule(name, _AS_LAYER[node.target](*node.args[1:], **node.kwargs))
        node.op, node.target, node.args, node.kwargs = "call_module", name, node.args[:1], {}
