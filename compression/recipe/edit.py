"""Recipes as pipelines: steps added, removed, moved and changed. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compression.errors import InvalidRecipe
from compression.models.subject import Subject
from compression.recipe.recipe import MAX_STEPS, Recipe, make_recipe
from compression.recipe.steps import STEP_TYPES, Step, technique_of
from compression.recipe.words import kind_of


def offered(subject: Subject) -> tuple[type[Step], ...]:
    """The kinds of steps that a model can take."""
    return tuple(kind for kind in STEP_TYPES.values() if kind_of(kind).needs(subject))


# Each returns a new recipe, or raises `InvalidRecipe` with the reason why these steps make no sense in this order.


def added(recipe: Recipe, kind: type[Step]) -> Recipe:
    """With a step of this kind, as late as it makes sense."""
    if len(recipe.steps) >= MAX_STEPS:
        raise InvalidRecipe(f"A recipe has at most {MAX_STEPS} steps. Remove one first.")
    new = {"technique": technique_of(kind), **kind_of(kind).start}
    reasons = []
    for place in range(len(recipe.steps), -1, -1):
        try:
            return _with(recipe, (*recipe.steps[:place], new, *recipe.steps[place:]))
        except InvalidRecipe as error:
            reasons.append(error)
    raise reasons[0]


def removed(recipe: Recipe, at: int) -> Recipe:
    """Without the step at index `at`."""
    return _with(recipe, (*recipe.steps[:at], *recipe.steps[at + 1 :]))


def moved(recipe: Recipe, at: int, by: int) -> Recipe:
    """With the step at index `at` moved by `by` places; beyond the ends it stays at the end."""
    others = (*recipe.steps[:at], *recipe.steps[at + 1 :])
    to = min(max(0, at + by), len(others))
    return _with(recipe, (*others[:to], recipe.steps[at], *others[to:]))


def changed(recipe: Recipe, at: int, **settings: Any) -> Recipe:  # noqa: ANN401  (settings differ in type)
    """With other settings of the step at index `at`."""
    content = recipe.steps[at].model_dump(mode="json") | settings
    return _with(recipe, (*recipe.steps[:at], content, *recipe.steps[at + 1 :]))


def refusal(change: Callable[[], Recipe]) -> str:
    """Why a change makes no sense; empty where it does."""
    try:
        change()
    except InvalidRecipe as error:
        return str(error)
    return ""


def _with(recipe: Recipe, steps: tuple[Any, ...]) -> Recipe:
    return make_recipe(recipe.model, list(steps), recipe.seed)


def prefixes(recipe: Recipe) -> tuple[Recipe, ...]:
    """The recipe after each of its steps: from the model as it is to the whole."""
    beginnings = (recipe.steps[:done] for done in range(1, len(recipe.steps) + 1))
    return (recipe.baseline(), *(recipe.model_copy(update={"steps": steps}) for steps in beginnings))
