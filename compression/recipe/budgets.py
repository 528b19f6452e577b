"""How long the budgets train, and what that is in passes over the training images. Torch-free.

A budget is a time. What a recipe holds are passes, decided when it is made from the speed at which this machine trains
the model: so the recipe leads to the same network wherever and whenever it is carried out.
"""

from __future__ import annotations

import math

from compression import units
from compression.errors import InvalidRecipe
from compression.models.subject import Subject
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Distillation, FineTuning, MagnitudePruning, Step

Budget = str
"""`none`, `quick`, `thorough`, or minutes: `2.5 minutes`. See `parse_budget`."""

BUDGETS: tuple[Budget, ...] = ("none", "quick", "thorough")
"""Those with a name."""

SECONDS = {"none": 0.0, "quick": 15.0, "thorough": 300.0}

MOST_PASSES = {"quick": 20.0}
"""Small networks have learned what there is to learn before the time is over."""

MINUTES = 0.1, 600.0
"""Fewest and most that a person can give."""

BATCH_SIZE = 64
"""Images of one step of training."""

FEWEST_IMAGES, LONGEST = 640, 200.0
"""Ten batches, below which training does nothing; and the passes over the training images that a step has at most."""

FAMILY_SECONDS = {"mobilenet_v3_small": 0.013, "efficientnet_b0": 0.05, "squeezenet": 0.006}
"""One core's time to train a full-size student of another family on one image of 28 x 28 pixels."""

SHORTEST_IMAGES = 3_000
"""Images that every student of another family sees, however slow it is: with fewer it would have learned nothing."""

FORWARD_COST = 0.33
"""A forward pass, also a teacher's, against a pass of training, which also goes backward."""

LOOKING = 1.25
"""How much longer a training takes because the network is judged on validation images in between."""


def parse_budget(text: str) -> Budget:
    """A budget that comes in as text, as it is written here; raises `InvalidRecipe`."""
    if text in BUDGETS:
        return text
    number, _, unit = text.partition(" ")
    try:
        minutes = float(number)
    except ValueError:
        minutes = math.nan
    if unit not in ("minute", "minutes") or not MINUTES[0] <= minutes <= MINUTES[1]:
        raise InvalidRecipe(
            f"A budget must be none, quick, thorough or a time from {MINUTES[0]:g} to {MINUTES[1]:g} minutes, such as "
            f"'2 minutes', but is {text[:80]!r}."
        )
    return in_minutes(minutes)


def in_minutes(minutes: float) -> Budget:
    """The budget of this time."""
    return units.counted(float(minutes), "minute")


def seconds_of(budget: Budget) -> float:
    """How long a budget lasts."""
    return SECONDS[budget] if budget in SECONDS else 60 * float(budget.split()[0])


def steps_of(passes: float, images: int) -> int:
    """Steps of the optimizer in so many passes over training images."""
    return round(passes * images / min(BATCH_SIZE, images))


def passes_of(steps: int, images: int) -> float:
    """The shortest number of passes that is exactly so many steps."""
    exact = steps * min(BATCH_SIZE, images) / images
    shorter = (_rounded(exact, digits) for digits in range(2, 17))
    return next(passes for passes in shorter if steps_of(passes, images) == steps)


def tuning_passes(subject: Subject, budget: Budget, *, alpha: float, parts: int = 1) -> float:
    """Passes of training the compressed network, where `parts` steps share the budget; without one of the quick one."""
    return _passes(subject, budget, 1 + FORWARD_COST * (alpha > 0), parts)


def student_passes(
    subject: Subject,
    budget: Budget,
    *,
    student: str = "same",
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    resolution: int | None = None,
    teachers: int = 1,
    parts: int = 1,
) -> float:
    """Passes of training a student, which always trains: without a budget it gets the quick one.

    One of another family sees at least `SHORTEST_IMAGES`, since it starts from nothing.
    """
    cost = FORWARD_COST * teachers + _student_cost(subject, student, width_mult, depth_mult, resolution)
    passes = _passes(subject, budget, cost, parts)
    if student not in FAMILY_SECONDS:
        return passes
    return max(passes, _rounded(min(LONGEST, SHORTEST_IMAGES / subject.data.train_images)))


def _passes(subject: Subject, budget: Budget, cost: float, parts: int) -> float:
    """Passes that fit, where one costs `cost` passes of plain training of the model."""
    given = "quick" if budget == "none" else budget
    images = seconds_of(given) / parts / LOOKING / cost * subject.images_per_second
    passes = max(FEWEST_IMAGES, images) / subject.data.train_images
    return _rounded(min(LONGEST, MOST_PASSES.get(given, LONGEST), passes))


def _rounded(value: float, digits: int = 2) -> float:
    """To so many significant digits, so that a recipe is readable."""
    return round(value, digits - 1 - math.floor(math.log10(value)))


def _side(subject: Subject) -> int:
    """Of its images, in pixels; as many as a square one of the same area has."""
    _, height, width = subject.data.shape
    return round(math.sqrt(height * width))


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
    return LOOKING * passes * subject.data.train_images / subject.images_per_second


def _cost(step: Step, subject: Subject) -> float:
    """One epoch of a training step, in epochs of plain training of the model itself."""
    if isinstance(step, Distillation):
        own = _student_cost(subject, step.student, step.width_mult, step.depth_mult, step.resolution)
        return own + FORWARD_COST * max(1, len(step.teachers))
    helped = isinstance(step, MagnitudePruning) or (isinstance(step, FineTuning) and step.alpha > 0)
    return 1 + FORWARD_COST if helped else 1.0


def _student_cost(subject: Subject, student: str, width: float, depth: float, resolution: int | None) -> float:
    """One pass of training a student, without its teachers, in passes of training the model."""
    if student not in FAMILY_SECONDS:
        return width**2
    return _family_seconds(student, width, depth, resolution or _side(subject)) * subject.images_per_second
