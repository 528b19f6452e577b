"""Sensitivity of layers: how far each alone can go above a floor of accuracy, and the curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from compression import units
from compression.charts.figure import MARGIN, Figure, Trace, figure, line, scatter
from compression.charts.palette import ACCENT, BLUE, GREEN, NEUTRAL, ORANGE, PINK, VIOLET
from compression.inquiries.layer_tables import LEVELS, Cell, LayerTable, Tables
from compression.results.score import said

Way = Literal["quantization", "magnitude_pruning", "weight_sharing", "low_rank", "channel_pruning"]
WAYS: dict[Way, str] = {
    "quantization": "Fewer bits",
    "magnitude_pruning": "More zeros",
    "weight_sharing": "Shared values",
    "low_rank": "Lower rank",
    "channel_pruning": "Fewer channels",
}
_AXES: dict[Way, str] = {
    "quantization": "bits of this layer's weights",
    "magnitude_pruning": "zeros among this layer's weights, %",
    "weight_sharing": "different values of this layer's weights",
    "low_rank": "of this layer's rank, %",
    "channel_pruning": "channels gone of this layer and those coupled with it, %",
}
_FORMS: dict[Way, str] = {
    "quantization": "{} bits",
    "magnitude_pruning": "{} zeros",
    "weight_sharing": "{} values",
    "low_rank": "{} of the rank",
    "channel_pruning": "{} fewer channels",
}


def number_in_words(way: Way, level: float) -> str:
    """'4', or '50 %'."""
    return f"{level:g}" if level > 1 or way in ("quantization", "weight_sharing") else units.share(level)


def form_in_words(way: Way, level: float) -> str:
    """'4 bits', '50 % zeros'."""
    return "1 bit" if way == "quantization" and level == 1 else _FORMS[way].format(number_in_words(way, level))


Shown = Literal["accuracy", "loss"]
SHOWN: dict[Shown, str] = {"accuracy": "Accuracy", "loss": "Change of answers"}
"""What curves show. A loss is how far the probabilities of the classes move: also where all answers stay right."""


_LOOKS = ((BLUE, "circle"), (ORANGE, "square"), (GREEN, "diamond"), (PINK, "triangle-up"), (VIOLET, "cross"))
"""Curves with a colour of their own: the most sensitive layers. The others are grey."""
HEIGHT = 380


@dataclass(frozen=True)
class Reach:
    """How far one layer can go with the accuracy at or above the floor; None where not even the mildest form does.

    `form` is the hardest one of the way that was asked for, in words, and `saved` the bytes of the stored file that it
    saves, in all layers that it changes. `lost` is what the network loses on average over all forms that were tried (0
    to 1): the layer's rank. `is_whole` where even the hardest form stays above the floor.
    """

    name: str
    form: str | None
    saved: float
    fewest_bits: float | None
    most_zeros: float | None
    lost: float
    is_whole: bool


def floor_of(found: Tables, drop_points: float) -> float:
    """The accuracy (0 to 1) that is `drop_points` percentage points below the network's."""
    return found.accuracy - drop_points / 100


def reaches(found: Tables, drop_points: float, way: Way) -> list[Reach]:
    """Every layer that the way suits, the most sensitive one first."""
    floor, rows = floor_of(found, drop_points), []
    for layer in found.layers:
        cells = layer.of(way)
        if cells:
            last = _last(cells, floor)
            bits, zeros = (_last(layer.of(one), floor) for one in ("quantization", "magnitude_pruning"))
            rows.append(
                Reach(
                    name=layer.name,
                    form=form_in_words(way, last.level) if last else None,
                    saved=_before(found, layer, last) - last.bytes if last else 0.0,
                    fewest_bits=bits.level if bits else None,
                    most_zeros=zeros.level if zeros else None,
                    lost=sum(found.accuracy - cell.accuracy for cell in cells) / len(cells),
                    is_whole=last is cells[-1],
                )
            )
    return sorted(rows, key=lambda row: -row.lost)


def _before(found: Tables, layer: LayerTable, cell: Cell) -> float:
    """The bytes of all layers that a cell changes, as they are."""
    names = {left.layer for left in cell.left} or {layer.name}
    return sum(one.bytes for one in found.layers if one.name in names)


def _last(cells: Sequence[Cell], floor: float) -> Cell | None:
    """The hardest form before the accuracy first falls below the floor."""
    reached = None
    for cell in cells:
        if cell.accuracy < floor - 1e-9:
            break
        reached = cell
    return reached


def words_of(found: Tables, drop_points: float, way: Way) -> str:
    """Which layers fall below the floor first, in a sentence."""
    rows = reaches(found, drop_points, way)
    if not rows:
        return "No layer of this network can be compressed in this way."
    mildest, hardest = (form_in_words(way, LEVELS[way][end]) for end in (0, -1))
    worst = [row for row in rows if not row.is_whole]
    if not worst and rows[0].lost <= 1 / found.n_images:
        return (
            f"Each layer alone stays above the floor at {hardest}, and none costs more than one of "
            f"{found.n_images:,} images on average: no single layer stands in the way."
        )
    if not worst:
        return (
            f"Each layer alone stays above the floor at {hardest}: no single layer stands in the way. "
            f"The most sensitive is **{rows[0].name}**, which costs {_points(rows[0].lost, found.n_images)}, on "
            f"average of {mildest} to {hardest}."
        )
    named = ", ".join(f"**{row.name}** ({_reach_in_words(row, mildest, way)})" for row in worst[:3])
    more = f", and {len(worst) - 3} more" if len(worst) > 3 else ""
    return f"Most sensitive: {named}{more}. {len(rows) - len(worst)} of {len(rows)} layers stay above it at {hardest}."


PROVEN = 6
"""With fewer images whose answer changes no paired test finds a difference: 2 × 0.5 to the 6th is below 5 %."""


def _points(lost: float, images: int) -> str:
    """'0.3 points (1.5 of 500 images, which may be chance)'."""
    count = lost * images
    chance = ", which may be chance" if count < PROVEN else ""
    return f"{units.percent(lost)} points ({count:.3g} of {images:,} images{chance})"


def _reach_in_words(row: Reach, mildest: str, way: Way) -> str:
    if row.form is None:
        return f"not even {mildest}"
    return f"{'up' if way in ('magnitude_pruning', 'channel_pruning') else 'down'} to {row.form}"


def draw(found: Tables, drop_points: float, way: Way, chosen: str = "", shown: Shown = "accuracy") -> Figure:
    """A curve for each layer; the most sensitive and the chosen one in colour, with symbols.

    Accuracies have their floor, dashed; losses, in nats, go by their logarithm, and less is better.
    """
    order = [row.name for row in reaches(found, drop_points, way)]
    named = dict(zip(order, _LOOKS, strict=False))
    if chosen in order:
        named = {name: look for name, look in named.items() if name != chosen} | {chosen: (ACCENT, "star")}
    layers = {layer.name: layer for layer in found.layers if layer.name in order}
    ticks = [number_in_words(way, level).split()[0] for level in LEVELS[way]]  # the axis says of what
    return figure(
        [
            _curve(found, layers[name], way, named.get(name), shown)
            for name in sorted(layers, key=lambda name: (name in named, -order.index(name)))
        ],
        HEIGHT,
        _AXES[way],
        said("accuracy %") if shown == "accuracy" else "change of answers, nats (log scale)",
        xaxis={"tickvals": list(range(len(ticks))), "ticktext": ticks, "range": (-0.2, len(ticks) - 0.8)},
        **(_of_accuracy(found, drop_points, way) if shown == "accuracy" else {"yaxis": LOSSES}),
        legend={"y": -0.22, "yanchor": "top", "traceorder": "reversed"},
        margin=MARGIN,
    )


def _of_accuracy(found: Tables, drop_points: float, way: Way) -> Figure:
    """The axis, the floor and the model as it is."""
    return {
        "yaxis": {"range": _range(found, drop_points, way)},
        "shapes": [
            line(ACCENT, 1.5, y=100 * floor_of(found, drop_points)),
            line(NEUTRAL, dash="dot", y=100 * found.accuracy),
        ],
    }


LOSSES = {
    "type": "log",
    "tickvals": [10.0**power for power in range(-6, 2)],
    "ticktext": [f"{10.0**power:.{max(0, -power)}f}" for power in range(-6, 2)],
}
"""Plain decimals: not everybody reads powers of ten."""
LEAST_LOSS = 1e-6
"""Nats: a loss below it is rounding, and is drawn there."""


def _range(found: Tables, drop_points: float, way: Way) -> tuple[float, float]:
    """All curves and the floor, with some room."""
    values = [found.accuracy, *(cell.accuracy for layer in found.layers for cell in layer.of(way))]
    low, high = min(*values, floor_of(found, drop_points)), max(values)
    room = 0.06 * (high - low) + 0.001
    return 100 * (low - room), min(100.0, 100 * (high + room))


def _curve(found: Tables, layer: LayerTable, way: Way, look: tuple[str, str] | None, shown: Shown) -> Trace:
    colour, symbol = look or (NEUTRAL, "circle")
    cells = layer.of(way)
    return scatter(
        layer.name,
        [LEVELS[way].index(cell.level) for cell in cells],
        [100 * cell.accuracy if shown == "accuracy" else max(cell.loss, LEAST_LOSS) for cell in cells],
        [
            f"<b>{layer.name}</b>, {form_in_words(way, cell.level)}<br>{units.percent(cell.accuracy)} %, "
            f"{units.three_digits(cell.loss)} nats<br>{units.size(cell.bytes)} instead of "
            f"{units.size(_before(found, layer, cell))}"
            for cell in cells
        ],
        mode="lines+markers",
        showlegend=look is not None,
        opacity=1 if look else 0.35,
        line={"color": colour, "width": 2 if look else 1},
        marker={"color": colour, "size": 9 if look else 5, "symbol": symbol},
    )
