"""Figures of the course: plain plotly with one look, large enough for a projector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from compression.charts.palette import ACCENT, BLUE, ORANGE

MIDDLE = "#c9c9c9"
"""Between the two signs: a grey that shows on white and on black."""

FONT = 15
"""Pixels, two more than elsewhere: a class looks at these from afar."""

SIGNS = [[0.0, ORANGE], [0.5, MIDDLE], [1.0, BLUE]]
"""Negative weights orange, positive ones blue: told apart by colour-blind people too."""


def figure(height: int, x: str, y: str, **layout: Any) -> go.Figure:  # noqa: ANN401  (plotly's own settings)
    """An empty figure with titles on its axes."""
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    axes = {
        "xaxis": {"title": {"text": x}, "automargin": True, "fixedrange": True, "zeroline": False},
        "yaxis": {"title": {"text": y}, "automargin": True, "fixedrange": True, "zeroline": False},
    }
    for name in ("xaxis", "yaxis"):
        axes[name] |= layout.pop(name, {})
    chart = go.Figure()
    chart.update_layout(
        template="none", height=height, margin={"l": 8, "r": 12, "t": 8, "b": 8},
        dragmode=False, font={"size": FONT}, legend=legend, **axes, **layout,
    )  # fmt: skip
    return chart


def weights_map(weights: ArrayLike, limit: float, *, rows: str = "outputs", columns: str = "inputs") -> go.Figure:
    """Weights as coloured cells, outputs down and inputs across; NaN is an empty cell."""
    table = np.asarray(weights, dtype=np.float64)
    height = int(np.clip(9 * len(table), 110, 300)) + 50
    chart = figure(height, columns, rows, xaxis={"showticklabels": False, "showgrid": False})
    chart.update_layout(yaxis={"showticklabels": False, "showgrid": False, "autorange": "reversed"})
    chart.add_trace(
        go.Heatmap(
            z=np.round(table, 4).tolist() if not np.isnan(table).any() else _holes(table),
            zmin=-limit,
            zmax=limit,
            colorscale=SIGNS,
            showscale=False,
            xgap=1,
            ygap=1,
            hoverongaps=False,
            hovertemplate="output %{y}, input %{x}: %{z:.4f}<extra></extra>",
        )
    )
    return chart


def _holes(table: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in table]


def lines(
    chart: go.Figure,
    x: Sequence[float],
    curves: Mapping[str, tuple[ArrayLike, str, str]],
    hover: str,
) -> None:
    """Add curves by title: values, colour, symbol."""
    for title, (y, colour, symbol) in curves.items():
        chart.add_trace(
            go.Scatter(
                x=list(x),
                y=np.asarray(y, dtype=np.float64).tolist(),
                name=title,
                mode="lines+markers",
                cliponaxis=False,
                line={"color": colour, "width": 2.5},
                marker={"symbol": symbol, "size": 9, "color": colour, "line": {"color": colour, "width": 2}},
                hovertemplate=f"<b>{title}</b><br>{hover}<extra></extra>",
            )
        )


def here(chart: go.Figure, x: float | str, y: float, words: str = "your setting") -> None:
    """A ring around the point that the controls say."""
    chart.add_trace(
        go.Scatter(
            x=[x],
            y=[y],
            name=words,
            mode="markers",
            cliponaxis=False,
            marker={"symbol": "circle-open", "size": 18, "color": ACCENT, "line": {"color": ACCENT, "width": 3}},
            hoverinfo="skip",
        )
    )


def histogram(chart: go.Figure, counts: ArrayLike, edges: ArrayLike, colour: str, title: str) -> None:
    """Bars of a histogram that was counted already."""
    places = np.asarray(edges, dtype=np.float64)
    chart.add_trace(
        go.Bar(
            x=((places[1:] + places[:-1]) / 2).tolist(),
            y=np.asarray(counts).tolist(),
            width=np.diff(places).tolist(),
            name=title,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{y:,} around %{x:.4g}<extra></extra>",
        )
    )
