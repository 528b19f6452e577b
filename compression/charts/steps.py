"""What each step of a recipe contributes to bytes, accuracy and time: three waterfalls. Torch-free."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from compression import units
from compression.charts.figure import MARGIN, Figure, figure
from compression.charts.palette import BLUE, GREEN, ORANGE, ROW_HEIGHT
from compression.recipe.edit import prefixes
from compression.recipe.recipe import Recipe
from compression.recipe.words import Kind, kind_of, step_in_words
from compression.results.record import Result

Measure = Literal["bytes", "accuracy", "latency"]


@dataclass(frozen=True)
class Stage:
    """The network after one more step, measured; `words` say what the step was, `result` is None until it is measured.

    The first stage is the model as it is.
    """

    words: str
    kind: Kind | None
    result: Result | None


def stages(recipe: Recipe, results: Mapping[str, Result]) -> tuple[Stage, ...]:
    """A recipe step by step, as far as it is measured."""
    first, *rest = prefixes(recipe)
    return (
        Stage("the model as it is", None, results.get(first.recipe_id)),
        *(
            Stage(step_in_words(step), kind_of(type(step)), results.get(prefix.recipe_id))
            for step, prefix in zip(recipe.steps, rest, strict=True)
        ),
    )


@dataclass(frozen=True)
class Change:
    """One bar: what a step adds to a measure (negative where it takes away), or a total; `words` is its label."""

    title: str
    amount: float
    words: str
    is_total: bool = False
    is_better: bool = False


@dataclass(frozen=True)
class _Way:
    """How a measure is read off a result, written, and judged."""

    title: str
    of: Callable[[Result], float]
    total_words: Callable[[float], str]
    change_words: Callable[[float], str]
    less_is_better: bool = True


def _signed(words: Callable[[float], str]) -> Callable[[float], str]:
    return lambda amount: f"{'−' if amount < 0 else '+'}{words(abs(amount))}"


def _points_words(points: float) -> str:
    return f"{units.points(points / 100, 2)} points"


WAYS: dict[Measure, _Way] = {
    "bytes": _Way(
        "stored file, KB",
        lambda result: result.stored_bytes / 1000,
        lambda kilobytes: units.size(1000 * kilobytes),
        _signed(lambda kilobytes: units.size(1000 * kilobytes)),
    ),
    "accuracy": _Way(
        "accuracy against the baseline, points",
        lambda result: 100 * result.accuracy_difference,
        _points_words,
        _points_words,
        less_is_better=False,
    ),
    "latency": _Way(
        "latency, % of the baseline's",
        lambda result: 100 * result.latency_ratio if result.recipe["steps"] else 100.0,
        lambda percent: f"{percent:.0f} %",
        _signed(lambda percent: f"{percent:.0f} %"),
    ),
}


def changes(stages: Sequence[Stage], measure: Measure) -> tuple[Change, ...]:
    """Baseline, each step's change, and where that ends; as far as the stages are measured without a gap."""
    measured: list[tuple[str, float]] = []
    for number, stage in enumerate(stages):
        if stage.result is None:
            break
        title = f"{number}. {stage.kind.title}" if stage.kind else "Baseline"
        measured.append((title, WAYS[measure].of(stage.result)))
    if not measured:
        return ()
    way, (title, first) = WAYS[measure], measured[0]
    rows = [Change(title, first, way.total_words(first), is_total=True)]
    for (_, before), (title, after) in itertools.pairwise(measured):
        by = after - before
        better = by < 0 if way.less_is_better else by > 0
        rows.append(Change(title, by, way.change_words(by), is_better=better))
    whole = len(measured) == len(stages)
    last = measured[-1][1]
    return (*rows, Change("All together" if whole else "So far", last, way.total_words(last), is_total=True))


ON_BAR = "#111"
"""Reads on all three hues, on either theme."""


def _place(row: Change, rows: Sequence[Change]) -> str:
    """Beside a bar that is too short to be seen, plotly writes nothing by itself."""
    return "auto" if abs(row.amount) > 0.02 * max(abs(other.amount) for other in rows) else "outside"


def draw(rows: Sequence[Change], measure: Measure) -> Figure:
    """A horizontal waterfall, first step on top. Green is better, orange worse, blue a total."""
    less = WAYS[measure].less_is_better
    good, bad = {"marker": {"color": GREEN}}, {"marker": {"color": ORANGE}}
    bars = {
        "type": "waterfall",
        "orientation": "h",
        "measure": ["absolute" if n == 0 else "total" if row.is_total else "relative" for n, row in enumerate(rows)],
        "y": [row.title for row in rows],
        "x": [None if n and row.is_total else row.amount for n, row in enumerate(rows)],
        "text": [row.words for row in rows],
        "textposition": [_place(row, rows) for row in rows],
        "insidetextfont": {"color": ON_BAR},
        "hoverinfo": "y+text",
        "decreasing": good if less else bad,
        "increasing": bad if less else good,
        "totals": {"marker": {"color": BLUE}},
        "connector": {"line": {"width": 1, "dash": "dot"}},
    }
    return figure(
        [bars],
        60 + ROW_HEIGHT * len(rows),
        WAYS[measure].title,
        xaxis={"zeroline": True},
        yaxis={"autorange": "reversed"},
        margin=MARGIN | {"r": 16, "t": 10},
    )
