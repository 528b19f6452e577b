"""The trade-off over two sliders: each position of the one with each of the other, measured or estimated.

Torch-free.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from compression.models.subject import Subject
from compression.recipe.recipe import Recipe
from compression.recipe.settings import Settings, placed, recipe_of
from compression.results.metrics import Metric
from compression.results.record import Result
from compression.search.estimate import HAVE_PRIORS, WIDTH, Known, Lesson, Measured, estimate
from compression.search.limits import NO_LIMITS, Limits, are_kept, judge
from compression.search.neighbours import SLIDERS, Slider, positions
from compression.search.outlook import Expected, keeps, worst_before

PAIRS: tuple[tuple[Slider, Slider], ...] = tuple(
    (one, other) for number, one in enumerate(SLIDERS) for other in SLIDERS[number + 1 :]
)
"""Of sliders: the first goes across, the second up."""


@dataclass(frozen=True)
class Cell:
    """One setting: its measurement, or else what is expected of it; and whether that keeps to the limits."""

    settings: Settings
    expected: Expected
    result: Result | None
    is_within: bool

    @property
    def recipe(self) -> Recipe:
        """What is, or would be, measured."""
        return _recipe(self.expected.known.subject, self.settings)

    def value(self, metric: Metric) -> float | None:
        """The metric, measured or estimated; None where nobody knows."""
        if self.result is not None:
            return metric.read(self.result)
        return self.expected.ratio if metric.key == "ratio" else self.expected.guess.of(metric)


@dataclass(frozen=True)
class Surface:
    """All positions of two sliders while all else stays: `rows` has the cells of each position up, from its beginning.

    `here` is where the settings stand, as row and column; None where they stand between positions.
    """

    across: Slider
    up: Slider
    columns: tuple[int, ...]
    levels: tuple[int, ...]
    rows: tuple[tuple[Cell, ...], ...]
    here: tuple[int, int] | None

    @property
    def cells(self) -> Iterator[Cell]:
        """All of them, row by row."""
        return (cell for row in self.rows for cell in row)

    @property
    def missing(self) -> tuple[Recipe, ...]:
        """What is not measured yet, each recipe once, coarse to fine: the corners and the middle come first."""
        up, across = len(self.levels), len(self.columns)
        order = sorted(
            itertools.product(range(up), range(across)), key=lambda at: max(_turn(at[0], up), _turn(at[1], across))
        )
        cells = (self.rows[row][column] for row, column in order)
        return tuple(dict.fromkeys(cell.recipe for cell in cells if cell.result is None))


def surface(
    settings: Settings,
    pair: tuple[Slider, Slider],
    results: Mapping[str, Result],
    known: Known,
    measured: Measured,
    *,
    limits: Limits = NO_LIMITS,
    asked: Collection[Metric] = (),
    lessons: Sequence[Lesson] = (),
    width: float = WIDTH,
) -> Surface:
    """The cells of two sliders around `settings`.

    `results` are all of the known model's by recipe_id; `known`, `measured`, `asked`, `lessons` and `width` are what
    `estimate` takes.
    """
    across, up = pair
    columns, levels = tuple(positions(across, settings)), tuple(positions(up, settings))
    worst, others = worst_before(results.values()), [metric for metric in asked if metric.key not in HAVE_PRIORS]

    def cell(column: int, level: int) -> Cell:
        there = placed(placed(settings, across, column), up, level)
        result = results.get(_recipe(known.subject, there).recipe_id)
        guess = Expected(there, estimate(there, known, measured, others, lessons, width=width), known)
        is_within = are_kept(judge(result, limits)) if result is not None else keeps(guess, limits, worst)
        return Cell(there, guess, result, is_within)

    rows = tuple(tuple(cell(column, level) for column in columns) for level in levels)
    at = getattr(settings, up), getattr(settings, across)
    is_there = at[0] in levels and at[1] in columns
    return Surface(across, up, columns, levels, rows, (levels.index(at[0]), columns.index(at[1])) if is_there else None)


@functools.lru_cache(maxsize=4096)
def _recipe(subject: Subject, settings: Settings) -> Recipe:
    """Found once for each setting: the same ones are looked at with every new measurement."""
    return recipe_of(subject, settings)


def _turn(at: int, count: int) -> int:
    """In which turn of halving steps a place is reached: the ends first, then the middle, then what lies between."""
    last, step, turn = count - 1, max(1, count - 1), 0
    while at % step and at != last:
        step, turn = max(1, step // 2), turn + 1
    return turn
