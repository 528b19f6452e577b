"""The trade-off charts' numbers: which points they show, which stand out, and how far the axes reach. Torch-free.

What the axes mean is in `compression.charts.axes` and `compression.charts.rise`; `compression.charts.drawing` makes the
pictures.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from compression import units
from compression.charts.axes import DEFAULT_AXES, Axes, Point
from compression.charts.rise import Range
from compression.recipe.recipe import Recipe
from compression.results.metrics import METRICS, Metric, Value
from compression.results.record import Preview, Result, Underway
from compression.search.estimate import Estimate
from compression.search.front import pareto_front
from compression.search.limits import NO_LIMITS, Limits, Target, are_kept, choose, judge


@dataclass(frozen=True)
class Tradeoff:
    """Everything a chart shows.

    `guess` is where the current setting is expected until it is measured, and `preview` what is measured of it
    before its latency is. `others` may be a sample of all; `n_results` counts the measured settings, drawn or not.
    `best` is the best setting within `limits`, which is on a curve or one of the others too.
    """

    baseline: Point | None = None
    curves: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    others: tuple[Point, ...] = ()
    current: Point | None = None
    guess: Estimate | None = None
    preview: Underway | None = None
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
    preview: Underway | None = None,
    limits: Limits = NO_LIMITS,
    target: Target | None = None,
    axes: Axes = DEFAULT_AXES,
) -> Tradeoff:
    """Sort a model's results into baseline, curves, the current setting and other points.

    Of very many others a fair sample is kept, and with it all that are on a Pareto front, and the best within `limits`
    by `target`.
    """
    measured = {result.recipe_id: result for result in results}
    on_curves = {
        curve: [recipe.recipe_id for recipe in recipes if recipe.recipe_id in measured]
        for curve, recipes in curves.items()
    }
    best = choose(results, limits, target).best if limits.are_set else None
    placed = {current.recipe_id, current.baseline().recipe_id}.union(*on_curves.values())
    others = _sample(measured, placed, axes) | ({best.recipe_id} - placed if best else set())
    drawn = [recipe_id for recipe_id in measured if recipe_id in placed or recipe_id in others]
    points = {recipe_id: point_of(measured[recipe_id], limits) for recipe_id in drawn}
    return Tradeoff(
        baseline=points.get(current.baseline().recipe_id),
        curves={curve: tuple(points[recipe_id] for recipe_id in ids) for curve, ids in on_curves.items()},
        others=tuple(points[recipe_id] for recipe_id in drawn if recipe_id in others),
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


def _sample(measured: Mapping[str, Result], placed: Collection[str], axes: Axes) -> set[str]:
    """Which other points are drawn: the fronts, and of the rest those with the smallest ids, which are hashes.

    So the sample is fair, and stays as it is when points are added, but for those that take another's place.
    """
    others = measured.keys() - placed
    if len(others) <= MAX_OTHERS:
        return others
    return {*_fronts(measured.values(), axes), *heapq.nsmallest(MAX_OTHERS, others)} - set(placed)


def _fronts(results: Collection[Result], axes: Axes) -> set[str]:
    """Ids on the Pareto front of either chart."""
    every = list(results)
    fronts = (front_of(every, cost, axes.gain) for cost in (axes.left, axes.right))
    return {every[index].recipe_id for front in fronts for index in front}


def front_of(known: Sequence[Preview], cost: str, gain: str) -> list[int]:
    """Indices of the settings that no other beats on a chart, by rising cost. No value is no place."""
    metrics = METRICS[cost], METRICS[gain]
    across, up = ([metric.read(one) for one in known] for metric in metrics)
    placed = [(n, x, y) for n, (x, y) in enumerate(zip(across, up, strict=True)) if x is not None and y is not None]
    sign = 1 if METRICS[gain].more_is_better else -1
    front = pareto_front([x for _, x, _ in placed], [sign * y for _, _, y in placed])
    return [placed[n][0] for n in front]


def point_of(result: Result, limits: Limits = NO_LIMITS) -> Point:
    """A result as a point, which says where it is not surely within the limits."""
    kept = judge(result, limits)
    doubts = [units.capital(one.words) for one in kept if one.state != "kept"]
    hover = "<br>".join((hover_text(result), *doubts))
    return Point(result.recipe_id, result, hover, result.words, not are_kept(kept))


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


# Which of the front's points carry their names.

MOST_CORNERS, LEAST_GAIN = 5, 0.01
"""How many there are at most, and the share of the front's area that one must add to those before it."""


def corners(front: Sequence[tuple[float, float]], most: int = MOST_CORNERS) -> list[int]:
    """Indices of the points that tell most of a front, by rising cost.

    `front` has places (across, up) in shares of the chart, by rising cost. A point stands for all that it beats, to
    the right and below, as far as the chart reaches; chosen first is the one that stands for most, then whoever adds
    most to those chosen, while that is at least `LEAST_GAIN` of what the whole front stands for. A front's first three
    corners are chosen however little they add.
    """
    chosen: list[int] = []
    whole = _area(front)
    while len(chosen) < min(most, len(front)):
        areas = {n: _area([front[each] for each in sorted((*chosen, n))]) for n in range(len(front)) if n not in chosen}
        found = max(areas, key=areas.__getitem__)
        if len(chosen) >= 3 and areas[found] - _area([front[each] for each in sorted(chosen)]) < LEAST_GAIN * whole:
            break
        chosen.append(found)
    return sorted(chosen)


def _area(steps: Sequence[tuple[float, float]]) -> float:
    """Of what lies to the right of and below a staircase, in shares of the chart."""
    return sum((end - x) * y for (x, y), (end, _) in itertools.pairwise((*steps, (1.0, 0.0))))


# Axis ranges: fixed by what is known at the start, and growing in steps, so that little jumps.

Ranges = Mapping[str, Range]
"""Of each axis: log10 of kilobytes where sizes are drawn to a log scale, places of a `Rise`, else the metric's unit.
Without the baseline nobody knows how far the last ones reach: they have none then."""

MAX_SHRINK = 45
"""A size axis first reaches from the baseline down to this fraction: a bit more than 32 bits to 1."""

LOG_STEP = 0.25
MARKER = 0.05
"""A log axis grows to multiples of the one, in powers of ten, and keeps the other from a point that made it grow."""
ENDS = (1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8, 10, 12.5)
"""Where other axes of costs may end, times what the baseline costs and a power of ten. They begin at nothing."""


def ranges_for(
    data: Tradeoff,
    baseline_bytes: float,
    previous: Ranges | None = None,
    axes: Axes = DEFAULT_AXES,
    *,
    accuracy: Value | None = None,
) -> dict[str, Range]:
    """Ranges that hold every point, and those of `previous`.

    `baseline_bytes` places size axes, and the baseline's `accuracy` in percent that axis, before anything is measured.
    Axes that are not asked for stay as they are in `previous`.
    """
    found = dict(previous or {})
    for axis in axes.costs:
        span = _cost_span(data, METRICS[axis], baseline_bytes, found.get(axis))
        found |= {axis: span} if span else {}
    metric, name = axes.rise.metric, axes.rise.name
    ahead = known_or_expected(data, metric)
    values = [*_values(data, metric), *([Value(ahead)] if ahead is not None else [])]
    values += [accuracy] if accuracy and axes.gain == "accuracy" else []
    low, high = axes.rise.span(values)
    before = found.get(name, (low, high))
    found[name] = min(low, before[0]), max(high, before[1])
    return found


def _values(data: Tradeoff, metric: Metric) -> list[Value]:
    """All that is measured of what a chart shows."""
    points = (*data.points, *([half_measured(data.preview)] if data.preview else []))
    return [value for point in points if (value := point.on(metric))]


def _cost_span(data: Tradeoff, metric: Metric, baseline_bytes: float, before: Range | None) -> Range | None:
    """Around the baseline at first, then as it was `before`, and as far as measured points need."""
    values = _values(data, metric)
    base = data.baseline.on(metric) if data.baseline else None
    if not metric.is_log:
        need = max((max(1.15 * value.at, 1.03 * value.ends[1]) for value in values), default=0.0)
        return (0.0, max(before[1] if before else 0.0, base.at * _end(need / base.at))) if base else before
    at = base.at if base else baseline_bytes / 1000
    low, high = before or (math.log10(at / MAX_SHRINK), math.log10(1.5 * at))
    places = [math.log10(max(value.at, LEAST)) for value in values] or [low]
    if min(places) < low:
        low = LOG_STEP * math.floor((min(places) - MARKER) / LOG_STEP)
    if max(places) > high:
        high = LOG_STEP * math.ceil((max(places) + MARKER) / LOG_STEP)
    return low, high


def _end(need: float) -> float:
    """The first of `ENDS` that is not below; beyond them times a power of ten."""
    power = 10.0 ** max(0, math.floor(math.log10(need / ENDS[0])))
    return next(end * power for end in ENDS if end * power >= need)


LEAST = 1e-3
"""Kilobytes: what is drawn to a log scale cannot be nothing at all."""


def known_or_expected(data: Tradeoff, metric: Metric) -> float | None:
    """Where the current setting is known or expected to come to lie, before it is measured."""
    known = half_measured(data.preview).on(metric) if data.preview else None
    if known:
        return known.at
    expected = data.guess.of(metric) if data.guess else None
    return None if expected is None else expected / metric.drawn.one


def half_measured(preview: Underway) -> Point:
    """A setting that is still being measured: nothing that is drawn of it is a guess."""
    return Point("", preview, "this setting: it is being measured")
