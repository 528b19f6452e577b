"""The trade-off charts' pictures: figures for plotly.js as plain data. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from compression.charts.axes import Point, title_of
from compression.charts.figure import MARGIN, Figure, Trace, area, error_bars, figure, labelled, line, scatter
from compression.charts.palette import ACCENT, NEUTRAL
from compression.charts.tradeoff import LEAST, Range, Ranges, Tradeoff, front_of, half_measured, known_or_expected
from compression.results.metrics import METRICS, Value
from compression.search.curves import CURVES

HEIGHT = 380
SHADE = "rgba(138, 138, 138, 0.16)"
"""What a limit forbids: light enough to see points through it on both themes."""
MARK = "mark"
"""`meta` of the current setting's trace: the page draws it apart from the others, so that it moves at once."""


def draw(
    data: Tradeoff, cost: str, gain: str, ranges: Ranges, *, gain_range: Range | None = None, height: int = HEIGHT
) -> Figure:
    """What a setting gains against what it costs. Every point's `customdata` is its recipe_id."""
    baseline = (data.baseline,) if data.baseline else ()
    others = {"size": 6, "color": NEUTRAL, "opacity": 0.55}
    traces = [
        _front_trace(data, cost, gain),
        points_trace("other settings", data.others, cost, gain, others),
        *(_curve_trace(curve, data, cost, gain) for curve in data.curves),
        points_trace("baseline", baseline, cost, gain, {"size": 14, "color": NEUTRAL, "symbol": "star"}),
        *([_best_trace(data.best, cost, gain)] if data.best else []),
        mark(data, cost, gain, ranges),
    ]
    images = f" on {data.n_test:,} test images" if data.n_test else ""
    up, free = gain_range or ranges[gain], {"fixedrange": False}
    return figure(
        traces,
        height,
        title_of(METRICS[cost]),
        title_of(METRICS[gain], images),
        xaxis=free | _x_axis(data, cost, ranges),
        yaxis=free | {"range": up},
        margin=MARGIN | {"t": 10},
        dragmode="pan",
        uirevision=f"{cost} {gain} {up == ranges[gain]}",
        annotations=_annotations(data),
        shapes=_shades(data, cost, gain),
    )


def mark(data: Tradeoff, cost: str, gain: str, ranges: Ranges) -> Trace:
    """The current setting: a solid marker where it was measured, a hollow one where it is expected."""
    return {**_current_trace(data, cost, gain, ranges), "meta": MARK}


def _front_trace(data: Tradeoff, cost: str, gain: str) -> Trace:
    points = data.points
    reference = data.baseline.reference_ms if data.baseline else 1.0
    front = front_of([point.known for point in points], reference, cost, gain)
    look = {"color": NEUTRAL, "width": 1, "dash": "dot", "shape": "hv"}
    return scatter("Pareto front", [x for _, x, _ in front], [y for _, _, y in front], mode="lines", line=look)


def _curve_trace(curve: str, data: Tradeoff, cost: str, gain: str) -> Trace:
    """The curve's points on a thin line that starts at the baseline."""
    look, points = CURVES[curve], data.curves.get(curve, ())
    marker: dict[str, Any] = {"size": 9, "color": look.colour, "symbol": look.symbol}
    if data.baseline and points:
        points, marker["size"] = (data.baseline, *points), [0] + [9] * len(points)
    stroke = {"color": look.colour, "width": 1.5, "dash": look.dash}
    return {**points_trace(look.words, points, cost, gain, marker), "mode": "lines+markers", "line": stroke}


def _best_trace(best: Point, cost: str, gain: str) -> Trace:
    """A ring around the best setting within the limits, with a word."""
    ring = {"size": 24, "color": NEUTRAL, "symbol": "circle-open", "line": {"width": 2.5}}
    trace = points_trace("best within your limits", (best,), cost, gain, ring)
    for bars in ("error_x", "error_y"):
        trace.pop(bars, None)  # the point below has them
    return labelled(trace, "best", "top center", NEUTRAL, 13)


def points_trace(
    name: str, points: Sequence[Point], cost: str, gain: str, marker: dict[str, Any], *, thickness: float = 1
) -> Trace:
    """Points with their error bars; one that has no value on an axis is not drawn."""
    marker = {"line": {"width": 0}, **marker}
    unfaded = {"marker": {"opacity": marker.get("opacity", 1)}}  # a click must not fade the others
    across, up = ([point.on(METRICS[axis]) for point in points] for axis in (cost, gain))
    trace = scatter(
        name,
        [value.at if value else None for value in across],
        [value.at if value else None for value in up],
        [point.hover for point in points],
        customdata=[point.recipe_id for point in points],
        mode="markers",
        marker=marker,
        selected=unfaded,
        unselected=unfaded,
    )
    for bars, values in (("error_x", across), ("error_y", up)):
        if any(value and value.high is not None for value in values):
            trace[bars] = _error_bars(values, str(marker["color"]), thickness)
    return trace


def _error_bars(values: Sequence[Value | None], colour: str, thickness: float) -> dict[str, Any]:
    ends = [(value.at, value.low, value.high) if value else (0.0, None, None) for value in values]
    places, lows, highs = zip(*ends, strict=True)
    return error_bars(places, lows, highs, colour, thickness)


def _current_trace(data: Tradeoff, cost: str, gain: str, ranges: Ranges) -> Trace:
    if data.current and data.baseline and data.current.recipe_id == data.baseline.recipe_id:
        star = {"size": 16, "color": ACCENT, "symbol": "star"}
        return points_trace("this setting", (data.current,), cost, gain, star)
    preview = half_measured(data.preview) if data.preview else None
    is_known = preview and preview.on(METRICS[cost]) and preview.on(METRICS[gain])
    if point := data.current or (preview if is_known else None):
        solid = {"size": 15, "color": ACCENT, "symbol": "circle"}
        trace = points_trace("this setting", (point,), cost, gain, solid)
        return _labelled(trace, "measured", cost, gain, ranges)
    return _expected_trace(data, cost, gain, ranges)


def _expected_trace(data: Tradeoff, cost: str, gain: str, ranges: Ranges) -> Trace:
    """A hollow marker where the setting is expected, or none; what it gains may be measured already."""
    marker = {"size": 15, "color": ACCENT, "symbol": "circle-open", "line": {"width": 3}}
    trace = {"type": "scatter", "name": "this setting", "x": [], "y": [], "mode": "markers+text", "marker": marker}
    across, up = (known_or_expected(data, METRICS[axis]) for axis in (cost, gain))
    if across is None or up is None:
        return trace
    hover = {"hovertext": ["this setting, estimated: being measured"], "hoverinfo": "text"}
    return _labelled({**trace, "x": [across], "y": [up], **hover}, "estimated", cost, gain, ranges)


def _labelled(trace: Trace, label: str, cost: str, gain: str, ranges: Ranges) -> Trace:
    """Write the label beside the marker, on the side where there is room; nothing where a number is not measured."""
    low, high = ranges[cost]
    x, y = trace["x"][0], trace["y"][0]
    if x is None or y is None:
        return trace
    across = ((math.log10(max(x, LEAST)) if METRICS[cost].is_log else x) - low) / (high - low)
    vertical = "top" if y < sum(ranges[gain]) / 2 else "bottom"
    side = "left" if across > 0.75 else "right"
    return labelled(trace, label, f"{vertical} {side}", ACCENT, 13, cliponaxis=False)


FAR = 1e9
"""Beyond every axis: the chart cuts off what it does not show."""


def _shades(data: Tradeoff, cost: str, gain: str) -> list[dict[str, Any]]:
    """What the limits forbid, on the axes that show what they limit."""
    limits, shades = data.limits, list[Trace]()
    look = {"fillcolor": SHADE, "line": {"width": 0}}
    most = {"stored": limits.stored_kb, "latency": limits.latency_ms}.get(cost)
    if most is not None:
        at = max(most, LEAST)
        shades += [area((at, FAR), (0, 1), yref="paper", **look), line(NEUTRAL, x=at)]
    base = data.baseline.on(METRICS[gain]) if data.baseline and gain == "accuracy" else None
    if limits.drop_points is not None and base:
        at = base.at - limits.drop_points
        shades += [area((0, 1), (-FAR, at), xref="paper", **look), line(NEUTRAL, y=at)]
    return [shade | {"layer": "below"} for shade in shades]


def _annotations(data: Tradeoff) -> list[dict[str, Any]]:
    """What a person must know of what is not drawn."""
    shown = len(data.points)
    if not shown:
        return [_note("Measuring the baseline: the first point comes in a few seconds", 0.5, 0.5, 14)]
    if shown >= data.n_results:
        return []
    words = f"{shown:,} of {data.n_results:,} settings drawn:<br>the curves, the front, and a sample of the rest"
    return [_note(words, 1, 0, 12, xanchor="right", yanchor="bottom", align="right")]


def _note(words: str, x: float, y: float, size: int, **look: Any) -> dict[str, Any]:  # noqa: ANN401  (plotly's own settings)
    """Words on the chart itself: 0 is its left or lower end, 1 its right or upper one."""
    font = {"color": NEUTRAL, "size": size}
    return {"text": words, "x": x, "y": y, "xref": "paper", "yref": "paper", "showarrow": False, "font": font, **look}


def _x_axis(data: Tradeoff, cost: str, ranges: Ranges) -> dict[str, Any]:
    if not METRICS[cost].is_log:
        blank = {"tickvals": ranges[cost], "ticktext": (" ", " ")}  # as high as labels: the chart keeps its height
        return {"range": ranges[cost], **({} if data.baseline else blank)}
    ticks, texts = size_ticks(ranges[cost])
    return {"type": "log", "range": ranges[cost], "tickvals": ticks, "ticktext": texts}


def size_ticks(span: Range) -> tuple[list[float], list[str]]:
    """Tick positions (KB) at 1, 2 and 5 times powers of ten; only the powers where that were too many."""
    low, high = span
    powers = range(math.floor(low), math.ceil(high) + 1)
    multiples = (1, 2, 5) if high - low < 2.6 else (1,)
    ticks = [multiple * 10.0**power for power in powers for multiple in multiples]
    ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return ticks, [f"{tick:,g}" for tick in ticks]
