"""Sliders to recipes and back, and which recipes make the curves of a model. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, Literal

from compression.recipe import (
    ChannelPruning,
    Distillation,
    FineTuning,
    MagnitudePruning,
    Quantization,
    Recipe,
    Step,
    make_recipe,
)

Budget = Literal["none", "quick", "thorough"]
BUDGETS: tuple[Budget, ...] = ("none", "quick", "thorough")
Curve = Literal["channel_pruning", "magnitude_pruning", "quantization", "distillation", "student_control"]
"""One per technique, and `student_control`: the same students trained without a teacher."""
CURVES: tuple[Curve, ...] = ("channel_pruning", "magnitude_pruning", "quantization", "distillation", "student_control")
TRAINED_CURVES: tuple[Curve, ...] = ("distillation", "student_control")
"""Curves whose points always train, whatever the budget."""

FLOAT_BITS = 32
"""The bit width slider's neutral end: weights stay 32-bit floats, no quantization step."""

BIT_WIDTHS = (FLOAT_BITS, 16, 8, 7, 6, 5, 4, 3, 2, 1)
PRUNING_STEP = 5
"""Percent between two positions of the pruning slider."""

MAX_PRUNING = 95
STUDENT_STEP = 5
MIN_STUDENT = 10
QUANTIZATION_AWARE_BITS = 4
"""Down to 5 bits rounding alone costs next to nothing; from 4 bits on training with the codes pays."""

INTEGER_BITS = 8
"""Up to 8 bits integer kernels exist, so activations are quantized too unless that is switched off."""


@dataclass(frozen=True)
class Settings:
    """Everything the controls say. Percentages are whole numbers, as the sliders show them.

    `epochs` replaces the budget's number of epochs wherever the recipe trains; None leaves it.
    """

    pruning_percent: int = 0
    weight_bits: int = FLOAT_BITS
    student_percent: int = 100
    budget: Budget = "none"
    remove: Literal["channels", "weights"] = "channels"
    importance: Literal["l1", "l2", "batch_norm", "random"] = "l2"
    round_to: Literal[1, 2, 4, 8, 16] = 1
    recalibrate: bool = True
    scope: Literal["global", "layer"] = "global"
    activation_bits: Literal[8] | None = 8
    granularity: Literal["channel", "tensor"] = "channel"
    symmetric: bool = True
    method: Literal["nearest", "mse"] = "mse"
    temperature: float = 4.0
    alpha: float = 0.9
    epochs: float | None = None
    seed: int = 0

    @property
    def trains(self) -> bool:
        """Whether the recipe of these settings has a training step."""
        return any(isinstance(step, FineTuning | Distillation) for step in recipe_of("any", self).steps)


@dataclass(frozen=True)
class Schooling:
    """Epochs of one model's two budgets, and how fast a worker trains it.

    Quick is meant to take a few seconds on one slow core, thorough five to ten times as long.
    `images_per_second` was seen on one core of a 2-core cloud machine, forward and backward.
    """

    quick: float
    thorough: float
    quick_student: float
    thorough_student: float
    images_per_second: float
    train_images: int


SCHOOLING = {
    "mlp-digits": Schooling(20, 120, 40, 200, 30_000, 969),
    "lenet300-mnist5k": Schooling(4, 30, 10, 60, 8_000, 3_244),
    "lenet5-mnist5k": Schooling(3, 20, 8, 50, 3_000, 3_244),
    "resnet8-mnist5k": Schooling(1, 8, 3, 20, 1_000, 3_244),
    "resnet20-fashion": Schooling(0.05, 0.4, 0.08, 0.6, 330, 57_488),
    "mobilenet-fashion": Schooling(0.05, 0.4, 0.1, 0.8, 400, 57_488),
}
_UNKNOWN_MODEL = Schooling(1, 8, 3, 20, 500, 10_000)


def schooling(model: str) -> Schooling:
    """The model's epochs and speed; cautious ones for a model not listed."""
    return SCHOOLING.get(model, _UNKNOWN_MODEL)


def epochs_of(model: str, settings: Settings, *, student: bool) -> float:
    """Epochs of a training step. A student always trains: without a budget it gets the quick one."""
    if settings.epochs is not None:
        return settings.epochs
    plan = schooling(model)
    if settings.budget == "thorough":
        return plan.thorough_student if student else plan.thorough
    return plan.quick_student if student else plan.quick


def training_seconds(recipe: Recipe) -> float:
    """Rough seconds of training in a recipe; 0 without a training step.

    A student costs its own width (about the square of `width_mult`) plus a third for its teacher's
    forward pass.
    """
    plan = schooling(recipe.model)
    seconds = 0.0
    for step in recipe.steps:
        if isinstance(step, Distillation):
            seconds += step.epochs * (step.width_mult**2 + 0.33) * plan.train_images / plan.images_per_second
        elif isinstance(step, FineTuning):
            seconds += step.epochs * plan.train_images / plan.images_per_second
    return seconds


def recipe_of(model: str, settings: Settings) -> Recipe:
    """The recipe of the controls: student, pruning, fine-tuning, quantization, training with codes."""
    steps: list[dict[str, Any]] = []
    if settings.student_percent < 100:
        steps.append(_student(model, settings))
    if settings.pruning_percent > 0:
        steps.append(_pruning(settings))
        if settings.budget != "none":
            steps.append(_fine_tuning(model, settings))
    if settings.weight_bits < FLOAT_BITS:
        steps.append(_quantization(settings))
        if settings.budget != "none" and settings.weight_bits <= QUANTIZATION_AWARE_BITS:
            steps.append(_fine_tuning(model, settings))
    return make_recipe(model, steps, settings.seed)


def _student(model: str, settings: Settings) -> dict[str, Any]:
    return {
        "technique": "distillation",
        "width_mult": settings.student_percent / 100,
        "epochs": epochs_of(model, settings, student=True),
        "temperature": settings.temperature,
        "alpha": settings.alpha,
    }


def _pruning(settings: Settings) -> dict[str, Any]:
    fraction = settings.pruning_percent / 100
    if settings.remove == "weights":
        return {
            "technique": "magnitude_pruning",
            "sparsity": fraction,
            "scope": settings.scope,
            "recalibrate": settings.recalibrate,
        }
    return {
        "technique": "channel_pruning",
        "pruning_ratio": fraction,
        "importance": settings.importance,
        "round_to": settings.round_to,
        "recalibrate": settings.recalibrate,
    }


def _quantization(settings: Settings) -> dict[str, Any]:
    return {
        "technique": "quantization",
        "weight_bits": settings.weight_bits,
        "activation_bits": settings.activation_bits if settings.weight_bits <= INTEGER_BITS else None,
        "granularity": settings.granularity,
        "symmetric": settings.symmetric,
        "method": settings.method,
    }


def _fine_tuning(model: str, settings: Settings) -> dict[str, Any]:
    return {"technique": "fine_tuning", "epochs": epochs_of(model, settings, student=False)}


def control_of(recipe: Recipe) -> Recipe | None:
    """The fair control of a student: the same start and training budget without the teacher (`alpha` 0).

    None for a recipe without a teacher: nothing to compare.
    """
    steps = [
        step.model_copy(update={"alpha": 0.0}) if isinstance(step, Distillation) else step for step in recipe.steps
    ]
    if tuple(steps) == recipe.steps:
        return None
    return Recipe(model=recipe.model, steps=tuple(steps), seed=recipe.seed)


def settings_of(recipe: Recipe, budget: Budget = "none") -> Settings | None:
    """The controls' position that gives exactly this recipe; None where no position does.

    Some recipes belong to several budgets (quantization alone trains in none); `budget` is tried first.
    """
    nearest = nearest_settings(recipe)
    for candidate in dict.fromkeys((budget, *BUDGETS)):
        for epochs in (None, nearest.epochs):
            settings = replace(nearest, budget=candidate, epochs=epochs)
            if recipe_of(recipe.model, settings) == recipe:
                return settings
    return None


def nearest_settings(recipe: Recipe) -> Settings:
    """The controls' position closest to a recipe, which may be one that they cannot express."""
    settings = Settings(seed=recipe.seed)
    for step in recipe.steps:
        settings = _absorb(settings, step)
    return settings


def _absorb(settings: Settings, step: Step) -> Settings:
    match step:
        case Distillation():
            percent = _on_grid(step.width_mult, STUDENT_STEP, MIN_STUDENT, 100)
            settings = replace(
                settings, student_percent=percent, temperature=float(step.temperature), alpha=float(step.alpha)
            )
            return replace(settings, epochs=float(step.epochs))
        case ChannelPruning():
            percent = _on_grid(step.pruning_ratio, PRUNING_STEP, 0, MAX_PRUNING)
            settings = replace(settings, pruning_percent=percent, remove="channels", importance=step.importance)
            return replace(settings, round_to=step.round_to, recalibrate=step.recalibrate)
        case MagnitudePruning():
            percent = _on_grid(step.sparsity, PRUNING_STEP, 0, MAX_PRUNING)
            settings = replace(settings, pruning_percent=percent, remove="weights", scope=step.scope)
            return replace(settings, recalibrate=step.recalibrate)
        case Quantization():
            activations = step.activation_bits if step.weight_bits <= INTEGER_BITS else settings.activation_bits
            settings = replace(settings, weight_bits=step.weight_bits, activation_bits=activations)
            return replace(settings, granularity=step.granularity, symmetric=step.symmetric, method=step.method)
        case FineTuning():
            return replace(settings, epochs=float(step.epochs), budget="quick")


def _on_grid(fraction: float, step: int, low: int, high: int) -> int:
    return min(high, max(low, step * round(100 * fraction / step)))


_POSITIONS: dict[Curve, tuple[int, ...]] = {
    "channel_pruning": (50, 20, 80, 10, 30, 40, 60, 70, 90),
    "magnitude_pruning": (80, 50, 95, 90, 30, 60, 70),
    "quantization": (4, 8, 2, 3, 6, 5, 1, 16),
    "distillation": (50, 25, 75),
    "student_control": (50, 25, 75),
}
"""Where each curve is measured, coarse first, so that its shape shows early."""


def curve_settings(curve: Curve, position: int, budget: Budget) -> Settings:
    """The controls' position of one point of a curve: one slider moved, the rest neutral."""
    if curve == "channel_pruning":
        return Settings(pruning_percent=position, budget=budget)
    if curve == "magnitude_pruning":
        return Settings(pruning_percent=position, remove="weights", budget=budget)
    if curve == "quantization":
        return Settings(weight_bits=position, budget=budget)
    student = Settings(student_percent=position, budget=budget)
    return student if curve == "distillation" else replace(student, alpha=0.0)


def curve_recipes(model: str, budget: Budget) -> dict[Curve, dict[int, Recipe]]:
    """The recipes of every curve by slider position, each from mild to strong compression."""
    return {
        curve: {
            position: recipe_of(model, curve_settings(curve, position, budget))
            for position in sorted(_POSITIONS[curve], reverse=curve == "quantization" or curve in TRAINED_CURVES)
        }
        for curve in CURVES
    }


def sweep_recipes(model: str, budget: Budget) -> tuple[Recipe, ...]:
    """All points of all curves in the order to measure them: the baseline, then coarse to fine.

    Students come last, each with its control, since they have to be trained and the others would wait.
    """
    swift = [curve for curve in CURVES if curve not in TRAINED_CURVES]
    return (Recipe(model=model), *_in_turns(model, swift, budget), *_in_turns(model, TRAINED_CURVES, budget))


def _in_turns(model: str, curves: Sequence[Curve], budget: Budget) -> list[Recipe]:
    """The first position of each curve, the second of each, and so on."""
    lists = [
        [recipe_of(model, curve_settings(curve, position, budget)) for position in _POSITIONS[curve]]
        for curve in curves
    ]
    return [recipe for turn in zip_longest(*lists) for recipe in turn if recipe is not None]
