"""What is known, or else expected, of every setting that one slider away: a browser that has it answers at once.

Torch-free.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from compression.models.subject import Subject
from compression.recipe.settings import Settings, placed, recipe_of
from compression.results.metrics import Metric
from compression.results.record import Result
from compression.search.estimate import WIDTH, Estimate, Known, Lesson, Measured, estimate
from compression.search.neighbours import SLIDERS, Slider, positions


@dataclass(frozen=True)
class Place:
    """One position of a slider: the setting's recipe_id, and its measurement or else what it is expected to bring."""

    recipe_id: str
    result: Result | None
    guess: Estimate


@dataclass(frozen=True)
class Row:
    """All positions of a slider from its beginning to its end, and which of them is the current one."""

    at: int
    places: tuple[Place, ...]


def foresee(
    settings: Settings,
    results: Mapping[str, Result],
    known: Known,
    measured: Measured,
    *,
    asked: Collection[Metric] = (),
    lessons: Sequence[Lesson] = (),
    width: float = WIDTH,
) -> dict[Slider, Row]:
    """Each slider's row while the others stay. Empty where a slider stands between its positions.

    `results` are all of the known model's by recipe_id; `known`, `measured`, `asked`, `lessons` and `width` are
    what `estimate` takes.
    """
    rows = {}
    for slider in SLIDERS:
        reachable = positions(slider, settings)
        if getattr(settings, slider) not in reachable:
            return {}
        places = []
        for position in reachable:
            there = placed(settings, slider, position)
            recipe_id = _recipe_id(known.subject, there)
            guess = estimate(there, known, measured, asked, lessons, width=width)
            places.append(Place(recipe_id, results.get(recipe_id), guess))
        rows[slider] = Row(reachable.index(getattr(settings, slider)), tuple(places))
    return rows


@functools.lru_cache(maxsize=4096)
def _recipe_id(subject: Subject, settings: Settings) -> str:
    """Found once for each setting: most of them are still one slider away after the next move."""
    return recipe_of(subject, settings).recipe_id
