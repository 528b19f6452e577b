"""What each step of a recipe contributes to bytes, accuracy and time: three waterfalls. Torch-free."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compression.charts.axes import title_of
from compression.charts.figure import MARGIN, Figure, figure, waterfall
from compression.charts.palette import GREEN, ORANGE, ROW_HEIGHT
from compression.recipe.edit import prefixes
from compression.recipe.recipe import Recipe
from compression.recipe.words import Kind, kind_of, step_in_words
from compression.results.metrics import Metric
from compression.results.record import Result


@dataclass(frozen=True)
class Stage:
    """The network after one more step, measured; `words` say what the step was, `result` is None until it is measured.

    The first stage is the original model.
    """

    words: str
    kind: Kind | None
    result: Result | None


def stages(recipe: Recipe, results: Mapping[str, Result]) -> tuple[Stage, ...]:
    """A recipe step by step, as far as it is measured."""
    first, *rest = prefixes(recipe)
    return (
        Stage("the original model", None, results.get(first.recipe_id)),
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


SHOWN = ("stored", "difference", "ratio")
"""Metrics of which the steps' shares are drawn."""


def changes(stages: Sequence[Stage], metric: Metric) -> tuple[Change, ...]:
    """Baseline, each step's change, and where that ends; as far as the stages are measured without a gap."""
    measured: list[tuple[str, float]] = []
    for number, stage in enumerate(stages):
        value = metric.read(stage.result) if stage.result else None
        if stage.result is None or value is None:
            break
        n_images = metric.n_images(stage.result)
        measured.append((f"{number}. {stage.kind.title}" if stage.kind else "Baseline", value))
    if not measured:
        return ()

    def total(title: str, value: float) -> Change:
        return Change(title, value / metric.unit.one, metric.unit.words(value, n_images), is_total=True)

    rows = [total(*measured[0])]
    for (_, before), (title, after) in itertools.pairwise(measured):
        by, is_better = after - before, after > before if metric.more_is_better else after < before
        rows.append(Change(title, by / metric.unit.one, metric.signed(by, n_images), is_better=is_better))
    whole = len(measured) == len(stages)
    return (*rows, total("All together" if whole else "So far", measured[-1][1]))


WORDS_ROOM = 0.25
"""Of what the bars take, free on either side for the words beside them."""


def draw(rows: Sequence[Change], metric: Metric) -> Figure:
    """A level waterfall, first step on top. Green is better, orange worse, blue a total; words stand beside bars."""
    bars = waterfall(
        [row.title for row in rows],
        [None if n and row.is_total else row.amount for n, row in enumerate(rows)],
        *((GREEN, ORANGE) if metric.more_is_better else (ORANGE, GREEN)),
        measure=["absolute" if n == 0 else "total" if row.is_total else "relative" for n, row in enumerate(rows)],
        text=[row.words for row in rows],
        textposition="outside",
        hoverinfo="y+text",
        connector={"line": {"width": 1, "dash": "dot"}},
    )
    return figure(
        [bars],
        70 + ROW_HEIGHT * len(rows),
        title_of(metric),
        xaxis={"zeroline": True, "range": span(rows)},
        yaxis={"autorange": "reversed", "ticksuffix": " "},
        margin=MARGIN | {"r": 16, "t": 10},
    )


def span(rows: Sequence[Change]) -> tuple[float, float]:
    """What the bars take, from 0 on, with room for words on either side."""
    steps = [row.amount for n, row in enumerate(rows) if n == 0 or not row.is_total]
    ends = [0.0, *itertools.accumulate(steps)]
    room = WORDS_ROOM * ((max(ends) - min(ends)) or 1.0)
    return min(ends) - room, max(ends) + room
