"""Which recipes make the curves of a model, and which is a recipe's fair control. Torch-free."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Literal, get_args

from compression.models.subject import Subject
from compression.recipe.budgets import Budget
from compression.recipe.recipe import MAX_STEPS, Recipe
from compression.recipe.settings import Settings, recipe_of
from compression.recipe.steps import Distillation, FineTuning, MagnitudePruning, Step

Curve = Literal[
    "channel_pruning",
    "magnitude_pruning",
    "second_order_pruning",
    "quantization",
    "weight_sharing",
    "distillation",
    "student_control",
    "slimmable_student",
    "low_rank",
    "depthwise_separable",
]
"""One per technique with a slider, and `student_control`: the same students trained without a teacher."""
CURVES: tuple[Curve, ...] = get_args(Curve)
DEFAULT_CURVES: tuple[Curve, ...] = (
    "channel_pruning",
    "magnitude_pruning",
    "quantization",
    "slimmable_student",
    "distillation",
    "student_control",
)
"""What is measured and drawn unless the person asks for more: the three sliders, students that need no training
where the model has them, and the fair control of those that do."""
TRAINED_CURVES: tuple[Curve, ...] = ("distillation", "student_control")
"""Curves whose points always train, whatever the budget."""

_POSITIONS: dict[Curve, tuple[int, ...]] = {
    "channel_pruning": (50, 20, 80, 10, 30, 40, 60, 70, 90),
    "magnitude_pruning": (80, 50, 95, 90, 30, 60, 70),
    "second_order_pruning": (80, 50, 95, 90, 70),
    "quantization": (4, 8, 2, 3, 6, 5, 1, 16),
    "weight_sharing": (4, 2, 3, 6, 1, 5, 8),
    "distillation": (50, 25, 75),
    "student_control": (50, 25, 75),
    "slimmable_student": (50, 25, 75, 35, 60),
    "low_rank": (50, 25, 75, 10),
    "depthwise_separable": (100, 50, 25, 75),
}
"""Where each curve is measured, coarse first, so that its shape shows early."""

_SLIDERS: dict[Curve, tuple[str, dict[str, Any]]] = {
    "channel_pruning": ("pruning_percent", {}),
    "magnitude_pruning": ("pruning_percent", {"remove": "weights"}),
    "second_order_pruning": ("pruning_percent", {"remove": "weights", "criterion": "second_order"}),
    "quantization": ("weight_bits", {}),
    "weight_sharing": ("weight_bits", {"codes": "codebook"}),
    "distillation": ("student_percent", {}),
    "student_control": ("student_percent", {"alpha": 0.0}),
    "slimmable_student": ("student_percent", {"student": "slimmable"}),
    "low_rank": ("rank_percent", {}),
    "depthwise_separable": ("separable_percent", {}),
}
"""Which slider a curve moves, and what has to be chosen beside it."""

_FALLING: tuple[Curve, ...] = (
    "quantization",
    "weight_sharing",
    "distillation",
    "student_control",
    "slimmable_student",
    "low_rank",
)
"""Curves whose slider compresses more towards its lower end."""

_NEEDS: dict[Curve, Callable[[Subject], bool]] = {
    "slimmable_student": lambda subject: subject.has_slimmable,
    "depthwise_separable": lambda subject: subject.has_ordinary_convolutions,
}


def curves_for(subject: Subject) -> tuple[Curve, ...]:
    """The curves that make sense for a model."""
    return tuple(curve for curve in CURVES if curve not in _NEEDS or _NEEDS[curve](subject))


def curve_settings(curve: Curve, position: int, budget: Budget) -> Settings:
    """The controls' position of one point of a curve: one slider moved, the rest neutral."""
    slider, choices = _SLIDERS[curve]
    moved: dict[str, Any] = {slider: position, **choices}
    return replace(Settings(budget=budget), **moved)


@functools.cache
def curve_points(subject: Subject, budget: Budget, curve: Curve) -> Mapping[int, Recipe]:
    """The recipes of one curve by slider position, coarse to fine."""
    points = {at: recipe_of(subject, curve_settings(curve, at, budget)) for at in _POSITIONS[curve]}
    return MappingProxyType(points)


def curve_recipes(
    subject: Subject, budget: Budget, curves: Sequence[Curve] = DEFAULT_CURVES
) -> dict[Curve, dict[int, Recipe]]:
    """The recipes of `curves` by slider position, each from mild to strong compression."""
    return {
        curve: dict(sorted(curve_points(subject, budget, curve).items(), reverse=curve in _FALLING))
        for curve in curves_for(subject)
        if curve in curves
    }


def sweep_recipes(subject: Subject, budget: Budget, curves: Sequence[Curve] = DEFAULT_CURVES) -> tuple[Recipe, ...]:
    """All points of `curves` in the order to measure them: the baseline, then coarse to fine.

    Students come last, each with its control, since they have to be trained and the others would wait.
    """
    shown = [curve for curve in curves_for(subject) if curve in curves]
    swift = [curve for curve in shown if curve not in TRAINED_CURVES]
    slow = [curve for curve in shown if curve in TRAINED_CURVES]
    return (Recipe(model=subject.name), *_in_turns(subject, swift, budget), *_in_turns(subject, slow, budget))


def _in_turns(subject: Subject, curves: Sequence[Curve], budget: Budget) -> list[Recipe]:
    """The first position of each curve, the second of each, and so on."""
    lists = [curve_points(subject, budget, curve).values() for curve in curves]
    return [recipe for turn in zip_longest(*lists) for recipe in turn if recipe is not None]


def control_of(recipe: Recipe) -> Recipe | None:
    """The fair control of a recipe that trains: the same shapes and the same budget of plain training.

    A student loses its teachers and what it matches in them, fine-tuning loses the original network's
    predictions, the entropy penalty and learned scales, and pruning while training becomes pruning at once with
    as much fine-tuning behind it. None for a recipe in which that changes nothing: it has no control, or is one.
    """
    steps = tuple(plain for step in recipe.steps for plain in _plainly_trained(step))
    if steps == recipe.steps or len(steps) > MAX_STEPS:
        return None
    return Recipe(model=recipe.model, steps=steps, seed=recipe.seed)


def _plainly_trained(step: Step) -> tuple[Step, ...]:
    """The steps that do the same with labels alone."""
    if isinstance(step, Distillation):
        return (step.model_copy(update={"alpha": 0.0, "loss": "kd", "match": "none", "teachers": ()}),)
    if isinstance(step, FineTuning):
        return (step.model_copy(update={"alpha": 0.0, "entropy_penalty": 0.0, "learn_scales": False}),)
    if isinstance(step, MagnitudePruning) and step.epochs > 0:
        at_once = step.model_copy(update={"epochs": 0.0, "regrowth": "none"})
        budget = {"epochs": step.epochs, "learning_rate": step.learning_rate}
        return at_once, FineTuning.model_validate(budget)
    return (step,)
