"""Every layer as a bar: bytes, time or operations, this network's beside the uncompressed one's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compression import units
from compression.charts.figure import Figure, figure, rows
from compression.charts.palette import ACCENT, BLUE, NEUTRAL
from compression.explain.layers import Line
from compression.inquiries.anatomy import LayerRow

ROW, THIN_ROW, MANY = 26, 17, 30
"""Pixels for one layer, and for each of more than `MANY`."""


@dataclass(frozen=True)
class Measure:
    """A number of layers that bars can show: the axis' words, how much of it 1 of `field` is, and it in words."""

    title: str
    axis: str
    factor: float
    field: str
    words: Callable[[float], str]

    def now(self, layer: Line | LayerRow) -> float:
        """Of this network."""
        return float(getattr(layer, self.field))

    def before(self, layer: Line) -> float | None:
        """Of the layer that it was made from, where there is one."""
        value: float | None = getattr(layer, f"before_{self.field}")
        return value


MEASURES = {
    "stored": Measure("Stored bytes", "KB in the stored file", 1e-3, "stored_bytes", units.size),
    "ms": Measure("Time", "µs for one image", 1e3, "ms", units.short_time),
    "macs": Measure("Operations", "million MACs", 1e-6, "macs", units.count),
    "parameters": Measure("Parameters", "thousand parameters", 1e-3, "parameters", units.count),
}


def draw(lines: Sequence[Line], measure: Measure, chosen: str = "") -> Figure:
    """One bar a layer; the baseline's is an outline around it. The chosen layer has the accent's colour."""
    places = list(range(len(lines)))
    before = [measure.before(line) for line in lines]
    outlines = {
        "type": "bar",
        "name": "before",
        "orientation": "h",
        "y": places,
        "width": 0.8,
        "hoverinfo": "skip",
        "x": [(value or 0) * measure.factor for value in before],
        "marker": {"color": "rgba(0,0,0,0)", "line": {"color": NEUTRAL, "width": 1.5}},
    }
    bars = {
        "type": "bar",
        "name": "after",
        "orientation": "h",
        "y": places,
        "width": 0.5,
        "x": [measure.now(line) * measure.factor for line in lines],
        "marker": {"color": [ACCENT if line.layer == chosen else BLUE for line in lines], "line": {"width": 0}},
        "hovertext": [_hover(line, measure) for line in lines],
        "hoverinfo": "text",
        "customdata": [line.layer for line in lines],
    }
    return figure(
        [*([outlines] if any(value is not None for value in before) else []), bars],
        (ROW if len(lines) <= MANY else THIN_ROW) * len(lines) + 76,
        measure.axis,
        legend=True,
        xaxis={"rangemode": "tozero", "zeroline": True},
        yaxis=rows([line.layer for line in lines]),
        barmode="overlay",
    )


def _hover(line: Line, measure: Measure) -> str:
    before = measure.before(line)
    was = f"; {measure.words(before)} before" if before is not None else ""
    return f"<b>{line.layer}</b> ({line.kind})<br>{measure.words(measure.now(line))}{was}"
