"""Every layer as a bar: bytes, time or operations, this network's beside the uncompressed one's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compression import units
from compression.charts.figure import Figure, bars, figure, rows
from compression.charts.palette import ACCENT, BLUE, NEUTRAL
from compression.explain.layers import Line
from compression.inquiries.anatomy import LayerRow

ROW, THIN_ROW, MANY = 26, 17, 30
"""Pixels for one layer, and for each of more than `MANY`."""
CLEAR = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class Measure:
    """What bars can show: a number of a layer, the axis' words and its unit's size, and the number in words."""

    title: str
    axis: str
    factor: float
    read: Callable[[LayerRow], float]
    words: Callable[[float], str]


MEASURES = {
    "stored": Measure("Stored bytes", "KB in the stored file", 1e-3, lambda row: row.stored_bytes, units.size),
    "ms": Measure("Time", "µs for one image", 1e3, lambda row: row.ms, units.short_time),
    "macs": Measure("Operations", "million MACs", 1e-6, lambda row: row.macs, units.count),
    "parameters": Measure("Parameters", "thousand parameters", 1e-3, lambda row: row.parameters, units.count),
    "nonzero": Measure("Weights not zero", "thousand weights", 1e-3, lambda row: row.nonzero, units.count),
}


def draw(lines: Sequence[Line], measure: Measure, chosen: str = "") -> Figure:
    """One bar a layer; the baseline's is an outline around it. The chosen layer has the accent's colour."""
    places = list(range(len(lines)))
    before = [line.before and measure.read(line.before) for line in lines]
    outlines = bars(
        "before",
        [(value or 0) * measure.factor for value in before],
        places,
        CLEAR,
        orientation="h",
        width=0.8,
        marker={"color": CLEAR, "line": {"color": NEUTRAL, "width": 1.5}},
    )
    now = bars(
        "after",
        [measure.read(line.row) * measure.factor for line in lines],
        places,
        [ACCENT if line.row.name == chosen else BLUE for line in lines],
        [_hover(line, measure) for line in lines],
        orientation="h",
        width=0.5,
        customdata=[line.row.name for line in lines],
    )
    return figure(
        [*([outlines] if any(value is not None for value in before) else []), now],
        (ROW if len(lines) <= MANY else THIN_ROW) * len(lines) + 90,
        measure.axis,
        legend=True,
        xaxis={"rangemode": "tozero", "zeroline": True},
        yaxis=rows([line.row.name for line in lines]),
        barmode="overlay",
    )


def _hover(line: Line, measure: Measure) -> str:
    was = f"; {measure.words(measure.read(line.before))} before" if line.before else ""
    return f"<b>{line.row.name}</b> ({line.kind})<br>{measure.words(measure.read(line.row))}{was}"
