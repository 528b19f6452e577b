"""Sensitivity of layers: how far each alone can go above a floor of accuracy, and the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from compression import units
from compression.charts.figure import MARGIN, Figure, Trace, figure, line, scatter
from compression.charts.palette import ACCENT, BLUE, GREEN, NEUTRAL, ORANGE, PINK, VIOLET
from compression.inquiries.sensitivity import BITS, SPARSITIES, LayerSensitivity, Sensitivities
from compression.results.score import said

N = TypeVar("N", int, float, str)
Way = Literal["bits", "sparsity"]
WAYS: dict[Way, str] = {"bits": "Fewer bits", "sparsity": "More zeros"}
FORMS: dict[Way, list[str]] = {
    "bits": [f"{bits} bits" for bits in BITS],
    "sparsity": [f"{units.share(share)} zeros" for share in SPARSITIES],
}
"""What is tried, from the mildest form to the hardest."""
_LOOKS = ((BLUE, "circle"), (ORANGE, "square"), (GREEN, "diamond"), (PINK, "triangle-up"), (VIOLET, "cross"))
"""Curves with a colour of their own: the most sensitive layers. The others are grey."""
HEIGHT = 380


@dataclass(frozen=True)
class Reach:
    """How far one layer can go with the accuracy at or above the floor; None where not even the mildest form does.

    `form` is the hardest one of the way that was asked for, in words. `lost` is what the network loses on average over
    all forms that were tried (0 to 1): the layer's rank.
    """

    name: str
    form: str | None
    fewest_bits: int | None
    most_zeros: float | None
    lost: float


def accuracies(layer: LayerSensitivity, way: Way) -> tuple[float, ...]:
    """From the mildest form to the hardest."""
    return layer.by_bits if way == "bits" else layer.by_sparsity


def floor_of(found: Sensitivities, drop_points: float) -> float:
    """The accuracy (0 to 1) that is `drop_points` percentage points below the network's."""
    return found.accuracy - drop_points / 100


def reaches(found: Sensitivities, drop_points: float, way: Way) -> list[Reach]:
    """Every layer, the most sensitive one first."""
    floor = floor_of(found, drop_points)
    rows = [
        Reach(
            name=layer.name,
            form=_last(FORMS[way], accuracies(layer, way), floor),
            fewest_bits=_last(BITS, layer.by_bits, floor),
            most_zeros=_last(SPARSITIES, layer.by_sparsity, floor),
            lost=sum(found.accuracy - value for value in accuracies(layer, way)) / len(accuracies(layer, way)),
        )
        for layer in found.layers
    ]
    return sorted(rows, key=lambda row: -row.lost)


def _last(forms: Sequence[N], values: Sequence[float], floor: float) -> N | None:
    """The hardest form before the accuracy first falls below the floor."""
    reached = None
    for form, value in zip(forms, values, strict=True):
        if value < floor - 1e-9:
            break
        reached = form
    return reached


def words_of(found: Sensitivities, drop_points: float, way: Way) -> str:
    """Which layers fall below the floor first, in a sentence."""
    rows, hardest = reaches(found, drop_points, way), FORMS[way][-1]
    worst = [row for row in rows if row.form != hardest]
    if not worst and rows[0].lost <= 1 / found.n_images:
        return (
            f"Each layer alone stays above the floor at {hardest}, and none costs more than one of "
            f"{found.n_images:,} images on average: no single layer stands in the way."
        )
    if not worst:
        return (
            f"Each layer alone stays above the floor at {hardest}: no single layer stands in the way. "
            f"The most sensitive is **{rows[0].name}**, which costs {_points(rows[0].lost, found.n_images)}, on "
            f"average of {FORMS[way][0]} to {hardest}."
        )
    named = ", ".join(f"**{row.name}** ({_reach_in_words(row, way)})" for row in worst[:3])
    more = f", and {len(worst) - 3} more" if len(worst) > 3 else ""
    return f"Most sensitive: {named}{more}. {len(rows) - len(worst)} of {len(rows)} layers stay above it at {hardest}."


PROVEN = 6
"""With fewer images whose answer changes no paired test finds a difference: 2 × 0.5 to the 6th is below 5 %."""


def _points(lost: float, images: int) -> str:
    """'0.3 points (1.5 of 500 images, which may be chance)'."""
    count = lost * images
    chance = ", which may be chance" if count < PROVEN else ""
    return f"{units.percent(lost)} points ({count:.3g} of {images:,} images{chance})"


def _reach_in_words(row: Reach, way: Way) -> str:
    return f"{'down' if way == 'bits' else 'up'} to {row.form}" if row.form else f"not even {FORMS[way][0]}"


def draw(found: Sensitivities, drop_points: float, way: Way, chosen: str = "") -> Figure:
    """A curve for each layer; the most sensitive and the chosen one in colour, with symbols. The floor is dashed."""
    order = [row.name for row in reaches(found, drop_points, way)]
    named = dict(zip(order, _LOOKS, strict=False))
    if chosen in order:
        named = {name: look for name, look in named.items() if name != chosen} | {chosen: (ACCENT, "star")}
    layers = {layer.name: layer for layer in found.layers}
    ticks = [form.rsplit(maxsplit=1)[0] for form in FORMS[way]]  # the axis says of what
    return figure(
        [
            _curve(layers[name], way, named.get(name))
            for name in sorted(layers, key=lambda name: (name in named, -order.index(name)))
        ],
        HEIGHT,
        "bits of this layer's weights" if way == "bits" else "zeros among this layer's weights",
        said("accuracy %"),
        xaxis={"tickvals": list(range(len(ticks))), "ticktext": ticks, "range": (-0.2, len(ticks) - 0.8)},
        yaxis={"range": _range(found, drop_points, way)},
        shapes=[
            line(ACCENT, 1.5, y=100 * floor_of(found, drop_points)),
            line(NEUTRAL, dash="dot", y=100 * found.accuracy),
        ],
        legend={"y": -0.22, "yanchor": "top", "traceorder": "reversed"},
        margin=MARGIN,
    )


def _range(found: Sensitivities, drop_points: float, way: Way) -> tuple[float, float]:
    """All curves and the floor, with some room."""
    values = [value for layer in found.layers for value in accuracies(layer, way)]
    low, high = min(*values, floor_of(found, drop_points)), max(*values, found.accuracy)
    room = 0.06 * (high - low) + 0.001
    return 100 * (low - room), min(100.0, 100 * (high + room))


def _curve(layer: LayerSensitivity, way: Way, look: tuple[str, str] | None) -> Trace:
    colour, symbol = look or (NEUTRAL, "circle")
    values = accuracies(layer, way)
    return scatter(
        layer.name,
        range(len(values)),
        [100 * value for value in values],
        [
            f"<b>{layer.name}</b>, {form}<br>{units.percent(value)} % ({units.count(layer.weights)} weights)"
            for form, value in zip(FORMS[way], values, strict=True)
        ],
        mode="lines+markers",
        showlegend=look is not None,
        opacity=1 if look else 0.35,
        line={"color": colour, "width": 2 if look else 1},
        marker={"color": colour, "size": 9 if look else 5, "symbol": symbol},
    )
