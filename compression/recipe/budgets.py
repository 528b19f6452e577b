"""How long the budgets train, and how long that takes. Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from compression.recipe.recipe import Recipe
from compression.recipe.steps import Distillation, FineTuning, Step

Budget = Literal["none", "quick", "thorough"]
BUDGETS: tuple[Budget, ...] = ("none", "quick", "thorough")


@dataclass(frozen=True)
class Schooling:
    """Epochs of one model's two budgets, and how fast a worker trains it.

    Quick is meant to take a few seconds on one slow core, thorough five to ten times as long.
    `images_per_second` was seen on one core of a 2-core cloud machine, forward and backward; `side` is that of
    the images in pixels.
    """

    quick: float
    thorough: float
    quick_student: float
    thorough_student: float
    images_per_second: float
    train_images: int
    side: int = 28


SCHOOLING = {
    "mlp-digits": Schooling(20, 120, 40, 200, 30_000, 969, side=8),
    "lenet300-mnist5k": Schooling(4, 30, 10, 60, 8_000, 3_244),
    "lenet5-mnist5k": Schooling(3, 20, 8, 50, 3_000, 3_244),
    "resnet8-mnist5k": Schooling(1, 8, 3, 20, 1_000, 3_244),
    "resnet20-fashion": Schooling(0.05, 0.4, 0.08, 0.6, 330, 57_488),
    "mobilenet-fashion": Schooling(0.05, 0.4, 0.1, 0.8, 400, 57_488),
}
_UNKNOWN_MODEL = Schooling(1, 8, 3, 20, 500, 10_000)

FAMILY_SECONDS = {"mobilenet_v3_small": 0.013, "efficientnet_b0": 0.05, "squeezenet": 0.006}
"""One core's time to train a full-size student of another family on one image of 28 x 28 pixels."""

LONGEST = {"quick": 30.0, "thorough": 300.0}
"""Seconds after which a budget ends for students of other families. Some take fifty times as long as the model
that teaches them, so its number of epochs would be minutes or hours."""

SHORTEST_IMAGES = 3_000
"""Images that every student of another family sees, however slow it is: with fewer it would have learned nothing."""

TEACHER_COST = 0.33
"""A teacher's forward pass against a pass of training, which also goes backward."""


def schooling(model: str) -> Schooling:
    """The model's epochs and speed; cautious ones for a model not listed."""
    return SCHOOLING.get(model, _UNKNOWN_MODEL)


def budget_epochs(model: str, budget: Budget) -> float:
    """Epochs of training the compressed network; without a budget those of the quick one."""
    plan = schooling(model)
    return plan.thorough if budget == "thorough" else plan.quick


def student_epochs(
    model: str,
    budget: Budget,
    *,
    student: str = "same",
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    resolution: int | None = None,
) -> float:
    """Epochs of training a student, which always trains: without a budget it gets the quick one.

    A student of another family gets as many as one of the model's own, or fewer so that the budget takes
    `LONGEST` at most.
    """
    plan = schooling(model)
    own = plan.thorough_student if budget == "thorough" else plan.quick_student
    if student not in FAMILY_SECONDS:
        return own
    seconds = _family_seconds(student, width_mult, depth_mult, resolution or plan.side) * plan.train_images
    fitting = LONGEST["thorough" if budget == "thorough" else "quick"] / seconds
    return _two_digits(min(own, max(fitting, SHORTEST_IMAGES / plan.train_images)))


def _two_digits(value: float) -> float:
    """Rounded to two significant digits, so that a recipe is readable."""
    return round(value, 1 - math.floor(math.log10(value)))


def _family_seconds(student: str, width: float, depth: float, side: int) -> float:
    """Seconds of training on one image; a fit to the three families at three sizes on 8 and 28 pixels' side."""
    seconds: float = FAMILY_SECONDS[student] * (0.3 + 0.7 * (side / 28) ** 2) * width**1.1 * (0.3 + 0.7 * depth)
    return seconds


def trains(recipe: Recipe) -> bool:
    """Whether any step of a recipe trains."""
    return any(getattr(step, "epochs", 0) > 0 for step in recipe.steps)


def training_seconds(recipe: Recipe) -> float:
    """Rough seconds of training in a recipe; 0 without a training step.

    A student of the model's family costs its own width (about the square of `width_mult`), every student a third
    of the model for each teacher's forward pass; so does training with the original's help.
    """
    plan = schooling(recipe.model)
    passes = sum(getattr(step, "epochs", 0.0) * _cost(step, plan) for step in recipe.steps)
    return passes * plan.train_images / plan.images_per_second


def _cost(step: Step, plan: Schooling) -> float:
    """One epoch of a training step, in epochs of plain training of the model itself."""
    if isinstance(step, Distillation):
        return _student_cost(step, plan) + TEACHER_COST * max(1, len(step.teachers))
    helped = isinstance(step, FineTuning) and step.alpha > 0
    return 1 + TEACHER_COST if helped else 1.0


def _student_cost(step: Distillation, plan: Schooling) -> float:
    if step.student == "same":
        return step.width_mult**2
    side = step.resolution or plan.side
    return _family_seconds(step.student, step.width_mult, step.depth_mult, side) * plan.images_per_second
