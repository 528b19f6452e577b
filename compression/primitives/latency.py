"""How long a network takes, as far as a search needs to know it."""

from __future__ import annotations

from collections.abc import Callable

from torch import fx

from compression.export import to_onnx
from compression.measurement import measure_latency
from compression.network import input_shape

SEARCH_RUNS = 80
"""Pairs of runs for one answer: half the interval of a result's 200 is enough to choose channels by."""


def latency_ratio(
    model: fx.GraphModule, reference: fx.GraphModule, seed: int, check_cancelled: Callable[[], None] = lambda: None
) -> float:
    """Median time of `model` over that of `reference`: one image, one thread of ONNX Runtime, run in turn.

    Measured like results are, under this machine's measurement lock, with fewer runs.
    """
    one, other = (to_onnx(network).SerializeToString() for network in (model, reference))
    shape = input_shape(model)
    return measure_latency(one, other, shape, runs=SEARCH_RUNS, seed=seed, check_cancelled=check_cancelled).ratio
