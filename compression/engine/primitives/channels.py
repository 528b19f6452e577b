"""Which channels depend on each other, and how to cut them out (Fang et al., "DepGraph", 2023).

Every channel of every value in the graph gets a label. Layers that mix channels (convolutions, linear layers) create
new labels; layers that treat each channel alone pass them on; additions and multiplications make labels
equal. Labels that are equal form one *unit*: everything that has to go when one of its channels goes.
"""

from __future__ import annotations

import math
import operator
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import torch
from torch import Tensor, fx, nn

from compression.engine.network.form import (
    ActivationQuantizer,
    WeightedLayer,
    WeightFormat,
    clone,
    module_of,
    propagate_shapes,
    weight_format,
)
from compression.engine.network.grids import Affine, Codebook
from compression.engine.primitives.batch_norm import BatchNorm
from compression.errors import InvalidRecipe

OUT, IN = 0, 1
"""Dimensions of a weight: output channels come first."""

POINTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardsigmoid),
    *(nn.Identity, nn.Dropout, nn.Dropout2d, ActivationQuantizer),
)
"""Layers that do the same to every number."""
_CHANNELWISE = (*POINTWISE, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample)
ELEMENTWISE = (operator.add, torch.add, operator.mul, torch.mul)


class Slice(NamedTuple):
    """One position in one dimension of a layer's parameters. Batch norm only has `OUT`."""

    layer: str
    dim: int
    position: int


Unit = tuple[Slice, ...]
"""Slices that can only be removed together, sorted."""

Kept = dict[tuple[str, int], Tensor]
"""For each (layer, dimension) that loses something: the indices that stay, ascending, int64."""


def channel_groups(model: fx.GraphModule) -> list[list[Unit]]:
    """All removable units, grouped by the layers and dimensions that they touch.

    The units of one group are interchangeable: removing any of them shrinks the same layers in the same
    dimensions, so a group of n units is one width of the network. Channels of the input and of the logits
    are in no group. Raises `InvalidRecipe` for a node whose channels cannot be followed.
    """
    units = _Labels(model).units()
    groups: dict[frozenset[tuple[str, int]], list[Unit]] = defaultdict(list)
    for unit in units:
        groups[frozenset((part.layer, part.dim) for part in unit)].append(unit)
    return list(groups.values())


def units_in_multiples(group: Sequence[Unit], channels: int) -> int:
    """How many units of a group to take at a time, so that all its layers keep multiples of `channels` outputs.

    A unit of grouped convolutions has a channel of each group.
    """
    outputs = Counter(part.layer for part in group[0] if part.dim == OUT)
    return channels // math.gcd(channels, *outputs.values())


def remove_units(model: fx.GraphModule, units: Iterable[Unit]) -> tuple[fx.GraphModule, Kept]:
    """A smaller model without these units, and which indices stayed where.

    Weights, biases, batch-norm parameters and statistics, masks and grids are cut, and the layers' own
    records of their sizes follow. What is left has the values it had.
    """
    removed: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for part in (part for unit in units for part in unit):
        removed[part.layer][part.dim].add(part.position)
    smaller = clone(model)
    kept: Kept = {}
    for name, dims in removed.items():
        layer = smaller.get_submodule(name)
        stay = {dim: _others(_size(layer, dim), gone) for dim, gone in dims.items()}
        kept |= {(name, dim): indices for dim, indices in stay.items()}
        _cut(layer, stay)
    return propagate_shapes(smaller), kept


def reorder_units(model: fx.GraphModule, group: Sequence[Unit], order: Sequence[int]) -> None:
    """Put unit `order[i]` of a group where its unit i was, in place; the function stays the same."""
    moves: dict[str, dict[int, Tensor]] = defaultdict(dict)
    for target, source in zip(group, (group[index] for index in order), strict=True):
        for to, origin in zip(target, source, strict=True):
            layer = model.get_submodule(to.layer)
            positions = moves[to.layer].setdefault(to.dim, torch.arange(_size(layer, to.dim)))
            positions[to.position] = origin.position
    for name, dims in moves.items():
        _cut(model.get_submodule(name), dims)


class _Labels:
    """Follows labels through the graph; equal labels are kept as a union-find forest."""

    def __init__(self, model: fx.GraphModule) -> None:
        self.model = model
        self.parent: list[int] = []
        self.frozen: set[int] = set()
        self.slices: dict[Slice, int] = {}
        self.calls: dict[str, tuple[list[int], list[int]]] = {}
        """The labels on both sides of each layer, to tie a second use of it to the first."""
        self.of: dict[fx.Node, list[int]] = {}
        for node in model.graph.nodes:
            self.of[node] = self._visit(node)

    def units(self) -> list[Unit]:
        """Slices with equal labels, without frozen ones, in the order of their first slice."""
        frozen = {self._root(label) for label in self.frozen}
        units: dict[int, list[Slice]] = defaultdict(list)
        for part, label in self.slices.items():
            if self._root(label) not in frozen:
                units[self._root(label)].append(part)
        return [tuple(sorted(parts)) for parts in units.values()]

    def _visit(self, node: fx.Node) -> list[int]:
        if node.op == "placeholder":
            return self._freeze(self._new(node.meta["shape"][1]))
        if node.op == "output":
            return self._freeze([label for before in node.all_input_nodes for label in self.of[before]])
        if node.op == "call_module":
            return self._visit_layer(node)
        if node.op == "call_function":
            return self._visit_function(node)
        raise _unsupported(node)

    def _visit_layer(self, node: fx.Node) -> list[int]:
        layer, name, before = module_of(self.model, node), str(node.target), node.all_input_nodes[0]
        inputs = self.of[before]
        if isinstance(layer, _CHANNELWISE):
            return inputs
        if isinstance(layer, nn.Flatten) and layer.start_dim == 1 and layer.end_dim in (-1, 3):
            return self._flatten(before)
        if isinstance(layer, BatchNorm):
            return self._record(name, OUT, inputs)
        if isinstance(layer, nn.Linear) and len(before.meta["shape"]) != 2:
            raise _unsupported(node)
        if isinstance(layer, WeightedLayer):
            return self._weighted(name, layer, inputs)
        raise _unsupported(node)

    def _visit_function(self, node: fx.Node) -> list[int]:
        values = [self.of[before] for before in node.all_input_nodes]
        if node.target in ELEMENTWISE and len(values) == 1:
            return values[0]
        if node.target in ELEMENTWISE:
            return self._unify_broadcast(node, *values)
        if node.target is torch.cat and (node.args[1:] == (1,) or node.kwargs == {"dim": 1}):
            return [label for source in cast("list[fx.Node]", node.args[0]) for label in self.of[source]]
        raise _unsupported(node)

    def _weighted(self, name: str, layer: WeightedLayer, inputs: list[int]) -> list[int]:
        if name in self.calls:  # weights that are used twice
            before, outputs = self.calls[name]
            self._unify(before, inputs)
            return outputs
        groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
        if groups > 1 and groups == len(inputs):  # depthwise: each output belongs to one input
            outputs = [label for label in inputs for _ in range(layer.weight.shape[OUT] // groups)]
        else:
            self._record(name, IN, self._tie_groups(inputs, groups))
            outputs = self._new(layer.weight.shape[OUT])
            self._tie_groups(outputs, groups)
        self.calls[name] = inputs, outputs
        return self._record(name, OUT, outputs)

    def _tie_groups(self, labels: list[int], groups: int) -> list[int]:
        """Channels at the same place of each convolution group go together, so that groups stay equal in size."""
        size = len(labels) // groups
        first = labels[:size]
        for start in range(size, len(labels), size):
            self._unify(first, labels[start : start + size])
        return first

    def _flatten(self, before: fx.Node) -> list[int]:
        """Each channel becomes H x W neighbouring features."""
        shape = before.meta["shape"]
        area = 1 if len(shape) < 3 else shape[2] * shape[3]
        return [label for label in self.of[before] for _ in range(area)]

    def _unify_broadcast(self, node: fx.Node, left: list[int], right: list[int]) -> list[int]:
        if len(left) == len(right):
            self._unify(left, right)
            return left
        if 1 not in (len(left), len(right)):
            raise _unsupported(node)
        self._freeze(left if len(left) == 1 else right)  # one channel spread over all others has to stay
        return right if len(left) == 1 else left

    def _record(self, name: str, dim: int, labels: list[int]) -> list[int]:
        for index, label in enumerate(labels):
            part = Slice(name, dim, index)
            self._unify([self.slices.setdefault(part, label)], [label])
        return labels

    def _new(self, count: int) -> list[int]:
        labels = list(range(len(self.parent), len(self.parent) + count))
        self.parent += labels
        return labels

    def _freeze(self, labels: list[int]) -> list[int]:
        self.frozen.update(labels)
        return labels

    def _unify(self, left: Sequence[int], right: Sequence[int]) -> None:
        for a, b in zip(left, right, strict=True):
            self.parent[self._root(b)] = self._root(a)

    def _root(self, label: int) -> int:
        while self.parent[label] != label:
            self.parent[label] = label = self.parent[self.parent[label]]
        return label


def _unsupported(node: fx.Node) -> InvalidRecipe:
    return InvalidRecipe(
        f"Channels cannot be followed through {node.name!r} ({node.op} {node.target}), so channel_pruning does "
        "not work on this model. Use magnitude_pruning or quantization, or leave that operation out of the model."
    )


def _size(layer: nn.Module, dim: int) -> int:
    assert isinstance(layer, WeightedLayer | BatchNorm)
    return layer.num_features if isinstance(layer, BatchNorm) else layer.weight.shape[dim]


def _others(size: int, gone: set[int]) -> Tensor:
    return torch.tensor([index for index in range(size) if index not in gone], dtype=torch.int64)


def _cut(layer: nn.Module, stay: dict[int, Tensor]) -> None:
    """Keep these indices of each dimension, in place."""
    if isinstance(layer, BatchNorm):
        _cut_tensors(layer, ("weight", "bias", "running_mean", "running_var"), stay[OUT])
        layer.num_features = len(stay[OUT])
        return
    assert isinstance(layer, WeightedLayer)
    for dim, kept in stay.items():
        layer.weight = nn.Parameter(layer.weight.detach().index_select(dim, kept))
        layer.weight_format = _cut_format(weight_format(layer), dim, kept)  # type: ignore[assignment]
        hidden = getattr(layer, "hidden_weight", None)
        if hidden is not None:
            layer.hidden_weight = hidden.index_select(dim, kept)
        if dim == OUT:
            _cut_tensors(layer, ("bias",), kept)
    _update_sizes(layer)


def _cut_tensors(layer: nn.Module, names: Sequence[str], kept: Tensor) -> None:
    for name in names:
        value = getattr(layer, name)
        if isinstance(value, nn.Parameter):
            setattr(layer, name, nn.Parameter(value.detach()[kept]))
        elif value is not None:
            setattr(layer, name, value[kept])


def _cut_format(given: WeightFormat, dim: int, kept: Tensor) -> WeightFormat:
    mask, grid = given.mask, given.grid
    if mask is not None:
        mask = mask.index_select(dim, kept)
    if isinstance(grid, Affine) and dim == OUT and len(grid.scale) > 1:
        grid = replace(grid, scale=grid.scale[kept], zero_point=grid.zero_point[kept])
    if isinstance(grid, Codebook):
        grid = replace(grid, codes=grid.codes.index_select(dim, kept))
    return WeightFormat(grid, mask)


def _update_sizes(layer: WeightedLayer) -> None:
    """Make the layer's own record of its sizes follow its weight."""
    outputs, inputs = layer.weight.shape[:2]
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = outputs, inputs
        return
    if layer.groups == layer.in_channels > 1:  # depthwise: each input keeps as many outputs as it had
        layer.groups = outputs * layer.groups // layer.out_channels
    layer.out_channels, layer.in_channels = outputs, inputs * layer.groups
