"""Figures of the course: the charts' one look, large enough for a projector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from compression.charts import figure as common
from compression.charts.figure import Figure, Trace, digits, heat, percent, scatter
from compression.charts.palette import ACCENT, NEUTRAL, SIGNED
from pages.components.frame import classroom

FONT, SCREEN_FONT = 15, 22
"""Pixels, more than elsewhere: a class looks at these from afar, and from further still where they are projected."""


def figure(traces: Sequence[Trace], height: int, x: str, y: str, **layout: Any) -> Figure:  # noqa: ANN401  (plotly's own settings)
    """A figure as everywhere, with larger words; a legend takes the room it needs."""
    size = SCREEN_FONT if classroom.here().view == "screen" else FONT
    large: dict[str, Any] = {"font": {"size": size}, "margin": common.MARGIN, "legend": {"y": 1.02}}
    return common.figure(traces, height, x, y, **large | layout)


def weights_map(weights: ArrayLike, layer: np.ndarray) -> Figure:
    """Weights as coloured cells, outputs down and inputs across; NaN is an empty cell.

    Colours reach as far as nearly all weights of the `layer`, so that its pictures can be compared.
    """
    table = np.asarray(weights, dtype=np.float64)
    limit = float(np.quantile(np.abs(layer.astype(np.float64)), 0.98)) or 1.0
    shown = heat(table.round(4), (-limit, limit), SIGNED, f"output %{{y}}, input %{{x}}: {digits('z')}", xgap=1, ygap=1)
    height = int(np.clip(9 * len(table), 110, 300)) + 50
    bare = {"showticklabels": False, "showgrid": False}
    return figure([shown], height, "inputs", "outputs", xaxis=bare, yaxis=bare | {"autorange": "reversed"})


def lines(x: Sequence[float], curves: Mapping[str, tuple[ArrayLike, str, str]], hover: str) -> list[Trace]:
    """Curves by title: values, colour, symbol."""
    return [
        scatter(
            title,
            x,
            np.asarray(y, dtype=np.float64).tolist(),
            f"<b>{title}</b><br>{hover}",
            mode="lines+markers",
            cliponaxis=False,
            line={"color": colour, "width": 2.5},
            marker={"symbol": symbol, "size": 9, "color": colour, "line": {"color": colour, "width": 2}},
        )
        for title, (y, colour, symbol) in curves.items()
    ]


def here(x: float, y: float, words: str = "your setting") -> Trace:
    """A ring around the point that the controls say."""
    ring = {"symbol": "circle-open", "size": 18, "color": ACCENT, "line": {"color": ACCENT, "width": 3}}
    return scatter(words, [x], [y], mode="markers", cliponaxis=False, marker=ring)


OPERATIONS_AND_TIME = f"%{{hovertext}}<br>{percent('x')} of the operations, {percent('y')} of the time"
"""What a point says when the mouse is on it, where those are the axes."""


def as_operations(start: float, end: float) -> Trace:
    """The line on which time falls as operations do, in percent of both."""
    look = {"color": NEUTRAL, "width": 2, "dash": "dash"}
    return scatter("if operations were time", [start, end], [start, end], mode="lines", line=look)
