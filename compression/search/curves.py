"""Which recipes make the curves of a model, and which is a recipe's fair control. Torch-free."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from types import MappingProxyType
from typing import Any

from compression.models.subject import Subject
from compression.recipe.budgets import Budget
from compression.recipe.recipe import MAX_STEPS, Recipe
from compression.recipe.settings import UNMOVED, Settings, at_slider, placed, recipe_of
from compression.recipe.steps import Distillation, FineTuning, MagnitudePruning, Step
from compression.search import priors
from compression.search.priors import Effect

BLUE, ORANGE, GREEN, PINK, VIOLET = "#2b83c4", "#d98200", "#0a9b76", "#b95f9f", "#6f56f0"
"""Hues of Okabe and Ito (2008) and a violet, told apart by colour-blind people; the lightness is moved to the middle so
that they read on white and on black."""

NEUTRAL = "#8a8a8a"
"""A grey that reads on both themes."""


@dataclass(frozen=True)
class Curve:
    """What one technique brings along its slider; all that is known of it, and what is left out is shown less.

    `slider` is a field of `Settings`, or a technique that has its own; `positions` are where it is measured, coarse
    first, so that the curve's shape shows early, and `beside` is what has to be chosen with it. `at` gives the position
    along this curve of settings that move the slider, None for settings that move it along another one.
    `always_trains`: whatever the budget. `is_default`: measured and drawn unless the person asks for others. `prior`
    guesses what a position brings, and whether trained, before anything is measured. `needs` says whether the curve
    makes sense for a model.
    """

    name: str
    slider: str
    positions: tuple[int, ...]
    beside: Mapping[str, Any] = field(default_factory=dict)
    at: Callable[[Settings], int | None] | None = None
    always_trains: bool = False
    is_default: bool = False
    title: str = ""
    colour: str = NEUTRAL
    symbol: str = "circle"
    dash: str = "solid"
    prior: Callable[[int, bool], Effect] | None = None
    needs: Callable[[Subject], bool] = lambda subject: True

    @property
    def words(self) -> str:
        """Its title, or its name in words."""
        return self.title or self.name.replace("_", " ").capitalize()

    @functools.cached_property
    def neutral(self) -> int:
        """Where the slider does nothing."""
        return at_slider(UNMOVED, self.slider)

    @property
    def falls(self) -> bool:
        """Whether the slider compresses more towards its lower end."""
        return self.neutral > max(self.positions)

    def position(self, settings: Settings) -> int | None:
        """Where settings stand on this curve; None where its slider is not moved, or along another curve."""
        found = at_slider(settings, self.slider) if self.at is None else self.at(settings)
        return None if found == self.neutral else found

    def settings(self, position: int, budget: Budget) -> Settings:
        """The controls' position of one point: the slider moved, the rest neutral."""
        return placed(replace(Settings(budget=budget), **self.beside), self.slider, position)

    def effect(self, position: int, budget: Budget) -> Effect:
        """What a position brings, as far as that can be guessed."""
        return Effect() if self.prior is None else self.prior(position, budget != "none")


def _zeros(settings: Settings, criterion: str) -> int | None:
    """Percent of the weights; N:M patterns fix it."""
    weights = settings.remove == "weights" and settings.criterion == criterion
    return round(100 * settings.removed) if weights else None


CURVES = {
    curve.name: curve
    for curve in (
        Curve(
            "channel_pruning",
            "pruning_percent",
            (50, 20, 80, 10, 30, 40, 60, 70, 90),
            at=lambda settings: settings.pruning_percent if settings.remove == "channels" else None,
            is_default=True,
            colour=BLUE,
            prior=priors.channels,
        ),
        Curve(
            "magnitude_pruning",
            "pruning_percent",
            (80, 50, 95, 90, 30, 60, 70),
            {"remove": "weights"},
            at=lambda settings: _zeros(settings, "magnitude"),
            is_default=True,
            title="Weight pruning",
            colour=ORANGE,
            symbol="square",
            prior=priors.weights(0.6),
        ),
        Curve(
            "second_order_pruning",
            "pruning_percent",
            (80, 50, 95, 90, 70),
            {"remove": "weights", "criterion": "second_order"},
            at=lambda settings: _zeros(settings, "second_order"),
            title="Second-order pruning",
            colour=ORANGE,
            symbol="square-open",
            dash="dash",
            prior=priors.weights(0.3),
        ),
        Curve(
            "quantization",
            "weight_bits",
            (4, 8, 2, 3, 6, 5, 1, 16),
            at=lambda settings: None if settings.has_codebook else settings.weight_bits,
            is_default=True,
            colour=GREEN,
            symbol="diamond",
            prior=priors.bits,
        ),
        Curve(
            "weight_sharing",
            "weight_bits",
            (4, 2, 3, 6, 1, 5, 8),
            {"codes": "codebook"},
            at=lambda settings: settings.weight_bits if settings.has_codebook else None,
            title="Shared weights",
            colour=GREEN,
            symbol="diamond-open",
            dash="dash",
            prior=priors.codebook,
        ),
        Curve(
            "distillation",
            "student_percent",
            (50, 25, 75),
            at=lambda settings: settings.student_percent if settings.student == "same" else None,
            always_trains=True,
            is_default=True,
            title="Smaller student",
            colour=PINK,
            symbol="triangle-up",
            prior=priors.student,
        ),
        Curve(
            "student_control",
            "student_percent",
            (50, 25, 75),
            {"alpha": 0.0},
            at=lambda settings: None,
            always_trains=True,
            is_default=True,
            title="Student without teacher",
            colour=PINK,
            symbol="triangle-up-open",
            dash="dash",
            prior=priors.student,
        ),
        Curve(
            "slimmable_student",
            "student_percent",
            (50, 25, 75, 35, 60),
            {"student": "slimmable"},
            at=lambda settings: settings.student_percent if settings.student == "slimmable" else None,
            is_default=True,
            colour=PINK,
            symbol="triangle-down-open",
            dash="dot",
            prior=priors.student,
            needs=lambda subject: subject.has_slimmable,
        ),
        Curve(
            "low_rank",
            "low_rank",
            (50, 25, 75, 10),
            colour=VIOLET,
            symbol="cross",
            prior=priors.rank,
        ),
        Curve(
            "depthwise_separable",
            "depthwise_separable",
            (100, 50, 25, 75),
            title="Separable convolutions",
            colour=VIOLET,
            symbol="x-thin-open",
            dash="dash",
            prior=priors.separable,
            needs=lambda subject: subject.has_ordinary_convolutions,
        ),
    )
}
"""One per technique with a slider, and `student_control`: the same students trained without a teacher. One hue a
slider, and within it filled for the usual way, open and dashed for the others."""

DEFAULT_CURVES = tuple(name for name, curve in CURVES.items() if curve.is_default)


def curves_for(subject: Subject) -> tuple[str, ...]:
    """Names of the curves that make sense for a model."""
    return tuple(name for name, curve in CURVES.items() if curve.needs(subject))


@functools.cache
def curve_points(subject: Subject, budget: Budget, curve: str) -> Mapping[int, Recipe]:
    """The recipes of one curve by slider position, coarse to fine."""
    row = CURVES[curve]
    return MappingProxyType({at: recipe_of(subject, row.settings(at, budget)) for at in row.positions})


def curve_recipes(
    subject: Subject, budget: Budget, curves: Collection[str] = DEFAULT_CURVES
) -> dict[str, dict[int, Recipe]]:
    """The recipes of `curves` by slider position, each from mild to strong compression."""
    return {
        curve: dict(sorted(curve_points(subject, budget, curve).items(), reverse=CURVES[curve].falls))
        for curve in curves_for(subject)
        if curve in curves
    }


def sweep_recipes(subject: Subject, budget: Budget, curves: Collection[str] = DEFAULT_CURVES) -> tuple[Recipe, ...]:
    """All points of `curves` in the order to measure them: the baseline, then coarse to fine.

    Students come last, each with its control, since they have to be trained and the others would wait.
    """
    shown = [curve for curve in curves_for(subject) if curve in curves]
    swift = [curve for curve in shown if not CURVES[curve].always_trains]
    slow = [curve for curve in shown if CURVES[curve].always_trains]
    return (Recipe(model=subject.name), *_in_turns(subject, swift, budget), *_in_turns(subject, slow, budget))


def _in_turns(subject: Subject, curves: Sequence[str], budget: Budget) -> list[Recipe]:
    """The first position of each curve, the second of each, and so on."""
    lists = [curve_points(subject, budget, curve).values() for curve in curves]
    return [recipe for turn in zip_longest(*lists) for recipe in turn if recipe is not None]


def control_of(recipe: Recipe) -> Recipe | None:
    """The fair control of a recipe that trains: the same shapes and the same budget of plain training.

    A student loses its teachers and what it matches in them, fine-tuning loses the entropy penalty and learned scales,
    and pruning while training becomes pruning at once with as much fine-tuning behind it. None for a recipe in which
    that changes nothing: it has no control, or is one.
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
        return (step.model_copy(update={"entropy_penalty": 0.0, "learn_scales": False}),)
    if isinstance(step, MagnitudePruning) and step.epochs > 0:
        at_once = step.model_copy(update={"epochs": 0.0, "regrowth": "none"})
        budget = {"epochs": step.epochs, "learning_rate": step.learning_rate}
        return at_once, FineTuning.model_validate(budget)
    return (step,)
