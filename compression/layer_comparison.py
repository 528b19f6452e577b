"""Layers of several networks side by side: first the numbers, then the picture. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from compression import wording
from compression.comparison import Contender
from compression.drawing import Figure
from compression.studies.layers import Layer

Measure = Literal["params", "nonzero", "macs"]
MEASURES: Mapping[Measure, str] = {
    "params": "Parameters",
    "nonzero": "Parameters not zero",
    "macs": "Operations (MACs)",
}
BAR = 16
"""Pixels for one bar."""


@dataclass(frozen=True)
class LayerRow:
    """One place in the networks, and what each of them has there: None where it has no such layer."""

    title: str
    cells: tuple[Layer | None, ...]


def are_alike(networks: Sequence[Sequence[Layer]]) -> bool:
    """Whether all have the same layers, as far as names and kinds tell."""
    first = [(layer.name, layer.kind) for layer in networks[0]]
    return all([(layer.name, layer.kind) for layer in layers] == first for layers in networks)


def rows(networks: Sequence[Sequence[Layer]]) -> tuple[LayerRow, ...]:
    """Layers of the same name beside each other, in the first network's order; then what only others have, in theirs.

    A network may call a layer several times (tied blocks): its calls are counted.
    """
    places = [_placed(layers) for layers in networks]
    names = list(dict.fromkeys(name for place in places for name in place))
    return tuple(LayerRow(name, tuple(place.get(name) for place in places)) for name in names)


def _placed(layers: Sequence[Layer]) -> dict[str, Layer]:
    found: dict[str, Layer] = {}
    for layer in layers:
        name, call = layer.name, 1
        while name in found:
            call += 1
            name = f"{layer.name} (call {call})"
        found[name] = layer
    return found


def shape_words(layer: Layer) -> str:
    """'32 × 16 × 3 × 3'."""
    return " × ".join(f"{size:,}" for size in layer.shape)


def weight_words(layer: Layer) -> str:
    """'4.64 k parameters, 50 % not zero, 16 values an output'; of values only where they are few."""
    if not layer.params:
        return "shares its weights"
    whole = layer.nonzero == layer.params
    share = "" if whole else f", {wording.percent(layer.nonzero / layer.params, 0)} % not zero"
    has_few = layer.values < math.prod(layer.shape[1:]) / 2  # else nearly every weight is another number
    few = f", {layer.values:,} value{'s' if layer.values > 1 else ''} an output" if has_few else ""
    return f"{wording.count(layer.params)} parameters{share}{few}"


def draw(found: Sequence[Contender], table: Sequence[LayerRow], measure: Measure) -> Figure:
    """Bars of one measure, layer by layer."""
    titles = [row.title for row in table]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": contender.letter,
            "y": titles,
            "x": [_amount(row.cells[at], lambda layer: getattr(layer, measure)) for row in table],
            "marker": {"color": contender.colour},
            "hovertext": [_hover(contender, row.title, row.cells[at]) for row in table],
            "hoverinfo": "text",
        }
        for at, contender in enumerate(found)
    ]
    return {
        "data": traces,
        "layout": {
            "height": len(titles) * (BAR * len(found) + 14) + 90,
            "margin": {"l": 8, "r": 12, "t": 30, "b": 8},
            "barmode": "group",
            "bargap": 0.3,
            "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
            "hovermode": "closest",
            "dragmode": False,
            "xaxis": {
                "title": {"text": MEASURES[measure].lower()}, "automargin": True, "fixedrange": True, "zeroline": False,
            },
            "yaxis": {
                "title": {"text": ""}, "autorange": "reversed", "automargin": True, "fixedrange": True,
                "type": "category", "ticksuffix": " ", "showgrid": False,
            },
        },
    }  # fmt: skip


def _amount(layer: Layer | None, read: Callable[[Layer], int]) -> int:
    return read(layer) if layer else 0


def _hover(contender: Contender, title: str, layer: Layer | None) -> str:
    if layer is None:
        return f"<b>{contender.letter}</b> has no {title}"
    return (
        f"<b>{contender.letter}, {title}</b><br>{layer.kind} {shape_words(layer)}<br>{weight_words(layer)}<br>"
        f"{wording.count(layer.macs)} MACs"
    )
