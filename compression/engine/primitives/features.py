"""Where two networks can be compared inside, and how to read what is there."""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from compression.engine.network.form import before_softmax, module_of, weighted_calls

_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Flatten)
_FUNCTIONS = (operator.add, torch.add, torch.cat)


class Positions(NamedTuple):
    """Graph nodes: the last value of each spatial size, large to small, and what the classifier reads.

    The classifier is the last convolution or linear layer.
    """

    maps: tuple[fx.Node, ...]
    embedding: fx.Node


def feature_positions(model: fx.GraphModule) -> Positions:
    """The last activation before each spatial down-sampling, and the embedding before the classifier.

    A network without convolutions has no maps. The embedding is N x features, or N x C x H x W where the
    classifier is a convolution.
    """
    nodes = list(model.graph.nodes)
    classifier, _ = weighted_calls(model)[-1]
    maps = {_area(node): node for node in nodes[: nodes.index(classifier)] if _is_map(model, node)}
    return Positions(tuple(maps[area] for area in sorted(maps, reverse=True)), classifier.all_input_nodes[0])


def matched_maps(student: fx.GraphModule, teacher: fx.GraphModule) -> list[tuple[fx.Node, fx.Node]]:
    """For each of the student's maps the teacher's map of the same height x width, or of the nearest there is."""
    own, others = feature_positions(student).maps, feature_positions(teacher).maps
    return [(node, min(others, key=lambda other: _ratio(node, other))) for node in own] if others else []


def with_features(model: fx.GraphModule, nodes: list[fx.Node]) -> fx.GraphModule:
    """A graph over the same layers (shared, not copied) that returns (logits, [the value of each of these nodes])."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    graph.graph_copy(model.graph, copies)
    (end,) = (node for node in model.graph.nodes if node.op == "output")
    logits = before_softmax(model, end.args[0])
    graph.output((copies[logits], [copies[node] for node in nodes]))
    if logits is not end.args[0]:
        graph.erase_node(copies[end.args[0]])
    return fx.GraphModule(model, graph)


def same_size(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Two maps (N x C x H x W, any two C) with the height and width of the smaller, by averaging the larger."""
    size = min(one.shape[2], other.shape[2]), min(one.shape[3], other.shape[3])
    return functional.adaptive_avg_pool2d(one, size), functional.adaptive_avg_pool2d(other, size)


def _ratio(one: fx.Node, other: fx.Node) -> float:
    return abs(math.log(_area(other) / _area(one)))


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
