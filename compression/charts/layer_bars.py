"""Every layer as a bar: bytes, time or operations, this network's beside the uncompressed one's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compression import units
from compression.charts.figure import Figure, figure, rows
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
