"""What all charts share: one layout and a few kinds of marks, as plain data. Torch-free.

Fonts and the colours of words and lines are the page's, which knows its theme (`pages/components/frame/chart_view.js`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Trace = dict[str, Any]
Figure = dict[str, Any]
"""What plotly.js takes, as plain data: plotly's own classes check each number and take 25 ms for a chart."""

LEGEND = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
"""Above the chart, from its left end on. Plotly shows it where there are several named traces."""
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
        "xaxis": {"title": {"text": x}, **plain, **(xaxis or {})},
        "yaxis": {"title": {"text": y}, **plain, **(yaxis or {})},
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
        "array": [0.0 if high is None else max(0.0, high - at) for at, high in zip(values, highs, strict=True)],
        "arrayminus": [0.0 if low is None else max(0.0, at - low) for at, low in zip(values, lows, strict=True)],
        "width": 0,
        "thickness": thickness,
        "color": colour,
    }


def histogram(counts: ArrayLike, edges: ArrayLike, colour: str, title: str, hover: str, **more: Any) -> Trace:  # noqa: ANN401  (plotly's own settings)
    """Bars of what was counted already between each two of the edges."""
    places = np.asarray(edges, dtype=np.float64)
    return {
        "type": "bar",
        "name": title,
        "x": ((places[1:] + places[:-1]) / 2).tolist(),
        "y": np.asarray(counts).tolist(),
        "width": np.diff(places).tolist(),
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": f"{hover}<extra></extra>",
        **more,
    }


def cells(table: ArrayLike) -> list[list[float | None]]:
    """A table's numbers as a heat map takes them, row by row: NaN is an empty cell."""
    return [[None if np.isnan(value) else value for value in row] for row in np.asarray(table, np.float64).tolist()]
