"""Which job a free worker takes next. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compression.recipe.recipe import Recipe
from compression.store.jobs import Job

NEAR = 8
"""Of the next background jobs so many may change places: few, since curves are measured coarse to fine."""


def next_job(waiting: Sequence[Job], *, background: bool, last: Recipe | None, running: Iterable[Recipe]) -> Job | None:
    """The job for a worker that takes background jobs or does not, and was given `last`; None where none fits.

    People's jobs come first, in order. Workers remember networks after the first steps of recipes, so of near
    background jobs one comes first that goes on from there, and last one that begins like another that is `running`
    elsewhere: both would take the same first steps.
    """
    fitting = [job for job in waiting if background or not job.background]
    if not fitting or not fitting[0].background:
        return next(iter(fitting), None)
    elsewhere = list(running)

    def rank(job: Job) -> int:
        if last is not None and begin_alike(job.recipe, last):
            return 0
        return 2 if any(begin_alike(job.recipe, other) for other in elsewhere) else 1

    return min(fitting[:NEAR], key=rank)


def begin_alike(one: Recipe, other: Recipe) -> bool:
    """Whether the first step leads both to the same network; two baselines have none."""
    first, second = ((recipe.model, recipe.seed, recipe.steps[:1]) for recipe in (one, other))
    return bool(one.steps) and first == second
