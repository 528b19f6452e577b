"""Run a network node by node, to look at its layers on the way."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
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


def show_calls(model: fx.GraphModule, x: Tensor, see: Callable[[Call], None], watch: Watch = SILENT) -> Tensor:
    """Run the network once on images `x`, and show each call of a weighted layer; returns the logits.

    Unlike `layer_calls` it computes like the network itself, with gradients where these are on: `see` may keep calls.
    """
    logits: Tensor = _Showing(model, see, watch).run(x)
    return logits


class _Showing(fx.Interpreter):
    def __init__(self, model: fx.GraphModule, see: Callable[[Call], None], watch: Watch) -> None:
        super().__init__(model)
        self._model, self._see, self._watch = model, see, watch

    def run_node(self, n: fx.Node) -> object:
        """Compute one node; show a layer's call while its input is still there."""
        self._watch.check()
        value = super().run_node(n)
        layer = module_of(self._model, n)
        if isinstance(layer, WeightedLayer):
            self._see(Call(str(n.target), layer, self.env[n.all_input_nodes[0]], value))
        return value


class Rehearsal:
    """All values of one run on images `x` (N x C x H x W), to find the logits when one layer has changed."""

    def __init__(self, model: fx.GraphModule, x: Tensor) -> None:
        self._model, self._x = model, x
        *self._nodes, output = model.graph.nodes
        (self._last,) = output.all_input_nodes
        self._values: Values = {}
        self._first: dict[str, int] = {}
        for number, node in enumerate(self._nodes):
            self._values[node.name] = evaluate_node(model, node, self._values, x)
            if isinstance(module_of(model, node), WeightedLayer):
                self._first.setdefault(str(node.target), number)

    @property
    def logits(self) -> Tensor:
        """Before any change."""
        return self._values[self._last.name]

    @property
    def layers(self) -> list[str]:
        """The names of the weighted layers, in the order of their first calls."""
        return list(self._first)

    def logits_with(self, name: str) -> Tensor:
        """What they are now that the layer of this name is another one: only what depends on it is computed anew."""
        changed: Values = {}
        for node in self._nodes[self._first[name] :]:
            if node.target == name or any(source.name in changed for source in node.all_input_nodes):
                changed[node.name] = evaluate_node(self._model, node, {**self._values, **changed}, self._x)
        return changed.get(self._last.name, self.logits)
