"""Every layer as a bar: bytes, time or operations, this network's beside the uncompressed one's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from compression import units
from compression.charts.palette import ACCENT, BLUE, NEUTRAL
from compression.explain.layers import Line

ROW, THIN_ROW, MANY = 26, 17, 30
"""Pixels for one layer, and for each of more than `MANY`."""


@dataclass(frozen=True)
class Measure:
    """What bars can show: now and before, on which axis, and in words."""

    title: str
    axis: str
    factor: float
    now: Callable[[Line], float]
    before: Callable[[Line], float | None]
    words: Callable[[float], str]


MEASURES = {
    "stored": Measure(
        "Stored bytes", "KB in the stored file", 1e-3,
        lambda line: line.stored_bytes, lambda line: line.before_stored_bytes, units.size,
    ),
    "ms": Measure(
        "Time", "µs for one image", 1e3, lambda line: line.ms, lambda line: line.before_ms, units.milliseconds
    ),
    "macs": Measure(
        "Operations", "million MACs", 1e-6, lambda line: line.macs, lambda line: line.before_macs, units.count
    ),
    "parameters": Measure(
        "Parameters", "thousand parameters", 1e-3,
        lambda line: line.parameters, lambda line: line.before_parameters, units.count,
    ),
}  # fmt: skip


def draw(lines: Sequence[Line], measure: Measure, chosen: str = "") -> go.Figure:
    """One bar a layer; the baseline's is an outline around it. The chosen layer has the accent's colour."""
    rows = list(range(len(lines)))
    before = [measure.before(line) for line in lines]
    figure = go.Figure()
    if any(value is not None for value in before):
        figure.add_trace(
            go.Bar(
                name="before", orientation="h", y=rows, x=[(value or 0) * measure.factor for value in before],
                marker={"color": "rgba(0,0,0,0)", "line": {"color": NEUTRAL, "width": 1.5}}, hoverinfo="skip",
                width=0.8,
            )
        )  # fmt: skip
    figure.add_trace(
        go.Bar(
            name="after", orientation="h", y=rows, x=[measure.now(line) * measure.factor for line in lines], width=0.5,
            marker={"color": [ACCENT if line.layer == chosen else BLUE for line in lines], "line": {"width": 0}},
            hovertext=[_hover(line, measure) for line in lines], hoverinfo="text",
            customdata=[line.layer for line in lines],
        )
    )  # fmt: skip
    figure.update_layout(
        template="none",
        barmode="overlay",
        height=(ROW if len(lines) <= MANY else THIN_ROW) * len(lines) + 76,
        margin={"l": 8, "r": 12, "t": 26, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
        dragmode=False,
        xaxis={"title": measure.axis, "automargin": True, "fixedrange": True, "rangemode": "tozero"},
        yaxis={
            "automargin": True, "fixedrange": True, "tickvals": rows, "ticktext": [line.layer for line in lines],
            "range": (len(lines) - 0.4, -0.6), "showgrid": False, "zeroline": False, "ticksuffix": " ",
        },
    )  # fmt: skip
    return figure


def _hover(line: Line, measure: Measure) -> str:
    before = measure.before(line)
    was = f"; {measure.words(before)} before" if before is not None else ""
    return f"<b>{line.layer}</b> ({line.kind})<br>{measure.words(measure.now(line))}{was}"
