"""Layers of several networks side by side: first the numbers, then the picture. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compression import units
from compression.charts.figure import Figure, bars, figure
from compression.charts.layer_bars import Measure
from compression.explain.comparison import Contender
from compression.explain.layers import WRITTEN
from compression.inquiries.anatomy import LayerRow

BAR = 16
"""Pixels for one bar."""


@dataclass(frozen=True)
class Line:
    """One place in the networks, and what each of them has there: None where it has no such layer."""

    title: str
    cells: tuple[LayerRow | None, ...]


def are_alike(networks: Sequence[Sequence[LayerRow]]) -> bool:
    """Whether all have the same layers, as far as names and kinds tell."""
    first = [(row.name, row.kind) for row in networks[0]]
    return all([(row.name, row.kind) for row in rows] == first for rows in networks)


def lines_of(networks: Sequence[Sequence[LayerRow]]) -> tuple[Line, ...]:
    """Layers of the same name beside each other, in the first network's order; then what only others have."""
    places = [{row.name: row for row in rows} for rows in networks]
    names = list(dict.fromkeys(name for place in places for name in place))
    return tuple(Line(name, tuple(place.get(name) for place in places)) for name in names)


def shape_words(row: LayerRow) -> str:
    """'32 × 16 × 3 × 3'."""
    return " × ".join(f"{size:,}" for size in row.shape)


def weight_words(row: LayerRow) -> str:
    """'4.64 k weights, 50 % not zero, codes of 4 bits'; of zeros only where there are some."""
    whole = row.nonzero == row.weights
    share = "" if whole else f", {units.percent(row.nonzero / row.weights, 0)} % not zero"
    return f"{units.count(row.weights)} weights{share}, {_written(row)}"


def _written(row: LayerRow) -> str:
    if row.format == "codes":
        return f"codes of {units.counted(row.bits, 'bit')}"
    return f"{row.levels:,} shared values" if row.format == "codebook" else WRITTEN[row.format]


def cost_words(row: LayerRow) -> str:
    """'1.2 KB stored, 12.3 µs, 4.5 M MACs'."""
    return f"{units.size(row.stored_bytes)} stored, {units.short_time(row.ms)}, {units.count(row.macs)} MACs"


def draw(found: Sequence[Contender], lines: Sequence[Line], measure: Measure) -> Figure:
    """Bars of one measure, layer by layer."""
    titles = [line.title for line in lines]
    traces = [
        bars(
            contender.letter,
            [measure.factor * measure.read(row) if (row := line.cells[at]) else 0 for line in lines],
            titles,
            contender.colour,
            [_hover(contender, line.title, line.cells[at], measure) for line in lines],
            orientation="h",
        )
        for at, contender in enumerate(found)
    ]
    return figure(
        traces,
        len(titles) * (BAR * len(found) + 14) + 90,
        measure.axis,
        legend={"traceorder": "normal"},
        yaxis={"autorange": "reversed", "type": "category", "ticksuffix": " ", "showgrid": False},
        barmode="group",
        bargap=0.3,
    )


def _hover(contender: Contender, title: str, row: LayerRow | None, measure: Measure) -> str:
    if row is None:
        return f"<b>{contender.letter}</b> has no {title}"
    return (
        f"<b>{contender.letter}, {title}</b><br>{measure.title}: {measure.words(measure.read(row))}<br>"
        f"{row.kind}, {shape_words(row)}<br>{weight_words(row)}<br>{cost_words(row)}"
    )
