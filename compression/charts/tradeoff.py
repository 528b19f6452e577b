"""The trade-off charts' numbers: which points they show, how far their axes reach, and how curves look. Torch-free.

What the axes mean is in `compression.charts.axes`; `compression.charts.drawing` makes the pictures.
"""

from __future__ import annotations

import functools
import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from compression.charts.axes import DEFAULT_AXES, GAINS, Axes, Point
from compression.recipe.recipe import Recipe
from compression.results.metrics import METRICS, Metric, Value
from compression.results.record import Preview, Result
from compression.search.estimate import Estimate
from compression.search.limits import NO_LIMITS, Limits, choose
from compression.search.pareto import pareto_front

Range = tuple[float, float]


@dataclass(frozen=True)
class Tradeoff:
    """Everything a chart shows.

    `guess` is where the current setting is expected until it is measured, and `preview` what is measured of it
    before its latency is. `others` may be a sample of all; `n_results` counts the measured settings, drawn or not.
    `best` is the best setting within `limits`.
    """

    baseline: Point | None = None
    curves: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    others: tuple[Point, ...] = ()
    current: Point | None = None
    guess: Estimate | None = None
    preview: Preview | None = None
    n_test: int | None = None
    n_results: int = 0
    limits: Limits = NO_LIMITS
    best: Point | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """All measured points, each once."""
        groups = ((self.baseline,), *self.curves.values(), self.others, (self.current,))
        return tuple({point.recipe_id: point for group in groups for point in group if point}.values())


def tradeoff(
    results: Sequence[Result],
    curves: Mapping[str, Iterable[Recipe]],
    current: Recipe,
    guess: Estimate | None = None,
    *,
    preview: Preview | None = None,
    limits: Limits = NO_LIMITS,
    axes: Axes = DEFAULT_AXES,
) -> Tradeoff:
    """Sort a model's results into baseline, curves, the current setting and other points.

    Of very many others a fair sample is kept, and with it all that are on a Pareto front, and the best within `limits`.
    """
    measured = {result.recipe_id: result for result in results}
    baseline = measured.get(current.baseline().recipe_id)
    reference_ms = baseline.latency_p50_ms if baseline else None
    on_curves = {
        curve: [recipe.recipe_id for recipe in recipes if recipe.recipe_id in measured]
        for curve, recipes in curves.items()
    }
    best = choose(results, limits, reference_ms).best if limits.are_set and reference_ms else None
    special = {current.recipe_id, current.baseline().recipe_id}.union(*on_curves.values())
    special |= {best.recipe_id} if best else set()
    others = _sample(measured, special, axes, reference_ms or 1.0)
    drawn = [recipe_id for recipe_id in measured if recipe_id in special or recipe_id in others]
    points = {recipe_id: point_of(measured[recipe_id], reference_ms) for recipe_id in drawn}
    return Tradeoff(
        baseline=points.get(current.baseline().recipe_id),
        curves={curve: tuple(points[recipe_id] for recipe_id in ids) for curve, ids in on_curves.items()},
        others=tuple(points[recipe_id] for recipe_id in drawn if recipe_id not in special),
        current=points.get(current.recipe_id),
        guess=guess if current.recipe_id not in points else None,
        preview=preview if current.recipe_id not in points else None,
        n_test=results[0].n_test if results else None,
        n_results=len(measured),
        limits=limits,
        best=points[best.recipe_id] if best else None,
    )


MAX_OTHERS = 300
"""Points beside the curves, the fronts and the current setting: more hide each other, and each costs the browser a
third of a millisecond with its error bars."""


def _sample(measured: Mapping[str, Result], special: Collection[str], axes: Axes, reference_ms: float) -> set[str]:
    """Which other points are drawn: the fronts, and of the rest those with the smallest ids, which are hashes.

    So the sample is fair, and stays as it is when points are added, but for those that take another's place.
    """
    others = measured.keys() - special
    if len(others) <= MAX_OTHERS:
        return others
    return {*_fronts(measured.values(), axes, reference_ms), *heapq.nsmallest(MAX_OTHERS, others)} - set(special)


def _fronts(results: Collection[Result], axes: Axes, reference_ms: float) -> set[str]:
    """Ids on the Pareto front of either chart."""
    every = list(results)
    fronts = (front_of(every, reference_ms, cost, axes.gain) for cost in (axes.left, axes.right))
    return {every[index].recipe_id for front in fronts for index, _, _ in front}


def front_of(known: Sequence[Preview], reference_ms: float, cost: str, gain: str) -> list[tuple[int, float, float]]:
    """The settings that no other beats on a chart, by rising cost: (index, cost, gain). No value is no place."""
    metrics = METRICS[cost], METRICS[gain]
    across, up = ([metric.read(one, reference_ms) for one in known] for metric in metrics)
    placed = [(n, x, y) for n, (x, y) in enumerate(zip(across, up, strict=True)) if x is not None and y is not None]
    sign = 1 if METRICS[gain].more_is_better else -1
    front = pareto_front([x for _, x, _ in placed], [sign * y for _, _, y in placed])
    one_across, one_up = (metric.drawn.one for metric in metrics)
    return [(placed[n][0], placed[n][1] / one_across, placed[n][2] / one_up) for n in front]


def point_of(result: Result, reference_ms: float | None = None) -> Point:
    """A result as a point; `reference_ms` is the baseline's latency that ratios are multiplied with."""
    reference = reference_ms or result.baseline.latency_p50_ms
    return Point(result.recipe_id, result, reference, hover_text(result))


_HOVER = (
    *("accuracy", "difference", "stored", "theoretical", "runtime", "zipped"),
    *("clock", "p95", "ratio", "params", "nonzero", "macs"),
)


@functools.lru_cache(maxsize=10_000)
def hover_text(result: Result) -> str:
    """The numbers of a result with their units, one line each (HTML).

    Kept, about 1 KB each: a chart that is drawn again asks for hundreds of them.
    """
    said = {key: f"{METRICS[key].words} {METRICS[key].said(result)}" for key in _HOVER}
    said["accuracy"] += f", n = {result.n_test:,}"
    said["difference"] += "" if result.is_different else ": no measurable difference"
    said["stored"] += f": {METRICS['stored'].change(result, result.baseline).words}"
    return "<br>".join((f"<b>{result.words}</b>", *said.values()))


# Axis ranges: generous from the start, and later they grow with what is measured, so that little jumps.


Ranges = Mapping[str, Range]
"""Of each axis: log10 of kilobytes where sizes are drawn to a log scale, else its own unit."""

FLOORS = (95, 90, 85, 80, 60, 40, 0)
"""Percent at which an axis of accuracies may start: it grows downwards in few steps, as points need it."""

CEILINGS = (5, 10, 20, 50, 100)
"""Percent at which an axis of changes may end: it grows upwards in few steps."""

MAX_SHRINK = 45
"""A size axis first reaches from the baseline down to this fraction: a bit more than 32 bits to 1."""


def ranges_for(
    data: Tradeoff, baseline_bytes: float, previous: Ranges | None = None, axes: Axes = DEFAULT_AXES
) -> dict[str, Range]:
    """Ranges that hold every point, start around the baseline, and never shrink below `previous`.

    `baseline_bytes` (measured or expected) places size axes before anything is measured. Axes that are not asked for
    stay as they are in `previous`.
    """
    found = dict(previous or {})
    for axis in axes.all:
        metric = METRICS[axis]
        values = [value for point in data.points if (value := point.on(metric))]
        base = data.baseline.on(metric) if data.baseline else None
        ahead = known_or_expected(data if axis in GAINS else replace(data, guess=None), metric)
        values += [] if ahead is None else [Value(ahead)]
        if axis in GAINS:
            span = _gain_range(metric, values)
        else:
            at = base.at if base else baseline_bytes / 1000 if metric.is_log else None
            span = _cost_range(metric, values, at)
        found[axis] = _union(span, found[axis]) if axis in found else span
    return found


class Kept(NamedTuple):
    """What a session keeps of a model's ranges: what measured points need, and what charts show now."""

    measured: Ranges
    shown: Ranges


def keep(data: Tradeoff, baseline_bytes: float, kept: Kept | None, axes: Axes = DEFAULT_AXES) -> Kept:
    """Ranges after `kept`: a guess widens what is shown, and is forgotten once it is measured."""
    measured = ranges_for(replace(data, guess=None), baseline_bytes, kept.measured if kept else None, axes)
    if data.guess is None:
        return Kept(measured, measured)
    return Kept(measured, ranges_for(data, baseline_bytes, kept.shown if kept else None, axes))


def known_or_expected(data: Tradeoff, metric: Metric) -> float | None:
    """Where the current setting is known or expected to come to lie, before it is measured."""
    known = half_measured(data.preview).on(metric) if data.preview else None
    if known:
        return known.at
    expected = data.guess.of(metric) if data.guess else None
    return None if expected is None else expected / metric.drawn.one


def half_measured(preview: Preview) -> Point:
    """A setting whose latency is still being measured: nothing that is drawn of it is a guess."""
    return Point("", preview, 0.0, "this setting: its latency is being measured")


def _cost_range(metric: Metric, values: Sequence[Value], base: float | None) -> Range:
    """Around the baseline, and as far as the points need."""
    if not metric.is_log:
        far = max((value.high or value.at for value in values), default=0.0)
        end = 1.3 * base if base else 0.01
        return 0.0, 1.15 * far if far > end else end
    span = math.log10((base or 1.0) / MAX_SHRINK), math.log10((base or 1.0) * 1.5)
    for value in values:
        position = math.log10(max(value.at, LEAST))
        if not span[0] <= position <= span[1]:
            span = _union(span, (position - 0.1, position + 0.1))
    return span


LEAST = 1e-3
"""Kilobytes: what is drawn to a log scale cannot be nothing at all."""


def _gain_range(metric: Metric, values: Sequence[Value]) -> Range:
    """Percent, in few steps; a bit of room at the good end for markers."""
    if metric.more_is_better:
        lowest = min((value.at if value.low is None else value.low for value in values), default=100.0)
        floor = next((floor for floor in FLOORS if floor < lowest), 0)
        return float(floor), 100 + 0.03 * (100 - floor)
    highest = max((value.at if value.high is None else value.high for value in values), default=0.0)
    ceiling = next((ceiling for ceiling in CEILINGS if ceiling > highest), 100)
    return -0.03 * ceiling, 1.03 * ceiling


def _union(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])


def around(shown: Iterable[Preview]) -> Range:
    """Percent range of the accuracies of these networks with their intervals, and some room."""
    accuracies = [METRICS["accuracy"].of(one, one=0.01) for one in shown]
    low = min(value.ends[0] for value in accuracies if value)
    high = max(value.ends[1] for value in accuracies if value)
    room = max(1.0, 0.15 * (high - low))
    return max(-1.0, low - room), min(101.0, high + room)


def near_baseline(data: Tradeoff, gain: str = "accuracy") -> Range:
    """Percent range that shows small differences: `NEAR` points from the baseline, and just beyond it."""
    if not METRICS[gain].more_is_better:
        return -0.03 * NEAR, float(NEAR)
    base = data.baseline.on(METRICS[gain]) if data.baseline else None
    top = base.at if base else 100.0
    return math.floor(top - NEAR), min(100.2, math.ceil(top + 1) + 0.2)


NEAR = 4
"""Percentage points below the baseline that the chart's magnifier shows."""
