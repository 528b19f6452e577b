"""Where a person may go next: the settings one step of a slider away. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from compression.models.subject import Subject
from compression.recipe import settings as sliders
from compression.recipe.budgets import trains
from compression.recipe.recipe import Recipe
from compression.recipe.settings import Settings, placed, recipe_of

Slider = Literal["pruning_percent", "weight_bits", "student_percent"]
SLIDERS: tuple[Slider, ...] = get_args(Slider)
"""Fields of `Settings` with a slider of their own."""


@dataclass(frozen=True)
class Move:
    """One slider was moved, towards its end (`direction` 1) or its beginning (-1)."""

    slider: Slider
    direction: Literal[1, -1]


def move_between(before: Settings, after: Settings) -> Move | None:
    """The move that led from one position of the controls to another; None unless just one slider was moved."""
    moved = [slider for slider in SLIDERS if getattr(before, slider) != getattr(after, slider)]
    if len(moved) != 1 or placed(before, moved[0], getattr(after, moved[0])) != after:
        return None
    places = positions(moved[0], after)
    was, at = getattr(before, moved[0]), getattr(after, moved[0])
    if was not in places or at not in places:
        return None
    return Move(moved[0], 1 if places.index(at) > places.index(was) else -1)


def neighbours(subject: Subject, settings: Settings, last: Move | None = None) -> tuple[Recipe, ...]:
    """The recipes one step up or down each slider in use, each once, and none that trains.

    First the one that goes on with the `last` move, then back from it, then those of the other sliders. A slider
    at its neutral end is not in use, unless it was just moved there. Between 0 and 6 recipes.
    """
    here = recipe_of(subject, settings)
    found = (recipe_of(subject, other) for other in _steps(settings, last))
    return tuple(dict.fromkeys(recipe for recipe in found if recipe != here and not trains(recipe)))


def positions(slider: Slider, settings: Settings) -> Sequence[int]:
    """Where a slider can be, from its beginning to its end."""
    if slider == "student_percent":
        return sliders.SLIMMABLE_WIDTHS if settings.student == "slimmable" else sliders.WIDTHS
    return sliders.BIT_WIDTHS if slider == "weight_bits" else sliders.PRUNING


def _steps(settings: Settings, last: Move | None) -> Iterator[Settings]:
    moves = [(last.slider, way) for way in (last.direction, -last.direction)] if last else []
    used = [slider for slider in SLIDERS if getattr(settings, slider) != getattr(sliders.UNMOVED, slider)]
    for slider, direction in dict.fromkeys([*moves, *((slider, way) for slider in used for way in (1, -1))]):
        places = positions(slider, settings)
        at = getattr(settings, slider)
        to = places.index(at) + direction if at in places else -1
        if 0 <= to < len(places):
            yield placed(settings, slider, places[to])
