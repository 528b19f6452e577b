"""Run a network node by node, to look at its layers on the way."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx
from torch.fx.node import map_arg

from compression.engine.network.form import WeightedLayer, module_of
from compression.watch import SILENT, Watch

Values = dict[str, Tensor]
"""What nodes gave, by the name of the node."""


@dataclass(frozen=True)
class Call:
    """A layer that runs: its name, and its input and output there."""

    name: str
    layer: WeightedLayer
    x: Tensor
    y: Tensor


def layer_calls(model: fx.GraphModule, x: Tensor, watch: Watch = SILENT) -> Iterator[Call]:
    """Run the network once on images `x` (N x C x H x W), and stop at each call of a weighted layer."""
    values: Values = {}
    finished = last_reads(model)
    for node in list(model.graph.nodes)[:-1]:  # without the output
        watch.check()
        with torch.no_grad():
            values[node.name] = evaluate_node(model, node, values, x)
        layer = module_of(model, node)
        if isinstance(layer, WeightedLayer):
            yield Call(str(node.target), layer, values[node.all_input_nodes[0].name], values[node.name])
        for name in finished[node]:
            del values[name]


def last_reads(model: fx.GraphModule) -> dict[fx.Node, list[str]]:
    """For each node, the names of the values that nobody reads after it."""
    last = {source: node for node in model.graph.nodes for source in node.all_input_nodes}
    return {
        node: [source.name for source in node.all_input_nodes if last[source] is node] for node in model.graph.nodes
    }


def evaluate_node(model: fx.GraphModule, node: fx.Node, values: dict[str, Tensor], x: Tensor) -> Tensor:
    """The value of one node.

    Those of images (N x C x H x W) have the channels of a pixel next to each other in memory: convolutions then hand
    that on, and patches are cut out of them in half the time.
    """
    value = _evaluate_node(model, node, values, x)
    return value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value


def _evaluate_node(model: fx.GraphModule, node: fx.Node, values: dict[str, Tensor], x: Tensor) -> Tensor:
    if node.op == "placeholder":
        return x
    args = map_arg(node.args, lambda source: values[source.name])
    kwargs = map_arg(node.kwargs, lambda source: values[source.name])
    if node.op == "get_attr":
        constant: Tensor = operator.attrgetter(str(node.target))(model)
        return constant
    if node.op == "call_method":
        method: Callable[..., Tensor] = getattr(args[0], str(node.target))
        return method(*args[1:], **kwargs)
    layer = module_of(model, node)
    function: Callable[..., Tensor] = node.target if layer is None else layer  # type: ignore[assignment]
    return function(*args, **kwargs)


def rerun(
    model: fx.GraphModule, nodes: Sequence[fx.Node], values: Mapping[str, Tensor], x: Tensor, last: fx.Node
) -> Tensor:
    """The value of `last` when the first of the nodes, and so all that depend on it, have changed.

    `values` are those before the change, on the same images; `nodes` end with `last`. Other calls of the first
    node's layer have changed as well.
    """
    changed: dict[str, Tensor] = {}
    for node in nodes:
        if (
            node is nodes[0]
            or node.target == nodes[0].target
            or any(source.name in changed for source in node.all_input_nodes)
        ):
            changed[node.name] = evaluate_node(model, node, {**values, **changed}, x)
    return changed.get(last.name, values[last.name])
