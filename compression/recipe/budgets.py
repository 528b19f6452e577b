"""How long the budgets train, and how long that takes. Torch-free."""

from __future__ import annotations

import math
from typing import Literal

from compression.models.subject import BudgetEpochs, Subject
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Distillation, FineTuning, Step

Budget = Literal["none", "quick", "thorough"]
BUDGETS: tuple[Budget, ...] = ("none", "quick", "thorough")


SECONDS = {"quick": 4.0, "thorough": 32.0}
"""What the budgets take on one slow core where a model does not say its epochs: of the samples a few seconds, and five
to ten times as long."""

STUDENT_SHARE = 2.5
"""How much longer a student trains than a compressed network: it starts from nothing."""

FEWEST_IMAGES, MOST_EPOCHS = 640, 200
"""Ten batches, below which training does nothing, and what a step takes at most."""

CAUTIOUS_SPEED = 500.0
"""Images a second where no training of the model was timed."""

FAMILY_SECONDS = {"mobilenet_v3_small": 0.013, "efficientnet_b0": 0.05, "squeezenet": 0.006}
"""One core's time to train a full-size student of another family on one image of 28 x 28 pixels."""

LONGEST = {"quick": 30.0, "thorough": 300.0}
"""Seconds after which a budget ends for students of other families. Some take fifty times as long as the model
that teaches them, so its number of epochs would be minutes or hours."""

SHORTEST_IMAGES = 3_000
"""Images that every student of another family sees, however slow it is: with fewer it would have learned nothing."""

TEACHER_COST = 0.33
"""A teacher's forward pass against a pass of training, which also goes backward."""


def budgets_of(subject: Subject) -> BudgetEpochs:
    """The epochs that the model's entry says, or else those that fit into `SECONDS` at its training speed."""
    if subject.entry.budgets is not None:
        return subject.entry.budgets
    quick, thorough = (seconds * training_speed(subject) for seconds in SECONDS.values())
    images = (quick, thorough, STUDENT_SHARE * quick, STUDENT_SHARE * thorough)
    passes = (max(FEWEST_IMAGES, some) / subject.data.train_images for some in images)
    return BudgetEpochs(*(_two_digits(min(MOST_EPOCHS, epochs)) for epochs in passes))


def training_speed(subject: Subject) -> float:
    """Images a second that one core trains the model on; a cautious guess where that was not timed."""
    return subject.entry.images_per_second or CAUTIOUS_SPEED


def budget_epochs(subject: Subject, budget: Budget) -> float:
    """Epochs of training the compressed network; without a budget those of the quick one."""
    plan = budgets_of(subject)
    return plan.thorough if budget == "thorough" else plan.quick


def student_epochs(
    subject: Subject,
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
    plan, images = budgets_of(subject), subject.data.train_images
    own = plan.thorough_student if budget == "thorough" else plan.quick_student
    if student not in FAMILY_SECONDS:
        return own
    seconds = _family_seconds(student, width_mult, depth_mult, resolution or _side(subject)) * images
    fitting = LONGEST["thorough" if budget == "thorough" else "quick"] / seconds
    return _two_digits(min(own, max(fitting, SHORTEST_IMAGES / images)))


def _side(subject: Subject) -> int:
    """Of its images, in pixels; as many as a square one of the same area has."""
    _, height, width = subject.data.shape
    return round(math.sqrt(height * width))


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


def training_seconds(subject: Subject, recipe: Recipe) -> float:
    """Rough seconds of training in a recipe of this model; 0 without a training step.

    A student of the model's family costs its own width (about the square of `width_mult`), every student a third
    of the model for each teacher's forward pass; so does training with the original's help.
    """
    passes = sum(getattr(step, "epochs", 0.0) * _cost(step, subject) for step in recipe.steps)
    return passes * subject.data.train_images / training_speed(subject)


def _cost(step: Step, subject: Subject) -> float:
    """One epoch of a training step, in epochs of plain training of the model itself."""
    if isinstance(step, Distillation):
        return _student_cost(step, subject) + TEACHER_COST * max(1, len(step.teachers))
    helped = isinstance(step, FineTuning) and step.alpha > 0
    return 1 + TEACHER_COST if helped else 1.0


def _student_cost(step: Distillation, subject: Subject) -> float:
    if step.student == "same":
        return step.width_mult**2
    side = step.resolution or _side(subject)
    return _family_seconds(step.student, step.width_mult, step.depth_mult, side) * training_speed(subject)
