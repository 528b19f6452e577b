"""How the trainings of a result went, in plain words. Torch-free."""

from __future__ import annotations

from compression import units
from compression.results.record import Result, Training

NO_HELP = "training did not help: the network from before it was kept"


def trainings_in_words(result: Result) -> tuple[str, ...]:
    """A sentence for each training of the recipe: whether it helped on validation images, and what was kept."""
    several = len(result.trainings) > 1
    names = (f"Training {number}" if several else "Training" for number in range(1, len(result.trainings) + 1))
    return tuple(_sentence(name, training) for name, training in zip(names, result.trainings, strict=True))


def _sentence(name: str, training: Training) -> str:
    early = (
        f", ended by hand after {training.steps:,} of {training.planned:,} steps" if training.was_ended_early else ""
    )
    if not training.helped:
        return f"{name}{early}: {NO_HELP}. {_chosen(training)}"
    which = "the average of the last weights" if training.kept == "average" else "the network"
    at = (
        "at the end"
        if training.kept_at == training.steps
        else f"after {training.kept_at:,} of {training.steps:,} steps"
    )
    return f"{name}{early}: {which} {at} did best and was kept. {_chosen(training)}"


def _chosen(training: Training) -> str:
    digits = units.decimals_for(training.n_validation)
    points = [units.percent(accuracy, digits) for _, accuracy in training.points]
    went = f": {points[0]} % before, {max(points[1:], key=float)} % at best on the way" if len(points) > 1 else ""
    return f"Chosen on {training.n_validation:,} validation images{went}."
