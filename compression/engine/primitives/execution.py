"""Run a network node by node, to look at its layers on the way, and to change them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from compression.engine.network.form import WeightedLayer, module_of
from compression.watch import SILENT, Watch


@dataclass(frozen=True)
class Call:
    """A layer that runs: its name, and its input and output there."""

    name: str
    layer: WeightedLayer
    x: Tensor
    y: Tensor


class Walk(fx.Interpreter):
    """One run on images `x` (N x C x H x W): ask for `nodes` and have each of them computed, or for `calls`.

    Values of images (N x C x H x W) have the channels of a pixel next to each other in memory: convolutions then hand
    that on, and patches are cut out of them in half the time. There are no gradients. A `plain` walk computes like the
    network itself, with gradients where these are on.
    """

    def __init__(self, model: fx.GraphModule, x: Tensor, watch: Watch = SILENT, *, plain: bool = False) -> None:
        super().__init__(model)
        self.args_iter = iter([x])
        self.model, self._watch, self._plain = model, watch, plain
        *self._nodes, self._output = model.graph.nodes

    def nodes(self) -> Iterator[fx.Node]:
        """Each node but the output. After its turn the values are forgotten that nobody reads any more."""
        for node in self._nodes:
            self._watch.check()
            yield node
            for source in self.user_to_last_uses.get(node, ()):
                del self.env[source]

    def compute(self, node: fx.Node) -> Tensor:
        """The node's value, made from those of the nodes before it."""
        with torch.set_grad_enabled(self._plain and torch.is_grad_enabled()):
            value: Tensor = self.run_node(node)
        if value.dim() == 4 and not self._plain:
            value = value.contiguous(memory_format=torch.channels_last)
        self.env[node] = value
        return value

    def input_of(self, node: fx.Node) -> Tensor:
        """The value that a layer gets."""
        value: Tensor = self.env[node.all_input_nodes[0]]
        return value

    def calls(self) -> Iterator[Call]:
        """Compute all nodes, and stop at each call of a weighted layer."""
        for node in self.nodes():
            y, layer = self.compute(node), module_of(self.model, node)
            if isinstance(layer, WeightedLayer):
                yield Call(str(node.target), layer, self.input_of(node), y)

    @property
    def logits(self) -> Tensor:
        """The network's answer, after the turn of all nodes."""
        value: Tensor = self.env[self._output.all_input_nodes[0]]
        return value


class Rehearsal(Walk):
    """All values of one run on images `x` (N x C x H x W), to find the logits when one layer has changed."""

    def __init__(self, model: fx.GraphModule, x: Tensor, watch: Watch = SILENT) -> None:
        super().__init__(model, x, watch)
        for node in self._nodes:
            self.compute(node)

    def logits_with(self, name: str) -> Tensor:
        """What they are now that the layer of this name is another one: only what depends on it is computed anew."""
        before, changed = self.env.copy(), set[fx.Node]()
        for node in self._nodes:
            if node.target == name or not changed.isdisjoint(node.all_input_nodes):
                changed.add(node)
                self.compute(node)
        logits, self.env = self.logits, before
        return logits

    def logits_with_each(self, name: str, layer: WeightedLayer, weights: Iterable[Tensor]) -> Iterator[Tensor]:
        """What they are with each of these weights in this layer, which has its own again afterwards."""
        before = layer.weight.clone()
        for weight in weights:
            self._watch.check()
            layer.weight.copy_(weight)
            logits = self.logits_with(name)
            layer.weight.copy_(before)
            yield logits
