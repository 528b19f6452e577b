"""Channels that depend on each other, and how to cut them out (Fang et al., "DepGraph", 2023).

What has to go when one channel goes is one *unit*; `compression.engine.primitives.channel_labels` finds them. A head of
attention is a unit too.
"""

from __future__ import annotations

import math
import operator
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from compression.engine.network import functions
from compression.engine.network.form import (
    WeightedLayer,
    WeightFormat,
    clone,
    propagate_shapes,
    weight_format,
    weighted_calls,
)
from compression.engine.network.grids import Affine, Codebook
from compression.engine.primitives.batch_norm import BatchNorm
from compression.engine.primitives.channel_labels import OUT, Labels, Unit
from compression.errors import InvalidRecipe

Kept = dict[tuple[str, int], Tensor]
"""For each (layer, dimension) that loses something: the indices that stay, ascending, int64."""


def channel_groups(model: fx.GraphModule) -> list[list[Unit]]:
    """All removable units, grouped by the layers and dimensions that they touch.

    The units of one group are interchangeable: removing any of them shrinks the same layers in the same
    dimensions, so a group of n units is one width of the network. Channels of the input and of the logits
    are in no group. Raises `InvalidRecipe` where nothing may go, with the operations that no channel can be followed
    through.
    """
    labels = Labels(model)
    groups: dict[frozenset[tuple[tuple[str, int], int]], list[Unit]] = defaultdict(list)
    for unit in labels.units():
        groups[frozenset(Counter((part.layer, part.dim) for part in unit).items())].append(unit)
    if labels.stuck and not groups:
        names = ", ".join(repr(node.name) for node in labels.stuck[:3])
        raise InvalidRecipe(
            f"Channels cannot be followed through {names}, so channel_pruning does not work on this model. Use "
            "magnitude_pruning or quantization, or leave that operation out of the model."
        )
    return list(groups.values())


def group_layers(model: fx.GraphModule, groups: Sequence[Sequence[Unit]]) -> list[list[str]]:
    """For each group the layers whose outputs are in it, in the order of the network; each group has some."""
    order = dict.fromkeys(str(node.target) for node, _ in weighted_calls(model))
    outputs = [{part.layer for part in group[0] if part.dim == OUT} for group in groups]
    return [[name for name in order if name in found] for found in outputs]


def group_names(model: fx.GraphModule, groups: Sequence[Sequence[Unit]]) -> list[str]:
    """What to call each group: the first layer whose outputs are in it.

    Only where one layer's outputs go different ways do several groups have the same name.
    """
    return [layers[0] for layers in group_layers(model, groups)]


def units_in_multiples(group: Sequence[Unit], channels: int) -> int:
    """How many units of a group to take at a time, so that all its layers keep multiples of `channels` outputs.

    A unit of grouped convolutions has a channel of each group.
    """
    outputs = Counter(part.layer for part in group[0] if part.dim == OUT)
    return channels // math.gcd(channels, *outputs.values())


def remove_units(model: fx.GraphModule, units: Sequence[Unit]) -> tuple[fx.GraphModule, Kept]:
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
        stay = {dim: _others(_size(smaller, name, dim), gone) for dim, gone in dims.items()}
        kept |= {(name, dim): indices for dim, indices in stay.items()}
        _cut(smaller, name, stay)
    _resize(model, smaller, units)
    return propagate_shapes(smaller), kept


def reorder_units(model: fx.GraphModule, group: Sequence[Unit], order: Sequence[int]) -> None:
    """Put unit `order[i]` of a group where its unit i was, in place; the function stays the same."""
    moves: dict[str, dict[int, Tensor]] = defaultdict(dict)
    for target, source in zip(group, (group[index] for index in order), strict=True):
        for to, origin in zip(target, source, strict=True):
            positions = moves[to.layer].setdefault(to.dim, torch.arange(_size(model, to.layer, to.dim)))
            positions[to.position] = origin.position
    for name, dims in moves.items():
        _cut(model, name, dims)


_RESIZED = (torch.reshape, functions.part, nn.functional.pad)
"""Functions that are told sizes."""


def _resize(model: fx.GraphModule, smaller: fx.GraphModule, units: Sequence[Unit]) -> None:
    """Tell functions the sizes that are left, in place."""
    pairs = [pair for pair in zip(model.graph.nodes, smaller.graph.nodes, strict=True) if pair[0].target in _RESIZED]
    if not pairs:
        return
    left = Labels(model).left(units)
    for node, copy in pairs:
        x, *told = node.args
        if node.target is torch.reshape:
            sizes = (int(places.sum()) for places in left(node))
            told = [tuple(-1 if old == -1 else size for old, size in zip(told[0], sizes, strict=True))]
        elif node.target is functions.part:
            dim, places = told
            start, stop = (int(left(x)[dim][:end].sum()) for end in (places.start, places.stop))
            told = [dim, places if places.step not in (None, 1) else slice(start, stop)]
        else:
            told = [_left_of_pads(told[0], left(node)), *told[1:]]
        copy.args = (copy.args[0], *told)
    smaller.recompile()


def _left_of_pads(pads: Sequence[int], left: Sequence[NDArray[np.bool_]]) -> tuple[int, ...]:
    """How much is added at both ends of each dimension, the last one first."""
    pairs = zip(pads[::2], pads[1::2], reversed(left), strict=False)
    ends = ((places[:before].sum(), places[len(places) - after :].sum()) for before, after, places in pairs)
    return tuple(int(count) for both in ends for count in both)


def _size(model: fx.GraphModule, name: str, dim: int) -> int:
    found = operator.attrgetter(name)(model)
    if isinstance(found, BatchNorm | nn.GroupNorm):
        return found.num_features if isinstance(found, BatchNorm) else found.num_channels
    return int((found.weight if isinstance(found, nn.LayerNorm | nn.PReLU | WeightedLayer) else found).shape[dim])


def _others(size: int, gone: set[int]) -> Tensor:
    return torch.tensor([index for index in range(size) if index not in gone], dtype=torch.int64)


def _cut(model: fx.GraphModule, name: str, stay: dict[int, Tensor]) -> None:
    """Keep these indices of each dimension of a layer or constant, in place."""
    layer = operator.attrgetter(name)(model)
    if isinstance(layer, Tensor):
        for dim, kept in stay.items():
            layer = layer.detach().index_select(dim, kept)
        is_trained = name in dict(model.named_parameters(recurse=False))
        setattr(model, name, nn.Parameter(layer) if is_trained else layer)
        return
    if isinstance(layer, nn.LayerNorm):
        _cut_tensors(layer, ("weight", "bias"), stay[OUT])
        layer.normalized_shape = (len(stay[OUT]),)
        return
    if isinstance(layer, BatchNorm):
        _cut_tensors(layer, ("weight", "bias", "running_mean", "running_var"), stay[OUT])
        layer.num_features = len(stay[OUT])
        return
    if isinstance(layer, nn.GroupNorm):
        _cut_tensors(layer, ("weight", "bias"), stay[OUT])
        left = stay[OUT] // (layer.num_channels // layer.num_groups)
        layer.num_groups, layer.num_channels = len(set(left.tolist())), len(left)
        return
    if isinstance(layer, nn.PReLU):
        _cut_tensors(layer, ("weight",), stay[OUT])
        layer.num_parameters = len(stay[OUT])
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
