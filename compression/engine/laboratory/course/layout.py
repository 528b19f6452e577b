"""Where a network's numbers are and where its work is done."""

from __future__ import annotations

import numpy as np

from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.course.chosen_layer import network_of
from compression.engine.network.form import count_costs, places_of, weighted_calls
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.inquiries.course import Layout, LayoutInquiry


def layout(inquiry: LayoutInquiry, bench: Bench) -> Layout:
    """Weights and multiply-accumulates of each layer, in the order in which an image passes them."""
    bench.watch.report(0.2, "going through the layers")
    model = network_of(bench)
    weights: dict[str, int] = {}
    macs: dict[str, int] = {}
    for node, layer in weighted_calls(model):
        name = str(node.target)
        weights[name] = layer.weight.numel()
        macs[name] = macs.get(name, 0) + weights[name] * places_of(node, layer)
    return Layout(
        layers=tuple(weights),
        weights=np.array(list(weights.values()), np.int64),
        macs=np.array(list(macs.values()), np.int64),
        others=count_costs(fold_batch_norm(model)).params - sum(weights.values()),
    )
