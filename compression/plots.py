"""The trade-off charts: first the numbers, then the picture. Torch-free.

`tradeoff` turns results into points; `draw` turns points into a figure for plotly.js. Latency on the chart is the
ratio to the interleaved baseline times the baseline's own median, so that points measured in busy and in
quiet moments stand in the right order; what the clock said is in the hover.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from compression import wording
from compression.estimate import Estimate
from compression.pareto import pareto_front
from compression.recipe import Recipe
from compression.result import Preview, Result
from compression.sweeps import Curve

Axis = Literal["size", "latency"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Look:
    """How a curve is drawn: the same colour and symbol everywhere."""

    title: str
    colour: str
    symbol: str
    dash: str = "solid"


LOOKS: dict[Curve, Look] = {
    "channel_pruning": Look("Channel pruning", "#2b83c4", "circle"),
    "magnitude_pruning": Look("Weight pruning", "#d98200", "square"),
    "second_order_pruning": Look("Second-order pruning", "#d98200", "square-open", dash="dash"),
    "quantization": Look("Quantization", "#0a9b76", "diamond"),
    "weight_sharing": Look("Shared weights", "#0a9b76", "diamond-open", dash="dash"),
    "distillation": Look("Smaller student", "#b95f9f", "triangle-up"),
    "student_control": Look("Student without teacher", "#b95f9f", "triangle-up-open", dash="dash"),
    "slimmable_student": Look("Slimmable student", "#b95f9f", "triangle-down-open", dash="dot"),
    "low_rank": Look("Low rank", "#6f56f0", "cross"),
    "depthwise_separable": Look("Separable convolutions", "#6f56f0", "x-thin-open", dash="dash"),
}
"""One hue a slider, and within it filled for the usual way, open and dashed for the others. Hues of Okabe and
Ito (2008) and a violet, told apart by colour-blind people; the lightness is moved to the middle so that they
read on white and on black."""

ACCENT = "#e0561b"
"""The current setting; the theme's primary colour is the same, so slider and marker belong together."""

NEUTRAL = "#8a8a8a"
"""Baseline, front and other points: a grey that reads on both themes."""


@dataclass(frozen=True)
class Point:
    """One measured recipe. Accuracies are fractions, sizes bytes, times milliseconds."""

    recipe_id: str
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    stored_bytes: float
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    hover: str


@dataclass(frozen=True)
class Tradeoff:
    """Everything a chart shows.

    `guess` is where the current setting is expected until it is measured, and `preview` what is measured of it
    before its latency is. `others` may be a sample of all; `n_results` counts the measured settings, drawn or not.
    """

    baseline: Point | None = None
    curves: Mapping[Curve, tuple[Point, ...]] = field(default_factory=dict)
    others: tuple[Point, ...] = ()
    current: Point | None = None
    guess: Estimate | None = None
    preview: Preview | None = None
    n_test: int | None = None
    n_results: int = 0

    @property
    def points(self) -> tuple[Point, ...]:
        """All measured points, each once."""
        groups = ((self.baseline,), *self.curves.values(), self.others, (self.current,))
        return tuple({point.recipe_id: point for group in groups for point in group if point}.values())


def tradeoff(
    results: Sequence[Result],
    curves: Mapping[Curve, Iterable[Recipe]],
    current: Recipe,
    guess: Estimate | None = None,
    preview: Preview | None = None,
) -> Tradeoff:
    """Sort a model's results into baseline, curves, the current setting and other points.

    Of very many others a fair sample is kept, and with it all that are on a Pareto front.
    """
    measured = {result.recipe_id: result for result in results}
    baseline = measured.get(current.baseline().recipe_id)
    reference_ms = baseline.latency_p50_ms if baseline else None
    on_curves = {
        curve: [recipe.recipe_id for recipe in recipes if recipe.recipe_id in measured]
        for curve, recipes in curves.items()
    }
    special = {current.recipe_id, current.baseline().recipe_id}.union(*on_curves.values())
    others = _sample(measured, special)
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
    )


MAX_OTHERS = 300
"""Points beside the curves, the fronts and the current setting: more hide each other, and each costs the browser a
third of a millisecond with its error bars."""


def _sample(measured: Mapping[str, Result], special: Collection[str]) -> set[str]:
    """Which other points are drawn: the fronts, and of the rest those with the smallest ids, which are hashes.

    So the sample is fair, and stays as it is when points are added, but for those that take another's place.
    """
    others = measured.keys() - special
    if len(others) <= MAX_OTHERS:
        return others
    return {*_fronts(list(measured.values())), *heapq.nsmallest(MAX_OTHERS, others)} - set(special)


def _fronts(results: Sequence[Result]) -> set[str]:
    """Ids on the Pareto front of either chart."""
    accuracies = [result.accuracy for result in results]
    costs = ([result.stored_bytes for result in results], [result.latency_ratio for result in results])
    return {results[index].recipe_id for cost in costs for index in pareto_front(cost, accuracies)}


def point_of(result: Result, reference_ms: float | None = None) -> Point:
    """A result as a point; `reference_ms` is the baseline's latency that ratios are multiplied with."""
    reference = reference_ms or result.baseline.latency_p50_ms
    return Point(
        recipe_id=result.recipe_id,
        accuracy=result.accuracy,
        accuracy_low=result.accuracy_low,
        accuracy_high=result.accuracy_high,
        stored_bytes=result.stored_bytes,
        latency_ms=reference * result.latency_ratio,
        latency_low_ms=reference * result.latency_ratio_low,
        latency_high_ms=reference * result.latency_ratio_high,
        hover=hover_text(result),
    )


_words: dict[str, str] = {}
MAX_WORDS = 100_000
"""Settings whose words are kept, about 100 bytes each."""


def setting_in_words(result: Result) -> str:
    """The recipe of a result in words, found once: a recipe's id is the hash of its content."""
    words = _words.get(result.recipe_id)
    if words is None:
        if len(_words) >= MAX_WORDS:
            _words.clear()
        words = _words[result.recipe_id] = wording.recipe_in_words(Recipe.model_validate(result.recipe))
    return words


def hover_text(result: Result) -> str:
    """All numbers of a result with their units, one line each (HTML)."""
    decimals = wording.decimals_for(result.n_test)

    def percent(value: float) -> str:
        return wording.percent(value, decimals)

    difference = wording.points(result.accuracy_difference, decimals)
    lines = (
        f"<b>{setting_in_words(result)}</b>",
        f"accuracy {percent(result.accuracy)} % "
        f"({percent(result.accuracy_low)}–{percent(result.accuracy_high)}, n = {result.n_test:,})",
        f"{difference} points, {'a measurable difference' if result.is_different else 'no measurable difference'}",
        f"stored file {wording.size(result.stored_bytes)}: "
        f"{wording.size_change(result.baseline.stored_bytes, result.stored_bytes)}",
        f"theoretical {wording.size(result.theoretical_bytes)} · .onnx {wording.size(result.onnx_bytes)} · "
        f"zipped {wording.size(result.zipped_bytes)}",
        f"latency {wording.milliseconds(result.latency_p50_ms)}, p95 {wording.milliseconds(result.latency_p95_ms)}",
        f"{result.latency_ratio:.2f} of the baseline's "
        f"({result.latency_ratio_low:.2f}–{result.latency_ratio_high:.2f})",
        f"{wording.count(result.params)} parameters, {wording.count(result.nonzero_params)} not zero, "
        f"{wording.count(result.macs)} MACs",
    )
    return "<br>".join(lines)


# Axis ranges: generous from the start, and later they only grow, so that nothing jumps.


@dataclass(frozen=True)
class Ranges:
    """Ranges of the axes: log10 of kilobytes, milliseconds, and percent."""

    size: Range
    latency: Range
    accuracy: Range = (80.0, 100.6)


FLOORS = (80, 60, 40, 0)
"""Percent at which the accuracy axis may start: it grows downwards in few steps, as points need it."""

MAX_SHRINK = 45
"""The size axis first reaches from the baseline down to this fraction: a bit more than 32 bits to 1."""


def ranges_for(data: Tradeoff, baseline_bytes: float, previous: Ranges | None = None) -> Ranges:
    """Ranges that hold every point, start around the baseline, and never shrink below `previous`.

    `baseline_bytes` (measured or expected) places the size axis before anything is measured.
    """
    kilobytes = baseline_bytes / 1000
    size = (math.log10(kilobytes / MAX_SHRINK), math.log10(kilobytes * 1.5))
    latency = (0.0, 1.3 * data.baseline.latency_ms) if data.baseline else (0.0, 0.01)
    accuracy = _accuracy_range(data)
    if previous:
        size, latency = _union(size, previous.size), _union(latency, previous.latency)
        accuracy = _union(accuracy, previous.accuracy)
    sizes = [point.stored_bytes for point in data.points] + ([data.preview.stored_bytes] if data.preview else [])
    for stored_bytes in sizes:
        position = math.log10(stored_bytes / 1000)
        size = _union(size, (position - 0.1, position + 0.1)) if not size[0] <= position <= size[1] else size
    for point in data.points:
        if point.latency_high_ms > latency[1]:
            latency = (0.0, 1.15 * point.latency_high_ms)
    return Ranges(size, latency, accuracy)


def _accuracy_range(data: Tradeoff) -> Range:
    """Down to the first of `FLOORS` below every point; a bit of room above 100 % for markers."""
    lowest = min((100 * point.accuracy_low for point in data.points), default=100.0)
    for foreseen in (data.guess, data.preview):
        if foreseen and foreseen.accuracy is not None:
            lowest = min(lowest, 100 * foreseen.accuracy)
    floor = next((floor for floor in FLOORS if floor < lowest), 0)
    return float(floor), 100 + 0.03 * (100 - floor)


def _union(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])


def near_baseline(data: Tradeoff) -> Range:
    """Percent range that shows small differences: from 10 points below the baseline to just above it."""
    top = 100 * (data.baseline.accuracy if data.baseline else 1.0)
    return math.floor(top - 10), min(100.4, math.ceil(top + 1.5) + 0.4)


def size_ticks(span: Range) -> tuple[list[float], list[str]]:
    """Tick positions (KB) at 1, 2 and 5 times powers of ten; only the powers where that were too many."""
    low, high = span
    powers = range(math.floor(low), math.ceil(high) + 1)
    multiples = (1, 2, 5) if high - low < 2.6 else (1,)
    ticks = [multiple * 10.0**power for power in powers for multiple in multiples]
    ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return ticks, [f"{tick:,g}" for tick in ticks]


# The picture.

HEIGHT = 380
MARK = "mark"
"""`meta` of the current setting's trace: the page draws it apart from the others, so that it moves at once."""
Trace = dict[str, Any]
Figure = dict[str, Any]
"""What plotly.js takes, as plain data: plotly's own classes check each number and take 25 ms for a chart."""

_NOTHING_YET = {
    "text": "Measuring the baseline: the first point comes in a few seconds",
    "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False, "font": {"color": NEUTRAL, "size": 14},
}  # fmt: skip
_NOTE = {
    "x": 1, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "bottom", "showarrow": False,
    "align": "right", "font": {"color": NEUTRAL, "size": 12},
}  # fmt: skip
_AXIS_TITLES = {"size": "stored file, KB (log scale)", "latency": "latency of one image, ms"}


def draw(
    data: Tradeoff, axis: Axis, ranges: Ranges, *, accuracy_range: Range | None = None, height: int = HEIGHT
) -> Figure:
    """Accuracy against size or latency. Every point's `customdata` is its recipe_id."""
    baseline = (data.baseline,) if data.baseline else ()
    others = {"size": 6, "color": NEUTRAL, "opacity": 0.55}
    traces = [
        _front_trace(data, axis),
        _points_trace("other settings", data.others, axis, others),
        *(_curve_trace(curve, data, axis) for curve in data.curves),
        _points_trace("baseline", baseline, axis, {"size": 14, "color": NEUTRAL, "symbol": "star"}),
        mark(data, axis, ranges),
    ]
    return {"data": traces, "layout": _layout(data, axis, ranges, accuracy_range or ranges.accuracy, height)}


def mark(data: Tradeoff, axis: Axis, ranges: Ranges) -> Trace:
    """The current setting: a solid marker where it was measured, a hollow one where it is expected."""
    return {**_current_trace(data, axis, ranges), "meta": MARK}


def _x(point: Point, axis: Axis) -> float:
    return point.stored_bytes / 1000 if axis == "size" else point.latency_ms


def _front_trace(data: Tradeoff, axis: Axis) -> Trace:
    points = data.points
    front = pareto_front([_x(point, axis) for point in points], [point.accuracy for point in points])
    return {
        "type": "scatter",
        "name": "Pareto front",
        "x": [_x(points[index], axis) for index in front],
        "y": [100 * points[index].accuracy for index in front],
        "mode": "lines",
        "line": {"color": NEUTRAL, "width": 1, "dash": "dot", "shape": "hv"},
        "hoverinfo": "skip",
    }


def _curve_trace(curve: Curve, data: Tradeoff, axis: Axis) -> Trace:
    """The curve's points on a thin line that starts at the baseline."""
    look, points = LOOKS[curve], data.curves.get(curve, ())
    marker: dict[str, Any] = {"size": 9, "color": look.colour, "symbol": look.symbol}
    if data.baseline and points:
        points, marker["size"] = (data.baseline, *points), [0] + [9] * len(points)
    line = {"color": look.colour, "width": 1.5, "dash": look.dash}
    return {**_points_trace(look.title, points, axis, marker), "mode": "lines+markers", "line": line}


def _points_trace(name: str, points: Sequence[Point], axis: Axis, marker: dict[str, Any]) -> Trace:
    marker = {"line": {"width": 0}, **marker}
    unfaded = {"marker": {"opacity": marker.get("opacity", 1)}}  # a click must not fade the others
    trace = {
        "type": "scatter",
        "name": name,
        "x": [_x(point, axis) for point in points],
        "y": [100 * point.accuracy for point in points],
        "customdata": [point.recipe_id for point in points],
        "hovertext": [point.hover for point in points],
        "hoverinfo": "text",
        "mode": "markers",
        "marker": marker,
        "error_y": _error_bars(points, "accuracy", str(marker["color"])),
        "selected": unfaded,
        "unselected": unfaded,
    }
    if axis == "latency":
        trace["error_x"] = _error_bars(points, "latency", str(marker["color"]))
    return trace


def _error_bars(points: Sequence[Point], kind: Literal["accuracy", "latency"], colour: str) -> dict[str, Any]:
    if kind == "accuracy":
        plus = [100 * (point.accuracy_high - point.accuracy) for point in points]
        minus = [100 * (point.accuracy - point.accuracy_low) for point in points]
    else:
        plus = [max(0.0, point.latency_high_ms - point.latency_ms) for point in points]
        minus = [max(0.0, point.latency_ms - point.latency_low_ms) for point in points]
    return {
        "type": "data",
        "symmetric": False,
        "array": plus,
        "arrayminus": minus,
        "width": 0,
        "thickness": 1,
        "color": colour,
    }


def _current_trace(data: Tradeoff, axis: Axis, ranges: Ranges) -> Trace:
    if data.current and data.current == data.baseline:
        return _points_trace("this setting", (data.current,), axis, {"size": 16, "color": ACCENT, "symbol": "star"})
    if data.current:
        trace = _points_trace("this setting", (data.current,), axis, {"size": 15, "color": ACCENT, "symbol": "circle"})
        return _labelled(trace, "measured", axis, ranges)
    if data.preview and axis == "size":
        return _half_measured_trace(data.preview, ranges)
    return _expected_trace(data, axis, ranges)


def _half_measured_trace(preview: Preview, ranges: Ranges) -> Trace:
    """Accuracy and size are measured, latency is not: nothing that this chart shows is a guess."""
    accuracies = preview.accuracy, preview.accuracy_low, preview.accuracy_high
    point = Point("", *accuracies, preview.stored_bytes, 0, 0, 0, "this setting: its latency is being measured")
    trace = _points_trace("this setting", (point,), "size", {"size": 15, "color": ACCENT, "symbol": "circle"})
    return _labelled(trace, "measured", "size", ranges)


def _expected_trace(data: Tradeoff, axis: Axis, ranges: Ranges) -> Trace:
    """A hollow marker where the setting is expected, or none; its accuracy may be measured already."""
    marker = {"size": 15, "color": ACCENT, "symbol": "circle-open", "line": {"width": 3}}
    trace = {"type": "scatter", "name": "this setting", "x": [], "y": [], "mode": "markers+text", "marker": marker}
    x, accuracy = _guessed_x(data.guess, axis), (data.preview or data.guess or Estimate(None, None, None)).accuracy
    if accuracy is None or x is None:
        return trace
    hover = {"hovertext": ["this setting, estimated: being measured"], "hoverinfo": "text"}
    return _labelled({**trace, "x": [x], "y": [100 * accuracy], **hover}, "estimated", axis, ranges)


def _guessed_x(guess: Estimate | None, axis: Axis) -> float | None:
    if guess is None:
        return None
    if axis == "latency":
        return guess.latency_ms
    return guess.stored_bytes / 1000 if guess.stored_bytes else None


def _labelled(trace: Trace, label: str, axis: Axis, ranges: Ranges) -> Trace:
    """Write the label beside the marker, on the side where there is room."""
    low, high = ranges.size if axis == "size" else ranges.latency
    x, accuracy = trace["x"][0], trace["y"][0]
    across = ((math.log10(x) if axis == "size" else x) - low) / (high - low)
    vertical = "top" if accuracy < 10 + ranges.accuracy[0] else "bottom"
    side = "left" if across > 0.75 else "right"
    return {
        **trace,
        "mode": "markers+text",
        "text": [label],
        "textposition": f"{vertical} {side}",
        "textfont": {"color": ACCENT, "size": 13},
        "cliponaxis": False,
    }


def _layout(data: Tradeoff, axis: Axis, ranges: Ranges, accuracy: Range, height: int) -> dict[str, Any]:
    """Axes and margins; colours and fonts are the page's."""
    images = f" on {data.n_test:,} test images" if data.n_test else ""
    common = {"automargin": True, "zeroline": False}
    return {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 10, "b": 8},
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": "pan",
        "uirevision": f"{axis} {accuracy == ranges.accuracy}",
        "yaxis": {"title": {"text": f"accuracy{images}, %"}, "range": accuracy, **common},
        "xaxis": {"title": {"text": _AXIS_TITLES[axis]}, **_x_axis(data, axis, ranges), **common},
        "annotations": _annotations(data),
    }


def _annotations(data: Tradeoff) -> list[dict[str, Any]]:
    """What a person must know of what is not drawn."""
    shown = len(data.points)
    if not shown:
        return [_NOTHING_YET]
    if shown >= data.n_results:
        return []
    words = f"{shown:,} of {data.n_results:,} settings drawn:<br>the curves, the front, and a sample of the rest"
    return [{**_NOTE, "text": words}]


def _x_axis(data: Tradeoff, axis: Axis, ranges: Ranges) -> dict[str, Any]:
    if axis == "latency":
        blank = {"tickvals": ranges.latency, "ticktext": (" ", " ")}  # as high as labels: the chart keeps its height
        return {"range": ranges.latency, **({} if data.baseline else blank)}
    ticks, texts = size_ticks(ranges.size)
    return {"type": "log", "range": ranges.size, "tickvals": ticks, "ticktext": texts}
