"""Ranges of activations: what leaves each layer, and what a quantizer keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compression import units
from compression.charts.figure import Figure, Trace, figure, rows, scatter
from compression.charts.palette import BLUE, NEUTRAL, ORANGE
from compression.inquiries.activations import ActivationRange, Activations

ROW = 30
"""Pixels for one layer."""
IMAGE = "image"
"""What goes into the network: it is rounded too, but is no layer's output."""


def table_of(found: Activations) -> list[dict[str, object]]:
    """One row a layer, for a table and for CSV."""
    before = {row.name: row for row in found.baseline}
    return [
        {
            "layer": row.name,
            **row.model_dump(exclude={"name"}),
            "bits": row.bits or None,
            "clipped": 100 * row.clipped if row.bits else None,
            "before_max": before[row.name].max if row.name in before else None,
        }
        for row in found.subject
    ]


def words_of(found: Activations) -> str:
    """Where activations are rounded, and what that cuts off."""
    rounded = [row for row in found.subject if row.bits]
    if found.dynamic:
        return "Ranges are found anew for each image, so that nothing is cut off; no fixed range is drawn."
    if not rounded:
        return "Activations are floats here: nothing is rounded or cut off."
    bits = "/".join(str(number) for number in sorted({row.bits for row in rounded}))
    worst = max(rounded, key=lambda row: row.clipped)
    clipped = f"at most {units.three_digits(100 * worst.clipped)} % of the values are cut off (**{worst.name}**)"
    cut = clipped if worst.clipped else "no value is cut off"
    layers = [row for row in found.subject if row.name != IMAGE]
    outputs = f"{sum(row.bits > 0 for row in layers)} of {len(layers)} layers' outputs"
    image = any(row.name == IMAGE for row in rounded)
    return f"{f'The image and {outputs}' if image else outputs} are rounded to {bits} bits; {cut}."


def draw(found: Activations) -> Figure:
    """Thin: smallest to largest value. Thick: all but one in a thousand at each end. Brackets: what is kept."""
    kept = [(number, row) for number, row in enumerate(found.subject) if row.bits]
    traces = [
        _lines("smallest to largest", [(row.min, row.max) for row in found.subject], NEUTRAL, 2),
        _lines("all but 1 in 1,000 at each end", [(row.low, row.high) for row in found.subject], BLUE, 9),
        *([_brackets(kept)] if kept else []),
        _markers(
            "",
            list(enumerate(found.subject)),
            [row.max for row in found.subject],
            marker={"size": 12, "opacity": 0},
            showlegend=False,
        ),
    ]
    return figure(
        traces,
        ROW * len(found.subject) + 90,
        "value",
        legend=True,
        xaxis={"zeroline": True},
        yaxis=rows([row.name for row in found.subject]),
    )


def _lines(name: str, ends: Sequence[tuple[float, float]], colour: str, width: int) -> Trace:
    x = [value for low, high in ends for value in (low, high, None)]
    y = [value for number in range(len(ends)) for value in (number, number, None)]
    return scatter(name, x, y, mode="lines", line={"color": colour, "width": width})


def _brackets(kept: Sequence[tuple[int, ActivationRange]]) -> Trace:
    both = [row for row in kept for _ in range(2)]
    ends = [end for _, row in kept for end in (row.kept_low, row.kept_high)]
    marker = {"color": ORANGE, "symbol": "line-ns-open", "size": 18, "line": {"width": 3, "color": ORANGE}}
    return _markers("range that is kept", both, ends, marker=marker)


def _markers(
    name: str,
    found: Sequence[tuple[int, ActivationRange]],
    places: Sequence[float | None],
    **look: Any,  # noqa: ANN401  (plotly's own settings)
) -> Trace:
    """Marks on the rows with these numbers."""
    hover = [_hover(row) for _, row in found]
    return scatter(name, places, [number for number, _ in found], hover, mode="markers", **look)


def _hover(row: ActivationRange) -> str:
    digits = units.three_digits
    inner = f"99.8 % lie in {digits(row.low)} to {digits(row.high)}"
    text = f"<b>{row.name}</b><br>{digits(row.min)} to {digits(row.max)}; {inner}"
    if row.kept_low is None or row.kept_high is None:
        return text
    kept = f"{digits(row.kept_low)} to {digits(row.kept_high)} in {row.bits} bits"
    return f"{text}<br>kept: {kept}; {digits(100 * row.clipped)} % cut off"
