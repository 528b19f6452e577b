"""The trade-off charts' axes: what of a result they show, and where on them a setting stands. Torch-free.

Latency on a chart is the ratio to the interleaved baseline times the baseline's own median, so that points measured
in busy and in quiet moments stand in the right order; what the clock said is in the hover.
"""

from __future__ import annotations

from dataclasses import dataclass

from compression.charts.rise import Rise
from compression.results.metrics import METRICS, Metric, Value, offered
from compression.results.record import Preview


@dataclass(frozen=True)
class Point:
    """One measured recipe, in `words`, or what is known so far; `is_beyond` limits that a person set."""

    recipe_id: str
    known: Preview
    hover: str
    words: str = ""
    is_beyond: bool = False

    def on(self, metric: Metric) -> Value | None:
        """Where it stands on a metric's axis, with the 95 % interval; None where that is not measured."""
        return metric.of(self.known, metric.drawn.one)


def title_of(metric: Metric, images: str = "", spacing: str = "") -> str:
    """'stored file, KB (log scale)'; `images` says on which ones a share was found, `spacing` how it is drawn."""
    spacings = ["log scale"] * metric.is_log + [spacing] * bool(spacing)
    notes = [metric.nature] * (metric.nature != "measured") + spacings
    name = ", ".join(filter(None, (metric.words + images, metric.drawn.name)))
    return f"{name} ({', '.join(notes)})" if notes else name


COSTS, GAINS = tuple(offered("cost")), tuple(offered("gain"))
"""What one pays, on the axis across, and what one gets, on the axis up."""


@dataclass(frozen=True)
class Axes:
    """What the two charts show: each its cost across, both the same gain up, by its error or `is_even`."""

    left: str = "stored"
    right: str = "latency"
    gain: str = "accuracy"
    is_even: bool = False

    @property
    def costs(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys((self.left, self.right)))

    @property
    def rise(self) -> Rise:
        """The axis up."""
        return Rise(self.gain, self.is_even)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What an estimate is asked for."""
        return tuple(METRICS[axis] for axis in (*self.costs, self.gain))


DEFAULT_AXES = Axes()
