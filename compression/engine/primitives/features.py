"""Where two networks can be compared inside, and how to read what is there."""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from compression.engine.network.form import WeightedLayer, module_of

_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Flatten)
_FUNCTIONS = (operator.add, operator.iadd, torch.add, torch.cat, torch.relu, functional.relu, functional.relu6)


class Positions(NamedTuple):
    """Names of graph nodes: the last value of each spatial size, large to small, and what the classifier reads.

    The classifier is the last convolution or linear layer.
    """

    maps: tuple[str, ...]
    embedding: str


def feature_positions(model: fx.GraphModule) -> Positions:
    """The last activation before each spatial down-sampling, and the embedding before the classifier.

    A network without convolutions has no maps. The embedding is N x features, or N x C x H x W where the
    classifier is a convolution.
    """
    nodes = list(model.graph.nodes)
    classifier = [node for node in nodes if isinstance(module_of(model, node), WeightedLayer)][-1]
    maps = {_area(node): node.name for node in nodes[: nodes.index(classifier)] if _is_map(model, node)}
    return Positions(tuple(maps[area] for area in sorted(maps, reverse=True)), classifier.all_input_nodes[0].name)


def matched_maps(student: fx.GraphModule, teacher: fx.GraphModule) -> list[tuple[str, str]]:
    """For each of the student's maps the teacher's map of the same height x width, or of the nearest there is."""
    own, others = _areas(student), _areas(teacher)
    return [(name, _nearest(area, others)) for name, area in own.items()] if others else []


def with_features(model: fx.GraphModule, names: list[str]) -> fx.GraphModule:
    """A graph over the same layers (shared, not copied) that returns (logits, [the value of each named node])."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    logits = graph.graph_copy(model.graph, copies)
    by_name = {node.name: copy for node, copy in copies.items()}
    graph.output((logits, [by_name[name] for name in names]))
    return fx.GraphModule(model, graph)


def same_size(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Two maps (N x C x H x W, any two C) with the height and width of the smaller, by averaging the larger."""
    size = min(one.shape[2], other.shape[2]), min(one.shape[3], other.shape[3])
    return functional.adaptive_avg_pool2d(one, size), functional.adaptive_avg_pool2d(other, size)


def width_of(model: fx.GraphModule, name: str) -> int:
    """Channels, or features, of a node's value."""
    width: int = _node(model, name).meta["shape"][1]
    return width


def _areas(model: fx.GraphModule) -> dict[str, int]:
    return {name: _area(_node(model, name)) for name in feature_positions(model).maps}


def _nearest(area: int, areas: dict[str, int]) -> str:
    return min(areas, key=lambda name: abs(math.log(areas[name] / area)))


def _node(model: fx.GraphModule, name: str) -> fx.Node:
    found: fx.Node = next(node for node in model.graph.nodes if node.name == name)
    return found


def _area(node: fx.Node) -> int:
    height, width = node.meta["shape"][2:]
    return int(height * width)


def _is_map(model: fx.GraphModule, node: fx.Node) -> bool:
    """Whether the node computes something new at more than one place of the image."""
    shape = node.meta.get("shape", ())
    if len(shape) != 4 or shape[2] * shape[3] == 1:
        return False
    if node.op == "call_module":
        return not isinstance(module_of(model, node), _POOLING)
    return node.target in _FUNCTIONS
