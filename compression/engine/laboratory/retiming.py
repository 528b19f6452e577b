"""Timing a measured recipe once more, as it was timed at first."""

from __future__ import annotations

from compression.engine.laboratory.bench import Bench
from compression.engine.measure.latency import measure_latency
from compression.inquiries.retiming import Retimed, RetimingInquiry


def retime(inquiry: RetimingInquiry, bench: Bench) -> Retimed:
    """In turns with its baseline."""
    shape = bench.dataset.input_shape
    return Retimed(timing=measure_latency(bench.variant.onnx, bench.baseline.onnx, shape, watch=bench.watch))
