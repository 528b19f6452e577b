"""The trade-off charts' pictures: figures for plotly.js as plain data. Torch-free.

One line stands out: the front, of what nothing measured beats. What is beaten is pale, and so are its error bars. Words
beside points are those of traces in `WORDS` mode; who draws the figure finds places for them (`labels.js`).
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from compression import units
from compression.charts.axes import Axes, Point, title_of
from compression.charts.figure import (
    INK,
    MARGIN,
    WORDS,
    Figure,
    Trace,
    area,
    error_bars,
    figure,
    labelled,
    line,
    scatter,
)
from compression.charts.palette import ACCENT, NEUTRAL
from compression.charts.rise import Range, Rise
from compression.charts.tradeoff import LEAST, Ranges, Tradeoff, corners, front_of, half_measured, known_or_expected
from compression.results.metrics import METRICS, Metric, Value
from compression.search.curves import CURVES
from compression.search.limits import LIMITS

HEIGHT = 400
HEADING = 26
"""Pixels for a line above a chart: which way is better."""
SHADE = "rgba(138, 138, 138, 0.16)"
"""What a limit forbids: light enough to see points through it on both themes."""
STRUCK = "line-ne"
"""The symbol over what is beyond limits, as judged. A limit of the accuracy is no place on the axis: it is judged on
validation images, and the axis shows test images."""
MARK = "mark"
"""`meta` of the current setting's trace: the page draws it apart from the others, so that it moves at once."""
PALE, PALE_BARS = 0.4, 0.16
"""Opacity of what is beaten, and of its error bars."""
CORNER_LETTERS = 24
"""In a line of a corner's words."""


@dataclass(frozen=True)
class Plane:
    """One chart's axes: its `cost` across, the gain up, and how far they reach. Its places are what plotly.js gets."""

    cost: str
    rise: Rise
    ranges: Ranges

    @property
    def across(self) -> Metric:
        """What is paid."""
        return METRICS[self.cost]

    @property
    def reach(self) -> Range:
        """From the least cost to the highest."""
        return self.ranges.get(self.cost, (0.0, 1.0))

    @property
    def up(self) -> Range:
        """From the lowest place to the highest."""
        return self.ranges[self.rise.name]

    def on(self, point: Point) -> tuple[Value | None, Value | None]:
        """Where a point stands across and up, with its intervals; None where that is not measured."""
        value = point.on(self.rise.metric)
        return point.on(self.across), self.rise.placed(value) if value else None

    def share(self, x: float, y: float) -> tuple[float, float]:
        """A place in shares of the chart, from its left and lower end."""
        x = math.log10(max(x, LEAST)) if self.across.is_log else x
        (left, right), (low, high) = self.reach, self.up
        return (x - left) / (right - left), (y - low) / (high - low)


def plane(cost: str, axes: Axes, ranges: Ranges) -> Plane:
    """A chart of this cost with the axis up of `axes`."""
    return Plane(cost, axes.rise, ranges)


def draw(data: Tradeoff, plane: Plane, *, height: int = HEIGHT) -> Figure:
    """What a setting gains against what it costs. Every point's `customdata` is its recipe_id."""
    front = front_points(data, plane)
    strong = {point.recipe_id for point in (*front, data.best) if point}
    baseline = (data.baseline,) if data.baseline else ()
    traces = [
        front_trace(front, plane),
        points_trace("other settings", data.others, plane, {"size": 6, "color": NEUTRAL}, strong, bars=PALE_BARS),
        *(_curve_trace(curve, data, plane, strong) for curve in data.curves),
        points_trace("baseline", baseline, plane, {"size": 14, "color": NEUTRAL, "symbol": "star"}, bars=PALE_BARS),
        *([beyond_trace(data, plane)] if data.limits.are_set else []),
        *([_best_trace(data.best, plane)] if data.best else []),
        mark(data, plane),
        corners_trace(front, plane, [data.current.recipe_id] if data.current else []),
    ]
    return sheet(traces, data, plane, height=height)


def sheet(traces: Sequence[Trace], data: Tradeoff, plane: Plane, *, height: int = HEIGHT) -> Figure:
    """Traces between the axes, with what the limits forbid, and a line above that says which way is better."""
    images = f" on {data.n_test:,} test images" if data.n_test else ""
    ticks, texts = plane.rise.ticks(plane.up)
    free = {"fixedrange": False}
    return figure(
        traces,
        height,
        title_of(plane.across),
        title_of(plane.rise.metric, images, plane.rise.spacing).replace(" (", "<br>("),  # longer than a chart is high
        xaxis=free | _x_axis(plane),
        yaxis=free | {"range": plane.up, "tickvals": ticks, "ticktext": texts},
        margin=MARGIN | {"t": HEADING},
        dragmode="pan",
        uirevision=f"{plane.cost} {plane.rise.name}",
        annotations=_annotations(data, plane),
        shapes=_shades(data, plane),
    )


def mark(data: Tradeoff, plane: Plane) -> Trace:
    """The current setting: a solid marker where it was measured, a hollow one where it is expected."""
    return {**_current_trace(data, plane), "meta": MARK}


def front_points(data: Tradeoff, plane: Plane) -> list[Point]:
    """The points that nothing measured beats on this chart, by rising cost."""
    points = data.points
    return [points[n] for n in front_of([point.known for point in points], plane.cost, plane.rise.key)]


def front_trace(front: Sequence[Point], plane: Plane) -> Trace:
    """The one strong line, in the colour of words, with the error bars of its points."""
    trace = points_trace("best trade-offs", front, plane, {"size": 6, "color": NEUTRAL})
    return trace | {"mode": "lines+markers", "line": {"color": INK, "width": 2.5, "shape": "hv"}}


def corners_of(front: Sequence[Point], plane: Plane, labelled: Collection[str]) -> list[tuple[Point, list[str]]]:
    """The points at the front's corners with their names, line by line; not those that have a label (recipe_ids)."""
    places = [(x.at, y.at) for x, y in map(plane.on, front) if x and y]
    found = [front[n] for n in corners([plane.share(*place) for place in places])]
    named = [point for point in found if point.recipe_id not in labelled]
    return [(point, textwrap.wrap(units.capital(point.words), CORNER_LETTERS)) for point in named]


def corners_trace(front: Sequence[Point], plane: Plane, labelled: Collection[str]) -> Trace:
    """The names of the settings at the front's corners, but for those that have a label (recipe_ids)."""
    found = corners_of(front, plane, labelled)
    named = [point for point, _ in found]
    trace = points_trace("corners", named, plane, {"size": 8, "color": NEUTRAL, "opacity": 0}, bars=0)
    trace |= {"hoverinfo": "skip", "hovertext": None, "meta": "corners"}
    texts = ["<br>".join(lines) for _, lines in found]
    return trace | {"mode": WORDS, "text": texts, "textfont": {"color": INK, "size": 12}}


def _curve_trace(curve: str, data: Tradeoff, plane: Plane, strong: Collection[str]) -> Trace:
    """The curve's points on a thin line that starts at the baseline."""
    look, points = CURVES[curve], data.curves.get(curve, ())
    marker: dict[str, Any] = {"size": 9, "color": look.colour, "symbol": look.symbol}
    if data.baseline and points:
        points, marker["size"] = (data.baseline, *points), [0] + [9] * len(points)
    stroke = {"color": faded(look.colour, PALE), "width": 1.5, "dash": look.dash}
    trace = points_trace(look.words, points, plane, marker, strong, bars=PALE_BARS)
    return trace | {"mode": "lines+markers", "line": stroke}


def beyond_trace(data: Tradeoff, plane: Plane) -> Trace:
    """A stroke through each setting that is beyond the limits. What it is answers the mouse below."""
    beyond = [point for point in data.points if point.is_beyond]
    stroke = {"size": 13, "color": INK, "symbol": STRUCK, "line": {"width": 1.2, "color": INK}}
    return points_trace("beyond your limits", beyond, plane, stroke, bars=0) | {"hoverinfo": "skip", "hovertext": None}


def _best_trace(best: Point, plane: Plane) -> Trace:
    """A ring around the best setting within the limits, with a word."""
    ring = {"size": 24, "color": INK, "symbol": "circle-open", "line": {"width": 2.5}}
    return labelled(points_trace("best within your limits", (best,), plane, ring), "best", INK, 13)


def points_trace(
    name: str,
    points: Sequence[Point],
    plane: Plane,
    marker: dict[str, Any],
    strong: Collection[str] | None = None,
    *,
    bars: float = 1,
) -> Trace:
    """Points with error bars of this opacity; one that has no value on an axis is not drawn.

    Where only some are `strong` (recipe_ids), the others are pale.
    """
    marker = {"line": {"width": 0}, **marker}
    if strong is not None:
        marker["opacity"] = [1 if point.recipe_id in strong else PALE for point in points]
    placed = [plane.on(point) for point in points]
    across, up = [x for x, _ in placed], [y for _, y in placed]
    trace = scatter(
        name,
        [x.at if x else None for x in across],
        [y.at if y else None for y in up],
        [point.hover for point in points],
        customdata=[point.recipe_id for point in points],
        mode="markers",
        marker=marker,
    )
    colour = str(marker["color"]) if bars == 1 else faded(str(marker["color"]), bars)
    for way, values in (("error_x", across), ("error_y", up)):
        if bars and any(value and value.high is not None for value in values):
            trace[way] = _error_bars(values, colour, 1.5 if bars == 1 else 1)
    return trace


def faded(colour: str, opacity: float) -> str:
    """A '#rrggbb' that lets through what lies below."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def _error_bars(values: Sequence[Value | None], colour: str, thickness: float) -> dict[str, Any]:
    ends = [(value.at, value.low, value.high) if value else (0.0, None, None) for value in values]
    places, lows, highs = zip(*ends, strict=True)
    return error_bars(places, lows, highs, colour, thickness)


def _current_trace(data: Tradeoff, plane: Plane) -> Trace:
    if data.current and data.baseline and data.current.recipe_id == data.baseline.recipe_id:
        star = {"size": 16, "color": ACCENT, "symbol": "star"}
        return points_trace("this setting", (data.current,), plane, star)
    preview = half_measured(data.preview) if data.preview else None
    is_known = preview and all(plane.on(preview))
    if point := data.current or (preview if is_known else None):
        solid = {"size": 15, "color": ACCENT, "symbol": "circle"}
        trace = points_trace("this setting", (point,), plane, solid)
        is_through = data.current or data.preview is None or data.preview.n_test == data.preview.n_planned
        label = "measured" if is_through else "so far"
        return trace if None in (trace["x"][0], trace["y"][0]) else labelled(trace, label, ACCENT, 13)
    return _expected_trace(data, plane)


def _expected_trace(data: Tradeoff, plane: Plane) -> Trace:
    """A hollow marker where the setting is expected, or none; what it gains may be measured already."""
    marker = {"size": 15, "color": ACCENT, "symbol": "circle-open", "line": {"width": 3}}
    across, up = (known_or_expected(data, metric) for metric in (plane.across, plane.rise.metric))
    if across is None or up is None:
        return scatter("this setting", [], [], mode=WORDS, marker=marker)
    hover = ["this setting, estimated: being measured"]
    trace = scatter("this setting", [across], [plane.rise.place(up)], hover, marker=marker)
    return labelled(trace, "estimated", ACCENT, 13)


FAR = 1e9
"""Beyond every axis: the chart cuts off what it does not show."""


def _shades(data: Tradeoff, plane: Plane) -> list[dict[str, Any]]:
    """What the limits forbid of what is paid, on the axis that shows it."""
    shades, look = list[Trace](), {"fillcolor": SHADE, "line": {"width": 0}}
    for field, most in data.limits.asked.items():
        if LIMITS[field].metric != plane.cost:
            continue
        at = max(most, LEAST)
        shades += [area((at, FAR), (0, 1), yref="paper", **look), line(NEUTRAL, x=at)]
    return [shade | {"layer": "below"} for shade in shades]


def direction(cost: Metric) -> str:
    """Which way is better."""
    return f"{units.capital(cost.unit.less)} is to the left, better is up"


def _annotations(data: Tradeoff, plane: Plane) -> list[dict[str, Any]]:
    """Which way is better, and what a person must know of what is not drawn."""
    shown = len(data.points)
    heading = direction(plane.across)
    if shown < data.n_results:
        heading += f" · {shown:,} of {data.n_results:,} drawn"
    notes = [_note(heading, 0, 1, 12, xanchor="left", yanchor="bottom", yshift=4)]
    is_empty = not shown and None in (known_or_expected(data, metric) for metric in (plane.across, plane.rise.metric))
    if is_empty:
        notes.append(_note("Measuring the baseline: the first point comes in a few seconds", 0.5, 0.5, 14))
    return notes


def _note(words: str, x: float, y: float, size: int, **look: Any) -> dict[str, Any]:  # noqa: ANN401  (plotly's own settings)
    """Words on the chart itself: 0 is its left or lower end, 1 its right or upper one."""
    font = {"color": NEUTRAL, "size": size}
    return {"text": words, "x": x, "y": y, "xref": "paper", "yref": "paper", "showarrow": False, "font": font, **look}


def _x_axis(plane: Plane) -> dict[str, Any]:
    span = plane.reach
    if not plane.across.is_log:
        blank = {"tickvals": span, "ticktext": (" ", " ")}  # as high as labels: the chart keeps its height
        return {"range": span, **({} if plane.cost in plane.ranges else blank)}
    ticks, texts = size_ticks(span)
    return {"type": "log", "range": span, "tickvals": ticks, "ticktext": texts}


def size_ticks(span: Range) -> tuple[list[float], list[str]]:
    """Tick positions (KB) at 1, 2 and 5 times powers of ten; only the powers where that were too many."""
    low, high = span
    powers = range(math.floor(low), math.ceil(high) + 1)
    multiples = (1, 2, 5) if high - low < 2.6 else (1,)
    ticks = [multiple * 10.0**power for power in powers for multiple in multiples]
    ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return ticks, [f"{tick:,g}" for tick in ticks]
