"""Every single run of a latency measurement."""

from __future__ import annotations

import numpy as np

from compression.engine.laboratory.bench import Bench
from compression.engine.measure.latency import times_in_turn
from compression.inquiries.course import Timed, TimingInquiry
from compression.results.significance import median_ratio_interval

RUNS = 400
"""Twice as many as a result's latency rests on: enough to look at them one by one."""


def timing(inquiry: TimingInquiry, bench: Bench) -> Timed:
    """Measured like any latency: in rounds with newly loaded networks, taking turns, under the machine's lock."""
    times = times_in_turn(
        bench.variant.onnx, bench.baseline.onnx, bench.dataset.input_shape, runs=RUNS, watch=bench.watch
    )
    ratio, low, high = median_ratio_interval(times[0], times[1])
    return Timed(times_ms=(times / 1e6).astype(np.float32), ratio=ratio, ratio_low=low, ratio_high=high)
