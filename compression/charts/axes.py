"""The trade-off charts' axes: what of a result they show, and where on them a setting stands. Torch-free.

Latency on a chart is the ratio to the interleaved baseline times the baseline's own median, so that points measured
in busy and in quiet moments stand in the right order; what the clock said is in the hover.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from compression.results.metrics import METRICS, Metric, Value, offered
from compression.results.record import Preview
from compression.search.estimate import Estimate


@dataclass(frozen=True)
class Point:
    """One measured recipe, or what is known of it so far; `reference_ms` is the baseline's median latency."""

    recipe_id: str
    known: Preview
    reference_ms: float
    hover: str


@dataclass(frozen=True)
class Scale:
    """One axis: its metric, in the unit that it is drawn in."""

    metric: Metric

    @cached_property
    def one(self) -> float:
        """How much of the metric 1 is on the axis."""
        return (self.metric.drawn_in or self.metric.unit).one

    def title(self, images: str = "") -> str:
        """'stored file, KB (log scale)'; `images` says on which ones a share was found."""
        unit = (self.metric.drawn_in or self.metric.unit).name
        notes = [self.metric.nature] * (self.metric.nature != "measured") + ["log scale"] * self.metric.is_log
        return f"{self.metric.words}{images}, {unit}" + (f" ({', '.join(notes)})" if notes else "")

    def of(self, point: Point) -> Value | None:
        """Where a point stands, with the 95 % interval; None where that is not measured."""
        return self.metric.of(point.known, point.reference_ms, self.one)

    def number(self, known: Preview, reference_ms: float) -> float | None:
        """Where a setting stands, without its interval: quicker."""
        at = self.metric.read(known, reference_ms)
        return None if at is None else at / self.one

    def foreseen(self, guess: Estimate) -> float | None:
        """Where a setting is expected; None where nobody knows."""
        at = guess.of(self.metric)
        return None if at is None else at / self.one


SCALES = {key: Scale(metric) for key, metric in METRICS.items()}
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


def parse_axes(text: str) -> Axes | None:
    """Read `left,right,gain` by name; None where that is not what the text says."""
    names = [name.strip() for name in text.split(",")]
    if len(names) != 3 or not {*names[:2]} <= {*COSTS} or names[2] not in GAINS:
        return None
    return Axes(*names)
