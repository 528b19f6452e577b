"""The trade-off charts' axes: what of a result they show, and where on them a setting stands. Torch-free.

Latency on a chart is the ratio to the interleaved baseline times the baseline's own median, so that points measured
in busy and in quiet moments stand in the right order; what the clock said is in the hover.
"""

from __future__ import annotations

from dataclasses import dataclass

from compression.results.metrics import METRICS, Metric, Value, offered
from compression.results.record import Preview


@dataclass(frozen=True)
class Point:
    """One measured recipe, or what is known of it so far; `reference_ms` is the baseline's median latency."""

    recipe_id: str
    known: Preview
    reference_ms: float
    hover: str

    def on(self, metric: Metric) -> Value | None:
        """Where it stands on a metric's axis, with the 95 % interval; None where that is not measured."""
        return metric.of(self.known, self.reference_ms, metric.drawn.one)


def title_of(metric: Metric, images: str = "") -> str:
    """'stored file, KB (log scale)'; `images` says on which ones a share was found."""
    notes = [metric.nature] * (metric.nature != "measured") + ["log scale"] * metric.is_log
    name = ", ".join(filter(None, (metric.words + images, metric.drawn.name)))
    return f"{name} ({', '.join(notes)})" if notes else name


COSTS, GAINS = tuple(offered("cost")), tuple(offered("gain"))
"""What one pays, on the axis across, and what one gets, on the axis up."""


@dataclass(frozen=True)
class Axes:
    """What the two charts show: each its cost across, both the same gain up."""

    left: str = "stored"
    right: str = "latency"
    gain: str = "accuracy"

    @property
    def all(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys((self.left, self.right, self.gain)))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What an estimate is asked for."""
        return tuple(METRICS[axis] for axis in self.all)


DEFAULT_AXES = Axes()
