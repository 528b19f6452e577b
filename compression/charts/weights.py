"""Pictures of one layer's weights: histograms with the levels of the grid, zeros, and filters."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compression import units
from compression.charts.figure import Figure, Trace, digits, figure, heat, histogram, percent, scatter
from compression.charts.palette import BLUE, NEUTRAL, ORANGE, SIGNED
from compression.inquiries.weights import Histogram, LayerWeights

HEIGHT = 320
MAX_LEVELS = 64
"""Lines that can still be told apart in a chart."""
DWARFS = 3
"""Exact zeros are one bar among others up to so many times the highest of these; a higher one would hide them all."""
GAP = 1
"""Empty pixels between two filters."""


Unit = Literal["values", "steps"]
UNITS: dict[Unit, str] = {"values": "Values", "steps": "Steps of the grid"}


def units_of(layer: LayerWeights) -> list[Unit]:
    """What weights can be counted in; the one that shows more comes first.

    In steps of their channel's grid all channels have their levels at the same places; but a layer whose shape has
    changed has no former weights there.
    """
    if layer.steps is None:
        return ["values"]
    return ["values", "steps"] if layer.original and not len(layer.steps.before) else ["steps", "values"]


def shown(layer: LayerWeights, unit: Unit) -> Histogram:
    """The histogram in this unit."""
    return layer.steps if unit == "steps" and layer.steps is not None else layer.values


def histogram_words(layer: LayerWeights, unit: Unit) -> str:
    """What the chart says, and what it leaves out."""
    found = shown(layer, unit)
    parts = [_before_words(layer, found), _levels_words(layer, found, unit)]
    if found.zeros_after and not _are_zeros_drawn(found):
        zeros = f"{found.zeros_after:,} of {found.zeros_after + int(found.after.sum()):,}"
        parts.append(f"Exact zeros are not drawn, as they would dwarf the rest: {zeros} weights.")
    return " ".join(filter(None, parts))


def _are_zeros_drawn(found: Histogram) -> bool:
    return 0 < found.zeros_after <= DWARFS * float(found.after.max(initial=0))


def _with_zeros(counts: NDArray[Any], zeros: int, edges: NDArray[Any]) -> NDArray[Any]:
    """The counts with the exact zeros in the bar that 0 lies in."""
    drawn = np.array(counts)
    at = int(np.searchsorted(edges, 0.0, side="right")) - 1
    if len(drawn):
        drawn[min(max(at, 0), len(drawn) - 1)] += zeros
    return drawn


def _before_words(layer: LayerWeights, found: Histogram) -> str:
    if not layer.original:
        return "There is no layer of the uncompressed network to compare with."
    if layer.shape == layer.original_shape:
        return ""
    was, now = (" × ".join(map(str, shape)) for shape in (layer.original_shape, layer.shape))
    changed = f"Before, {layer.original} had {was} weights; now this layer has {now}."
    return changed if len(found.before) else f"{changed} Its former weights have no place on these grids."


def _levels_words(layer: LayerWeights, found: Histogram, unit: Unit) -> str:
    count = len(found.levels)
    each = "Each output channel has its own grid"
    if layer.steps is not None and unit == "values":
        return f"{each}, so there are no levels that all weights share: see steps of the grid."
    start = f"{each}; weights are counted in its steps. " if unit == "steps" else ""
    if count > MAX_LEVELS:
        return f"{start}The weights use a grid of {count} levels, too close together to draw as lines."
    if count:
        return f"{start}Thin lines: the {count} levels that the weights may take."
    return "The weights are floats: there are no levels."


def draw_histogram(layer: LayerWeights, unit: Unit) -> Figure:
    """How many weights lie where, before (outline) and after (bars), with the grid's levels as thin lines."""
    found = shown(layer, unit)
    after, before = found.after, found.before
    if _are_zeros_drawn(found):
        after, before = (
            _with_zeros(counts, zeros, found.edges)
            for counts, zeros in ((after, found.zeros_after), (before, found.zeros_before))
        )
    traces = [histogram(after, found.edges, BLUE, "after", f"after: %{{y:,}} weights near {digits('x')}")]
    if len(before):
        middles = (found.edges[:-1] + found.edges[1:]) / 2
        look = {"color": ORANGE, "width": 2, "shape": "hvh"}
        hover = f"before: %{{y:,}} weights near {digits('x')}"
        traces.append(scatter("before", middles.tolist(), before.tolist(), hover, mode="lines", line=look))
    if 0 < len(found.levels) <= MAX_LEVELS:
        top = float(max(after.max(initial=0), before.max(initial=0), 1))
        traces.append(_level_lines(found.levels, top))
    return figure(
        traces,
        HEIGHT,
        "weight, in steps of its channel's grid" if unit == "steps" else "weight",
        "weights",
        legend=True,
        yaxis={"rangemode": "tozero", "zeroline": True},
        bargap=0,
    )


def _level_lines(levels: NDArray[Any], top: float) -> Trace:
    x, y = np.repeat(levels, 3).tolist(), [0.0, top, None] * len(levels)
    return scatter("levels", x, y, mode="lines", line={"color": NEUTRAL, "width": 0.7})


def zeros_words(layer: LayerWeights) -> str:
    """What one cell of the picture stands for."""
    rows = layer.shape[0]
    columns = int(np.prod(layer.shape[1:]))
    total = rows * columns
    share = f"{layer.n_zeros:,} of {total:,} weights are zero ({units.share(layer.n_zeros / total, 1)})"
    matrix = f"The weight as a matrix of {rows:,} outputs × {columns:,} inputs. {share}."
    if layer.cell == (1, 1):
        return f"{matrix} One cell is one weight."
    size = f"{layer.cell[0]} × {layer.cell[1]}"
    return f"{matrix} It is too large to draw: one cell is the share of zeros among {size} weights."


def draw_zeros(layer: LayerWeights) -> Figure:
    """The whole matrix: from grey (all zero) to blue (no zeros)."""
    kept = 100 - 100 * layer.zeros.astype(float) / 255
    return _matrix(kept, f"{percent('z')} not zero", cell=layer.cell)


def draw_corner(layer: LayerWeights) -> Figure:
    """The first rows and columns, weight by weight: patterns such as 2:4 are seen here."""
    return _matrix(100.0 * ~layer.corner, "output %{y}, input %{x}", gap=1)


def _matrix(kept: NDArray[Any], hover: str, gap: int = 0, cell: tuple[int, int] = (1, 1)) -> Figure:
    rows, columns = kept.shape
    places = {"x0": (cell[1] - 1) / 2, "dx": cell[1], "y0": (cell[0] - 1) / 2, "dy": cell[0]}
    cells = heat(kept, (0, 100), [[0, "#e3e3e3"], [1, BLUE]], hover, xgap=gap, ygap=gap, **places)
    pixels = max(3, min(16, 560 // max(rows, columns // 2)))
    height = max(90, min(380, rows * pixels)) + 54
    bare = {"showgrid": False}
    return figure([cells], height, "inputs", "outputs", xaxis=bare, yaxis=bare | {"autorange": "reversed"})


def mosaic(filters: NDArray[Any]) -> NDArray[np.float64]:
    """Kernels (outputs x inputs x height x width) side by side, a row for each output; NaN between them."""
    spaced = np.pad(filters.astype(float), ((0, 0), (0, 0), (0, GAP), (0, GAP)), constant_values=np.nan)
    outputs, inputs, height, width = spaced.shape
    return spaced.transpose(0, 2, 1, 3).reshape(outputs * height, inputs * width)[:-GAP, :-GAP]


def arranged(filters: NDArray[Any], columns: int = 8) -> NDArray[Any]:
    """Kernels of one input in several columns instead of one long one; the last row is filled up with NaN."""
    outputs, inputs, height, width = filters.shape
    if inputs > 1 or not outputs:
        return filters
    columns = min(columns, outputs)
    filled = np.pad(filters[:, 0], ((0, -outputs % columns), (0, 0), (0, 0)), constant_values=np.nan)
    return filled.reshape(-1, columns, height, width)


def colour_range(layer: LayerWeights) -> float:
    """The largest magnitude before or after: both pictures have one scale of colours."""
    return max(float(np.abs(part).max(initial=0)) for part in (layer.filters, layer.filters_before)) or 1.0


def draw_filters(filters: NDArray[Any], limit: float) -> Figure:
    """Kernels as small pictures: orange below zero, blue above."""
    picture = mosaic(arranged(filters.astype(float)))
    rows, columns = picture.shape
    bar = {"showscale": True, "colorbar": {"thickness": 10, "len": 0.9}}
    cells = heat(picture, (-limit, limit), SIGNED, digits("z"), **bar)
    height = int(max(120, min(560, 420 * rows / columns)))
    bare = {"visible": False, "constrain": "domain"}
    upright = {"autorange": "reversed", "scaleanchor": "x"}
    return figure([cells], height, xaxis=bare, yaxis=bare | upright, margin=dict.fromkeys("lrtb", 4))
