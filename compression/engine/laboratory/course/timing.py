"""Every single run of a latency measurement, and how long convolutions take, whole and depthwise-separable."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import nn

from compression.engine.files import export
from compression.engine.laboratory.bench import Bench
from compression.engine.measure.latency import measure_latency, times_in_turn
from compression.engine.network.tracing import trace
from compression.inquiries.course import CHANNELS, KERNELS, SIDES, Split, SplitInquiry, Timed, TimingInquiry
from compression.results.timing import pooled
from compression.watch import Watch

RUNS = 400
"""More than twice as many as a result's latency rests on: enough to look at them one by one."""

RUNS_OF_EACH = 16
"""Of each convolution: the whole grid then takes a quarter of a minute where nothing else runs."""


def timing(inquiry: TimingInquiry, bench: Bench) -> Timed:
    """Measured like any latency: in rounds with newly loaded networks, taking turns, under the machine's lock."""
    times = times_in_turn(
        bench.variant.onnx, bench.baseline.onnx, bench.dataset.input_shape, runs=RUNS, watch=bench.watch
    )[:2]
    medians = np.median(times, axis=2)
    ratio, low, high = pooled([medians[0] / medians[1]])
    return Timed(times_ms=(times / 1e6).astype(np.float32), ratio=ratio, ratio_low=low, ratio_high=high)


def split(inquiry: SplitInquiry, bench: Bench) -> Split:
    """One convolution alone in a runtime file, against its two halves in another, in turn on one thread."""
    grid = list(itertools.product(KERNELS, CHANNELS, CHANNELS, SIDES))
    found = []
    for number, (kernel, inputs, outputs, side) in enumerate(grid):
        bench.watch.report(number / len(grid), f"{number} of {len(grid)} convolutions timed")
        shape = (inputs, side, side)
        halves, whole = (_file(make(kernel, inputs, outputs), shape) for make in (_separable, _whole))
        timed = measure_latency(
            halves, whole, shape, runs=RUNS_OF_EACH, narrow=math.inf, watch=Watch(check=bench.watch.check)
        )
        found.append((timed.baseline_p50_ms, timed.p50_ms, *pooled([timed.ratios])))
    columns = np.array(found).T.reshape(5, len(KERNELS), len(CHANNELS), len(CHANNELS), len(SIDES))
    whole_ms, split_ms, ratio, low, high = columns
    return Split(whole_ms=whole_ms, split_ms=split_ms, ratio=ratio, ratio_low=low, ratio_high=high)


def _whole(kernel: int, inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)]


def _separable(kernel: int, inputs: int, outputs: int) -> list[nn.Module]:
    """One filter for each channel, then a mixing of channels (Howard et al., 2017)."""
    depthwise = nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False)
    return [depthwise, nn.Conv2d(inputs, outputs, 1)]


def _file(layers: list[nn.Module], shape: tuple[int, int, int]) -> bytes:
    """These layers as a runtime file."""
    with torch.no_grad():
        model = trace(nn.Sequential(*layers), shape)
    content: bytes = export.to_onnx(model).SerializeToString(deterministic=True)
    return content
