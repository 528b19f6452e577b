"""What all charts share: one layout and a few kinds of marks, as plain data. Torch-free.

Fonts and the colours of words and lines are the page's, which knows its theme (`pages/components/frame/chart_view.js`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from compression.charts.palette import BLUE

Trace = dict[str, Any]
Figure = dict[str, Any]
"""What plotly.js takes, as plain data: plotly's own classes check each number and take 25 ms for a chart."""

LEGEND = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
"""Above the chart, from its left end on. Plotly shows it where there are several named traces."""
INK = "#1d2129"
"""The colour of words: a page with a theme of its own draws its own instead, wherever a figure says this one."""
WORDS = "markers+text"
"""`mode` of points with words beside them, and the script that finds free places for these in the browser."""
MARGIN = {"l": 8, "r": 12, "t": 8, "b": 8}
LEGEND_TOP = 30
"""Pixels above a chart with a legend."""


def figure(
    traces: Sequence[Trace],
    height: int,
    x: str = "",
    y: str = "",
    *,
    legend: bool | dict[str, Any] = False,
    xaxis: dict[str, Any] | None = None,
    yaxis: dict[str, Any] | None = None,
    **layout: Any,  # noqa: ANN401  (plotly's own settings)
) -> Figure:
    """Traces between two axes with these titles, which cannot be zoomed; settings add to the common ones.

    `legend`: whether there is one, or where it is otherwise than the common one.
    """
    plain = {"automargin": True, "fixedrange": True, "zeroline": False}
    common: dict[str, Any] = {"showlegend": False, "margin": MARGIN}
    if legend:
        common = {"legend": LEGEND | (legend if isinstance(legend, dict) else {}), "margin": MARGIN | {"t": LEGEND_TOP}}
    axes = {
        "xaxis": {"title": {"text": x, "standoff": 8}, **plain, **(xaxis or {})},
        "yaxis": {"title": {"text": y, "standoff": 12}, **plain, **(yaxis or {})},
    }
    shared = {"height": height, "hovermode": "closest", "dragmode": False, **common}
    return {"data": list(traces), "layout": {**shared, **axes, **layout}}


def rows(names: Sequence[str]) -> dict[str, Any]:
    """An axis with a row for each name, the first on top; traces count rows from 0."""
    places = {"tickvals": list(range(len(names))), "ticktext": list(names), "range": (len(names) - 0.4, -0.6)}
    return {**places, "ticksuffix": " ", "showgrid": False}


def line(colour: str, width: float = 1, dash: str = "dash", *, x: float | None = None, y: float | None = None) -> Trace:
    """A shape: a line across the whole chart, upright at `x` or level at `y`."""
    look = {"type": "line", "line": {"color": colour, "width": width, "dash": dash}}
    if x is None:
        return {**look, "x0": 0, "x1": 1, "xref": "paper", "y0": y, "y1": y}
    return {**look, "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}


def area(x: tuple[float, float], y: tuple[float, float], **look: Any) -> Trace:  # noqa: ANN401  (plotly's own settings)
    """A shape: a rectangle from place to place across and up."""
    return {"type": "rect", "x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1], **look}


def error_bars(
    values: Sequence[float],
    lows: Sequence[float | None],
    highs: Sequence[float | None],
    colour: str,
    thickness: float = 1.5,
) -> dict[str, Any]:
    """From each value down to its low and up to its high end, as far as there are such."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [_reach(at, high) for at, high in zip(values, highs, strict=True)],
        "arrayminus": [_reach(low, at) for at, low in zip(values, lows, strict=True)],
        "width": 0,
        "thickness": thickness,
        "color": colour,
    }


def _reach(low: float | None, high: float | None) -> float:
    reach = 0.0 if low is None or high is None else max(0.0, high - low)
    return reach if math.isfinite(reach) else 0.0


def digits(value: str) -> str:
    """In a hover template: this number of the point ('x', 'y', 'z', 'customdata') as `units.three_digits` writes it."""
    return f"%{{{value}:,.3~r}}"


def percent(value: str) -> str:
    """In a hover template: this number of the point, in percent, as `units.share` writes it."""
    return f"%{{{value}:.1f}} %"


Hover = str | Sequence[str] | None
"""What a trace says under the mouse: a template for all points, words for each, or nothing."""


def _said(hover: Hover) -> dict[str, Any]:
    if hover is None:
        return {"hoverinfo": "skip"}
    if isinstance(hover, str):
        return {"hovertemplate": f"{hover}<extra></extra>"}
    return {"hovertext": list(hover), "hoverinfo": "text"}


def scatter(name: str, x: Sequence[Any], y: Sequence[Any], hover: Hover = None, **look: Any) -> Trace:  # noqa: ANN401  (plotly's own settings)
    """Points, lines or words: whatever `mode` says."""
    return {"type": "scatter", "name": name, "x": list(x), "y": list(y), **_said(hover), **look}


def labelled(trace: Trace, words: str, colour: str, size: int, **font: Any) -> Trace:  # noqa: ANN401  (plotly's own settings)
    """A mark with words beside it."""
    return trace | {"mode": WORDS, "text": [words], "textfont": {"color": colour, "size": size, **font}}


def bars(name: str, x: Sequence[Any], y: Sequence[Any], colour: Any, hover: Hover = None, **look: Any) -> Trace:  # noqa: ANN401  (one colour or several; plotly's own settings)
    """Bars without outlines."""
    marker = {"color": colour, "line": {"width": 0}}
    return {"type": "bar", "name": name, "x": list(x), "y": list(y), "marker": marker, **_said(hover), **look}


def waterfall(places: Sequence[Any], amounts: Sequence[Any], rises: str, falls: str, **look: Any) -> Trace:  # noqa: ANN401  (plotly's own settings)
    """Level bars, of which each begins where the one before ends, but for totals; `rises` and `falls` are colours."""
    colours = {"increasing": rises, "decreasing": falls, "totals": BLUE}
    marks = {kind: {"marker": {"color": colour}} for kind, colour in colours.items()}
    return {"type": "waterfall", "orientation": "h", "y": list(places), "x": list(amounts), **marks, **look}


def histogram(counts: ArrayLike, edges: ArrayLike, colour: str, name: str, hover: str, **look: Any) -> Trace:  # noqa: ANN401  (plotly's own settings)
    """Bars of what was counted already between each two of the edges."""
    places = np.asarray(edges, dtype=np.float64)
    middles, width = ((places[1:] + places[:-1]) / 2).tolist(), np.diff(places).tolist()
    return bars(name, middles, np.asarray(counts).tolist(), colour, hover, width=width, **look)


def heat(table: ArrayLike, span: tuple[float, float], scale: Sequence[Any], hover: Any, **look: Any) -> Trace:  # noqa: ANN401  (words for each cell, or a template; plotly's own settings)
    """Coloured cells from `span`'s low end to its high one; NaN is an empty cell."""
    cells = [[None if np.isnan(value) else value for value in row] for row in np.asarray(table, np.float64).tolist()]
    common = {"zmin": span[0], "zmax": span[1], "colorscale": list(scale), "showscale": False, "hoverongaps": False}
    return {"type": "heatmap", "z": cells, **common, **_said(hover), **look}
