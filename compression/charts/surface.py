"""The picture of a surface: a heat map over two sliders. Torch-free.

Measured cells are plain, estimated ones have a stroke through them: that is seen in black and white, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from compression import units
from compression.charts.axes import COSTS, GAINS
from compression.charts.figure import INK, Figure, Trace, figure, heat, scatter
from compression.charts.palette import ACCENT
from compression.charts.rise import Rise
from compression.recipe.settings import FLOAT_BITS
from compression.recipe.words import recipe_in_words
from compression.results.metrics import METRICS, SHARE, Metric
from compression.search.neighbours import Slider
from compression.search.surface import Cell, Surface

HEIGHT = 460
SCALE = [
    [0.0, "#00224e"],
    [0.25, "#434e6c"],
    [0.5, "#7d7c78"],
    [0.75, "#bcae6c"],
    [1.0, "#fee838"],
]
"""From worse to better, as cividis goes (Nunez, Anderton and Renslow, 2018): it reads alike for everybody."""
FEW = 100
"""Test images, where nobody knows how many there are: shares then have no decimals too many."""
BRIGHT = 0.55
"""Where of the scale strokes are dark instead of light."""
LIGHT, DARK = "#ffffff", "#101418"
"""Not the colour of words, which is light on a dark page: cells are the same on both."""
TITLES: dict[Slider, str] = {
    "pruning_percent": "Pruning ratio (%)",
    "weight_bits": "Bit width",
    "student_percent": "Student size (%)",
}
METRICS_SHOWN = (*GAINS, *COSTS, "ratio")
"""What measurements tell, and estimates of most settings."""


def draw(found: Surface, metric: Metric, measuring: Sequence[str] = (), *, height: int = HEIGHT) -> Figure:
    """The heat map of one metric; `measuring` are recipe_ids that are under way. Cells carry their recipe_id."""
    places = [[_place(cell, metric) for cell in row] for row in found.rows]
    known = [at for row in places for at in row if not math.isnan(at)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    span = (low, high if high > low else low + 1e-9)
    n_images = next((cell.result.n_test for cell in found.cells if cell.result is not None), FEW)
    words = [[_words(cell, metric, cell.recipe.recipe_id in measuring, n_images) for cell in row] for row in found.rows]
    ids = [[cell.recipe.recipe_id for cell in row] for row in found.rows]
    bar = _bar(metric, span, n_images) if known else {}
    cells = heat(places, span, SCALE, words, customdata=ids, xgap=1, ygap=1, name="settings", **bar)
    shares = [[(at - span[0]) / (span[1] - span[0]) for at in row] for row in places]
    traces = [
        cells,
        _strokes(found, shares, measuring),
        *_beyond(found),
        *_border(found),
        *_here(found),
    ]
    return figure(
        traces,
        height,
        TITLES[found.across],
        TITLES[found.up],
        xaxis=_axis(found.across, found.columns),
        yaxis=_axis(found.up, found.levels),
    )


def caption(found: Surface, metric: Metric) -> str:
    """How to read it, in words."""
    measured = sum(cell.result is not None for cell in found.cells)
    total = sum(1 for _ in found.cells)
    better = "more" if metric.more_is_better else "less"
    return (
        f"Colour: {metric.words}; the brighter, the better ({better} of it). {measured:,} of {total:,} settings are "
        "measured; those with a stroke are estimated. Click one to go there."
    )


def _place(cell: Cell, metric: Metric) -> float:
    """Where a value stands on the scale, more being better: shares by the logarithm of the error, costs by theirs."""
    value = cell.value(metric)
    if value is None:
        return math.nan
    if metric.unit is SHARE:
        return Rise(metric.key).place(100 * value)
    return -math.log(value) if value > 0 else math.nan


def _value(place: float, metric: Metric) -> float:
    """What stands there: the inverse of `_place`."""
    return 1 - 10**-place if metric.unit is SHARE else math.exp(-place)


TICKS = 5
"""Of the colour bar: as many as a phone has room for."""


def _bar(metric: Metric, span: tuple[float, float], n_images: int) -> dict[str, object]:
    """The colour bar, above the map: beside it, it would take a quarter of a phone's width."""
    places = [span[0] + (span[1] - span[0]) * number / (TICKS - 1) for number in range(TICKS)]
    bar = {
        "orientation": "h",
        "len": 1,
        "thickness": 12,
        "y": 1.01,
        "yanchor": "bottom",
        "outlinewidth": 0,
        "ypad": 0,
        "title": {"text": units.capital(metric.words), "side": "top", "font": {"size": 13}},
        "tickvals": places,
        "ticktext": [metric.unit.words(_value(at, metric), n_images) for at in places],
    }
    return {"showscale": True, "colorbar": bar}


def _words(cell: Cell, metric: Metric, is_measuring: bool, n_images: int) -> str:
    """One cell under the mouse; `n_images` are tested on."""
    lines = [f"<b>{recipe_in_words(cell.recipe)}</b>"]
    keys = dict.fromkeys((metric.key, "accuracy", "stored", "latency"))
    if cell.result is not None:
        lines += [f"{METRICS[key].words}: {METRICS[key].said(cell.result)}" for key in keys]
        how = "measured"
    else:
        lines += [words for key in keys if (words := _expected(cell, METRICS[key], n_images))]
        how = "being measured" if is_measuring else "estimated"
    beyond = "" if cell.is_within else ", beyond your limits"
    return "<br>".join([*lines, f"<i>{how}{beyond}</i>"])


def _expected(cell: Cell, metric: Metric, n_images: int) -> str:
    value = cell.value(metric)
    if value is None:
        return ""
    said = f"{metric.words}: about {metric.unit.words(value, n_images)}"
    limits = cell.expected.guess.accuracy_range
    if metric.key == "accuracy" and limits is not None:
        said += f" ({units.percent_interval(*limits)})"
    return said


def _points(found: Surface, chosen: Sequence[Sequence[bool]]) -> tuple[list[int], list[int]]:
    """Columns and rows of the cells that are chosen."""
    places = [(column, row) for row, line in enumerate(chosen) for column, is_it in enumerate(line) if is_it]
    return [column for column, _ in places], [row for _, row in places]


def _strokes(found: Surface, shares: Sequence[Sequence[float]], measuring: Sequence[str]) -> Trace:
    """A stroke through what is only estimated; a ring around what is being measured."""
    cells = [
        (column, row, shares[row][column], cell.recipe.recipe_id in measuring)
        for row, line in enumerate(found.rows)
        for column, cell in enumerate(line)
        if cell.result is None
    ]
    colours = [DARK if share > BRIGHT else LIGHT for _, _, share, _ in cells]
    symbols = ["circle-open" if is_under_way else "line-ne-open" for *_, is_under_way in cells]
    marker = {"symbol": symbols, "size": 9, "color": colours, "opacity": 0.75, "line": {"width": 1.5, "color": colours}}
    columns, rows = [column for column, *_ in cells], [row for _, row, *_ in cells]
    return scatter("estimated", columns, rows, mode="markers", marker=marker)


def _beyond(found: Surface) -> list[Trace]:
    """A veil over what is beyond the limits."""
    veil = [[1.0 if not cell.is_within else math.nan for cell in row] for row in found.rows]
    if not any(at == 1.0 for row in veil for at in row):
        return []
    grey = [[0, "#8a8a8a"], [1, "#8a8a8a"]]
    return [heat(veil, (0, 1), grey, None, opacity=0.65, name="beyond your limits")]


def _border(found: Surface) -> list[Trace]:
    """The line along which the limits run, between cells within and beyond."""
    across: list[float | None] = []
    up: list[float | None] = []
    for row, line in enumerate(found.rows):
        for column, cell in enumerate(line):
            if column + 1 < len(line) and cell.is_within != line[column + 1].is_within:
                across += [column + 0.5, column + 0.5, None]
                up += [row - 0.5, row + 0.5, None]
            if row + 1 < len(found.rows) and cell.is_within != found.rows[row + 1][column].is_within:
                across += [column - 0.5, column + 0.5, None]
                up += [row + 0.5, row + 0.5, None]
    look = {"color": INK, "width": 3}
    return [scatter("your limits", across, up, mode="lines", line=look)] if across else []


def _here(found: Surface) -> list[Trace]:
    """The current setting."""
    if found.here is None:
        return []
    row, column = found.here
    marker = {"symbol": "square-open", "size": 20, "color": ACCENT, "line": {"width": 3, "color": ACCENT}}
    return [scatter("this setting", [column], [row], mode="markers", marker=marker)]


def _axis(slider: Slider, positions: Sequence[int]) -> dict[str, object]:
    """Positions side by side, whatever lies between them; of many every other is named."""
    step = 1 if len(positions) <= 10 else 2
    ticks = list(range(0, len(positions), step))
    names = ["float" if slider == "weight_bits" and positions[at] == FLOAT_BITS else f"{positions[at]}" for at in ticks]
    return {
        "tickvals": ticks,
        "ticktext": names,
        "range": (-0.5, len(positions) - 0.5),
        "showgrid": False,
        "constrain": "domain",
    }
