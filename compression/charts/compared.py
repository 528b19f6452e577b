"""Charts of results side by side, as plain data for plotly.js, drawn from numbers. Torch-free."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.charts import drawing, tradeoff
from compression.charts.axes import Axes, Point
from compression.charts.drawing import Plane
from compression.charts.figure import MARGIN, Figure, Trace, area, error_bars, figure, heat, labelled, scatter
from compression.charts.palette import BLUE, NEUTRAL, ORANGE
from compression.charts.tradeoff import Tradeoff, point_of
from compression.explain.comparison import Contender
from compression.explain.presentation import recall_words
from compression.results.predictions import Recall
from compression.results.record import Result

CONFUSION_HEIGHT = 400
CLASS_ROW = 44
"""Pixels for one class in the chart of recalls."""

_CLEAR_ORANGE, _CLEAR_BLUE = "rgba(217,130,0,0)", "rgba(43,131,196,0)"
_LEAST_TOP = 0.05
"""Share of a class's images from which on a mistake has the strongest colour, at least."""
_LEAST_CHANGE = 0.02
"""The same for a change."""


def mistakes(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of each true class's images (rows) that are taken for another (columns); 0 on the diagonal."""
    totals = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    shares: NDArray[np.float64] = matrix / totals
    np.fill_diagonal(shares, 0.0)
    return shares


def harm(matrix: NDArray[np.int64], reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much worse each cell is than the reference's, as a share of the class: right answers lost, mistakes added."""
    totals = np.maximum(reference.sum(axis=1, keepdims=True), 1)
    shares: NDArray[np.float64] = (matrix - reference) / totals
    np.fill_diagonal(shares, -np.diagonal(shares))
    return shares


def draw_confusion(matrix: NDArray[np.int64], names: Sequence[str], top: float) -> Figure:
    """Counts; mistakes are coloured, the stronger the more, up to a share of `top`."""
    words = [[f"{count:,}" if count else "" for count in row] for row in matrix]
    hover = _hover(names, " ", lambda row, column: f"{matrix[row, column]:,}")
    scale = [[0, _CLEAR_ORANGE], [1, ORANGE]]
    return _matrix(mistakes(matrix), words, hover, names, span=(0, max(top, _LEAST_TOP)), scale=scale)


def draw_harm(
    matrix: NDArray[np.int64], reference: NDArray[np.int64], names: Sequence[str], top: float, letters: str
) -> Figure:
    """Changes of the counts: orange where it got worse, blue where it got better."""
    change = matrix - reference
    words = [[_signed(int(count)) if count else "" for count in row] for row in change]
    hover = _hover(
        names,
        "<br>",
        lambda row, column: f"{letters[0]} {reference[row, column]:,}, {letters[1]} {matrix[row, column]:,}",
    )
    most = max(top, _LEAST_CHANGE)
    scale = [[0, BLUE], [0.5, _CLEAR_BLUE], [0.5, _CLEAR_ORANGE], [1, ORANGE]]
    return _matrix(harm(matrix, reference), words, hover, names, span=(-most, most), scale=scale)


def _hover(names: Sequence[str], between: str, counts: Callable[[int, int], str]) -> list[list[str]]:
    """'<b>cat</b> taken for <b>dog</b>: 10' for each true class (row) and answer (column)."""
    return [
        [
            f"<b>{true}</b> {'recognized' if row == column else f'taken for <b>{answer}</b>'}:"
            f"{between}{counts(row, column)}"
            for column, answer in enumerate(names)
        ]
        for row, true in enumerate(names)
    ]


def _signed(count: int) -> str:
    return f"{'+' if count > 0 else '−'}{abs(count):,}"


def _matrix(
    values: NDArray[np.float64],
    words: list[list[str]],
    hover: list[list[str]],
    names: Sequence[str],
    *,
    span: tuple[float, float],
    scale: list[list[Any]],
) -> Figure:
    """Coloured cells with words in the page's own text colour; the true class downwards, the answer across."""
    n = len(names)
    places = list(range(n))
    cells = heat(values, span, scale, hover, x=places, y=places, xgap=1, ygap=1)
    text = scatter(
        "",
        places * n,
        [row for row in places for _ in places],
        mode="text",
        text=[word for row in words for word in row],
        textfont={"size": 10},
    )
    sides = [(at - 0.5, at + 0.5) for at in places]
    names_on_it = {"tickvals": places, "ticktext": list(names), "showgrid": False}
    return figure(
        [cells, text],
        CONFUSION_HEIGHT,
        "the network's answer",
        "true class",
        xaxis=names_on_it | {"range": (-0.5, n - 0.5)},
        yaxis=names_on_it | {"range": (n - 0.5, -0.5)},
        margin=MARGIN | {"r": 8},
        shapes=[area(side, side, line={"color": NEUTRAL, "width": 1}) for side in sides],
    )


_SYMBOLS = {"A": "circle", "B": "square", "C": "diamond", "D": "triangle-up"}


def draw_recalls(found: Sequence[tuple[Contender, Sequence[Recall]]], names: Sequence[str]) -> Figure:
    """A row for each class: what share of it each result recognizes, with 95 % intervals."""
    step = 0.6 / max(1, len(found) - 1)
    traces = [_recall_trace(*entry, -0.3 + step * at, names) for at, entry in enumerate(found)]
    classes = [recall.index for recall in found[0][1]]
    lowest = min(recall.low for _, every in found for recall in every)
    return figure(
        traces,
        CLASS_ROW * len(classes) + 70,
        "share of each class that is recognized, %; lines: 95 % intervals",
        legend=True,
        xaxis={"range": (max(0.0, 100 * lowest - 2), 100)},
        yaxis={
            "tickvals": classes,
            "ticktext": [f"{names[index]} " for index in classes],
            "range": (max(classes) + 0.5, min(classes) - 0.5),
            "showgrid": False,
        },
    )


def _recall_trace(contender: Contender, found: Sequence[Recall], shift: float, names: Sequence[str]) -> Trace:
    share, low, high = ([100 * getattr(recall, end) for recall in found] for end in ("share", "low", "high"))
    return scatter(
        contender.letter,
        share,
        [recall.index + shift for recall in found],
        [f"<b>{contender.letter}, {names[recall.index]}</b>: {recall_words(recall)}" for recall in found],
        mode="markers",
        error_x=error_bars(share, low, high, contender.colour),
        cliponaxis=False,
        marker={"color": contender.colour, "size": 9, "symbol": _SYMBOLS[contender.letter]},
    )


def everything(results: Sequence[Result], baseline: str, cost: str, *, is_even: bool) -> tuple[Tradeoff, Plane]:
    """All results as points, the one with the recipe_id `baseline` as that too if it is among them, and their chart."""
    points = {result.recipe_id: point_of(result) for result in results}
    others = tuple(points.values())
    whole = Tradeoff(points.get(baseline), others=others, n_test=results[0].n_test, n_results=len(points))
    axes = Axes(left=cost, right=cost, is_even=is_even)
    ranges = tradeoff.ranges_for(whole, max(result.stored_bytes for result in results), axes=axes)
    return whole, drawing.plane(cost, axes, ranges)


def draw_curves(
    found: Sequence[Contender],
    results: Sequence[Result],
    cost: str,
    labels: Mapping[str, str] = MappingProxyType({}),
    *,
    is_even: bool = False,
) -> Figure:
    """All measured points faintly with their front, and the chosen ones with their letters and error bars.

    `labels` says what stands there instead of a letter; `is_even` how the axis up is spaced.
    """
    whole, plane = everything(results, found[0].result.parsed_recipe.baseline().recipe_id, cost, is_even=is_even)
    points = {point.recipe_id: point for point in whole.others}
    chosen = {contender.result.recipe_id: points[contender.result.recipe_id] for contender in found}
    front = drawing.front_points(whole, plane)
    drawn = heapq.nsmallest(tradeoff.MAX_OTHERS, points.keys() - chosen.keys())  # a fair sample: ids are hashes
    shown = replace(whole, others=tuple(points[name] for name in dict.fromkeys((*drawn, *chosen))))
    strong = {point.recipe_id for point in front}
    look = {"size": 6, "color": NEUTRAL}
    traces = [
        drawing.front_trace(front, plane),
        drawing.points_trace("other settings", shown.others, plane, look, strong, bars=0),
        *(_chosen_trace(contender, chosen[contender.result.recipe_id], plane, labels) for contender in found),
        drawing.corners_trace(front, plane, chosen),
    ]
    return drawing.sheet(traces, shown, plane)


def _chosen_trace(contender: Contender, point: Point, plane: Plane, labels: Mapping[str, str]) -> Trace:
    """A mark with its letter, or with words."""
    label = labels.get(contender.letter, contender.letter)
    size, symbol = (16, "star") if contender.result.is_baseline else (14, _SYMBOLS[contender.letter])
    look = {"size": size, "symbol": symbol, "color": contender.colour}
    trace = drawing.points_trace(label, (point,), plane, look)
    trace["hovertext"] = [f"<b>{label}</b> {point.hover}"]
    return labelled(trace, label, contender.colour, 16, weight=700)
