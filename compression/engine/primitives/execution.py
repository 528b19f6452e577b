"""Run a network node by node, to look at its layers on the way, and to change them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, fx
from torch.func import functional_call

from compression.engine.network.form import WeightedLayer, module_of
from compression.watch import SILENT, Watch

VALUE_BYTES = 240_000_000
"""Of a node's value for all images that are run at once: fits hold about five such values at a time."""

FEWEST_IMAGES = 32


def images_at_once(model: fx.GraphModule) -> int:
    """For how many images even the largest of the network's values has room; at least `FEWEST_IMAGES`."""
    return _room_for(max(_sizes(model)))


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

    Where values are large there is room for the first of the images only, and the others follow when it gets narrower:
    the last layers see all of them. `images` is how many there are at the beginning for whoever wants to `extend` the
    walk by hand; with all of them it runs them all at once, whatever room that takes.
    """

    def __init__(
        self, model: fx.GraphModule, x: Tensor, watch: Watch = SILENT, *, plain: bool = False, images: int | None = None
    ) -> None:
        super().__init__(model)
        self.model, self._watch, self._plain = model, watch, plain
        *self._nodes, self._output = model.graph.nodes
        self._x, self._growth = x, _growth(model, len(x)) if images is None else [images] * len(self._nodes)
        self._images, self._here = self._growth[0], self._nodes[0]
        self.args_iter = iter([x[: self._images]])

    def nodes(self) -> Iterator[fx.Node]:
        """Each node but the output. After its turn the values are forgotten that nobody reads any more."""
        for node, images in zip(self._nodes, self._growth, strict=True):
            self._watch.check()
            self._here = node
            self.extend(images)
            yield node
            for source in self.user_to_last_uses.get(node, ()):
                del self.env[source]

    def extend(self, images: int) -> None:
        """From here on have the first `images` of them: those not yet there run through what has been computed."""
        if images <= self._images:
            return
        parts = {node: [self.env[node]] for node in self._values_of_images() if node in self.env}
        for x in torch.split(self._x[self._images : images], images_at_once(self.model)):  # type: ignore[no-untyped-call]
            others = Walk(self.model, x, self._watch, plain=self._plain, images=len(x))
            for node in itertools.takewhile(lambda node: node is not self._here, others.nodes()):
                others.compute(node)
            for node, values in parts.items():
                values.append(others.env[node])
        for node, values in parts.items():
            self.env[node] = self._laid_out(torch.cat(values))
        self._images = images

    def _values_of_images(self) -> list[fx.Node]:
        """The nodes whose values have a row for each image."""
        found = dict.fromkeys(node for node in self._nodes if node.op == "placeholder")
        for node in self._nodes:
            if not found.keys().isdisjoint(node.all_input_nodes):
                found[node] = None
        return list(found)

    def compute(self, node: fx.Node) -> Tensor:
        """The node's value, made from those of the nodes before it."""
        with torch.set_grad_enabled(self._plain and torch.is_grad_enabled()):
            value: Tensor = self.run_node(node)
        self.env[node] = value = self._laid_out(value)
        return value

    def _laid_out(self, value: Tensor) -> Tensor:
        is_plain = self._plain or value.dim() != 4
        return value if is_plain else value.contiguous(memory_format=torch.channels_last)

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

    def run_through(self) -> Tensor:
        """Compute all nodes; returns the network's answer."""
        for node in self.nodes():
            self.compute(node)
        return self.logits

    @property
    def logits(self) -> Tensor:
        """The network's answer, after the turn of all nodes."""
        value: Tensor = self.env[self._output.all_input_nodes[0]]
        return value


class Changed(NamedTuple):
    """What a layer has instead of its own; its own bias stays where there is none here."""

    weight: Tensor
    bias: Tensor | None = None


class Rehearsal(Walk):
    """All values of one run on images `x` (N x C x H x W), to find the logits when some layers have changed."""

    def __init__(self, model: fx.GraphModule, x: Tensor, watch: Watch = SILENT) -> None:
        super().__init__(model, x, watch, images=len(x))
        for node in self._nodes:
            self.compute(node)
        self._have_images = set(self._values_of_images())

    def logits_with_each(self, variants: Iterable[Mapping[str, Changed]], at_once: int = 1) -> Iterator[Tensor]:
        """What they are with each of these changes, layers by name; only what depends on them is computed anew.

        Of variants that change the same layers up to `at_once` go through the network together.
        """
        for _, alike in itertools.groupby(variants, lambda changes: changes.keys()):
            while together := list(itertools.islice(alike, at_once)):
                self._watch.check()
                yield from self._logits_with(together)

    def _logits_with(self, variants: Sequence[Mapping[str, Changed]]) -> Sequence[Tensor]:
        before, changed = self.env.copy(), set[fx.Node]()
        for node in self._nodes:
            is_layer = node.target in variants[0]
            if is_layer or not changed.isdisjoint(node.all_input_nodes):
                for other in self._have_images.intersection(node.all_input_nodes) - changed:
                    self._repeat(other, before[other], len(variants))
                changed.add(node)
                self.env[node] = self._answers(node, variants) if is_layer else self.compute(node)
        logits, self.env = self.logits, before
        return logits.chunk(len(variants))

    def _repeat(self, node: fx.Node, value: Tensor, times: int) -> None:
        """Give a value that all variants have in common to each of them."""
        if times > 1 and self.env[node] is value:
            self.env[node] = self._laid_out(value.repeat(times, *[1] * (value.dim() - 1)))

    def _answers(self, node: fx.Node, variants: Sequence[Mapping[str, Changed]]) -> Tensor:
        """What each variant of this node's layer gives for its own images."""
        layer, name = self.model.get_submodule(str(node.target)), str(node.target)
        inputs = self.input_of(node).chunk(len(variants))
        given = [{"weight": variant[name].weight, "bias": variant[name].bias} for variant in variants]
        own = [{key: value for key, value in values.items() if value is not None} for values in given]
        with torch.no_grad():
            found = [functional_call(layer, values, (x,)) for values, x in zip(own, inputs, strict=True)]
        return self._laid_out(torch.cat(found) if len(found) > 1 else found[0])


def _growth(model: fx.GraphModule, images: int) -> list[int]:
    """How many of the images each node but the output has room for, given that they also go through all behind it.

    Doubled from the first on, so that walks are extended a few times only.
    """
    *sizes, _ = _sizes(model)
    largest = itertools.accumulate(reversed(sizes), max)
    room = [min(images, _room_for(size)) for size in largest][::-1]
    return [images if fits == images else room[0] * 2 ** int(math.log2(fits / room[0])) for fits in room]


def _room_for(size: int) -> int:
    """How many images have room whose values have so many numbers."""
    return max(FEWEST_IMAGES, VALUE_BYTES // (4 * max(1, size)))


def _sizes(model: fx.GraphModule) -> list[int]:
    """Of each node's value for one image, in numbers."""
    return [math.prod(node.meta["shape"]) if "shape" in node.meta else 1 for node in model.graph.nodes]
