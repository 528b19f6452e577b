"""Where a network's numbers are and where its work is done."""

from __future__ import annotations

import math

import numpy as np
from torch import fx, nn

from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.course.chosen_layer import network_of
from compression.engine.network.form import WeightedLayer, count_costs, module_of
from compression.inquiries.course import Layout, LayoutInquiry


def layout(inquiry: LayoutInquiry, bench: Bench) -> Layout:
    """Weights and multiply-accumulates of each layer, in the order in which an image passes them."""
    bench.watch.report(0.2, "going through the layers")
    model = network_of(bench)
    weights: dict[str, int] = {}
    macs: dict[str, int] = {}
    for node in model.graph.nodes:
        layer = module_of(model, node)
        if isinstance(layer, WeightedLayer):
            name = str(node.target)
            weights[name] = layer.weight.numel()
            macs[name] = macs.get(name, 0) + layer.weight.numel() * _places(node, layer)
    return Layout(
        layers=tuple(weights),
        weights=np.array(list(weights.values()), np.int64),
        macs=np.array(list(macs.values()), np.int64),
        others=count_costs(model).params - sum(weights.values()),
    )


def _places(node: fx.Node, layer: WeightedLayer) -> int:
    """How many places of one image the layer's weights are used at."""
    return math.prod(node.meta["shape"][2:]) if isinstance(layer, nn.Conv2d) else 1
