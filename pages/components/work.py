"""What a page asks of the engine, and what it knows at one moment."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

import streamlit as st

from compression import jobs
from compression.links import View
from compression.recipe import Recipe
from compression.result import Preview, Result
from compression.schooling import training_seconds
from compression.store import Job, JobState
from compression.sweeps import Curve, control_of, curve_recipes, curves_for, sweep_recipes
from pages.components import state

_ASKED, _PAUSED = "work_asked", "work_paused"

MEASURING_SECONDS = 2.0
"""Guess of what a point costs besides training, until one was measured."""


@dataclass(frozen=True)
class Snapshot:
    """Everything a page draws, at one moment: nothing on the page is newer or older than the rest.

    `revision` was the store's just before: where it is another one now, something may have changed since.
    """

    revision: int
    view: View
    results: dict[str, Result]
    jobs: tuple[Job, ...]
    sweep: tuple[Recipe, ...]
    problem: str | None
    paused: bool

    @property
    def result(self) -> Result | None:
        """The current setting's measurement."""
        return self.results.get(self.view.recipe.recipe_id)

    @property
    def baseline(self) -> Result | None:
        """The uncompressed model's measurement."""
        return self.results.get(self.view.recipe.baseline().recipe_id)

    @property
    def control(self) -> Result | None:
        """The measurement of the current student's control: the same training without the teacher."""
        control = control_of(self.view.recipe)
        return self.results.get(control.recipe_id) if control else None

    @property
    def job(self) -> Job | None:
        """The current setting's job: the one furthest on, or else the latest. The curves may want it too."""
        mine = [job for job in self.jobs if job.recipe == self.view.recipe]
        return max(mine, key=lambda job: (_liveliness(job), job.created_at), default=None)

    @property
    def preview(self) -> Preview | None:
        """Accuracy and sizes of the current setting while its latency is still being measured."""
        return self.job.preview if self.job is not None and self.result is None else None

    @functools.cached_property
    def missing(self) -> tuple[Recipe, ...]:
        """Points of the curves that are not measured."""
        return tuple(recipe for recipe in self.sweep if recipe.recipe_id not in self.results)

    @property
    def failed(self) -> tuple[Job, ...]:
        """Failed jobs of this model whose recipe has no result, each recipe once."""
        latest = {job.recipe: job for job in sorted(self.jobs, key=lambda job: job.created_at)}
        return tuple(
            job
            for recipe, job in latest.items()
            if job.state is JobState.FAILED and recipe.model == self.view.model and recipe.recipe_id not in self.results
        )

    @property
    def unfinished(self) -> bool:
        """Whether something may still change by itself."""
        return any(not job.state.is_final for job in self.jobs)

    @property
    def sweep_runs(self) -> bool:
        """Whether points of the curves are being measured."""
        return any(job.background and not job.state.is_final for job in self.jobs)

    @property
    def signature(self) -> object:
        """Changes when the page has to be drawn anew, but not with mere progress."""
        over = frozenset(job.job_id for job in self.jobs if job.state.is_final)
        return frozenset(self.results), over, self.problem, self.preview

    @property
    def curves(self) -> dict[Curve, dict[int, Recipe]]:
        """The recipes of the curves by slider position."""
        return curve_recipes(self.view.model, self.view.settings.budget, self.view.curves)

    def measured_curves(self) -> dict[Curve, dict[int, Result]]:
        """The measured points of all curves by slider position, shown or not."""
        every = curve_recipes(self.view.model, self.view.settings.budget, curves_for(self.view.model))
        return {
            curve: {at: self.results[r.recipe_id] for at, r in recipes.items() if r.recipe_id in self.results}
            for curve, recipes in every.items()
        }


def _liveliness(job: Job) -> int:
    """2 running, 1 waiting, 0 over or about to be."""
    if job.state.is_final or job.is_cancel_requested:
        return 0
    return 2 if job.state is JobState.RUNNING else 1


def groups() -> tuple[str, str]:
    """Names of this browser session's interactive and background work."""
    name = state.session_id()
    return f"explore-{name}", f"sweep-{name}"


def want(view: View) -> None:
    """Ask for the view's measurement and its curves; what was asked before and is not wanted is given up."""
    asked = (view.recipe, view.model, view.settings.budget, view.curves, is_paused())
    if st.session_state.get(_ASKED) == asked:
        return
    engine, (interactive, background) = jobs.get_engine(), groups()
    control = control_of(view.recipe)
    wanted = (view.recipe.baseline(), view.recipe, *([control] if control else []))
    engine.replace(wanted, group=interactive)
    sweep = () if is_paused() else sweep_recipes(view.model, view.settings.budget, view.curves)
    engine.replace(sweep, group=background, background=True)
    st.session_state[_ASKED] = asked


def snapshot(view: View) -> Snapshot:
    """Look at the store once."""
    engine, now = jobs.get_engine(), revision()
    found = [job for group in groups() for job in engine.jobs(group)]
    results = {result.recipe_id: result for result in engine.store.results(view.model)}
    sweep = sweep_recipes(view.model, view.settings.budget, view.curves)
    return Snapshot(now, view, results, tuple(found), sweep, engine.problem, is_paused())


def revision() -> int:
    """Changes when a snapshot would."""
    return jobs.get_engine().store.revision()


def is_paused() -> bool:
    """Whether the person stopped the sweep."""
    return bool(st.session_state.get(_PAUSED, False))


def pause() -> None:
    """Stop the sweep; what was measured stays."""
    st.session_state[_PAUSED] = True
    jobs.get_engine().cancel(groups()[1])


def resume() -> None:
    """Measure the rest of the sweep, and try failed points again."""
    st.session_state[_PAUSED] = False
    st.session_state.pop(_ASKED, None)


def give_up(seen: Snapshot) -> None:
    """Cancel the current setting's measurement, also where it is a point of a curve."""
    jobs.get_engine().cancel_jobs([job.job_id for job in seen.jobs if job.recipe == seen.view.recipe])


def retry() -> None:
    """Ask for the current setting again."""
    st.session_state.pop(_ASKED, None)


def seconds_left(seen: Snapshot) -> float:
    """Rough time until the curves are complete: what like points took, shared among the running jobs."""
    taken = defaultdict(list)
    for result in seen.results.values():
        taken[_kind(Recipe.model_validate(result.recipe))].append(result.seconds)
    every = [seconds for group in taken.values() for seconds in group]
    fallback = median(every) if every else MEASURING_SECONDS
    total = sum(
        median(taken[_kind(recipe)]) if taken[_kind(recipe)] else fallback + training_seconds(recipe)
        for recipe in seen.missing
    )
    running = sum(job.state is JobState.RUNNING and job.background for job in seen.jobs)
    return total / max(1, running)


def _kind(recipe: Recipe) -> tuple[str, ...]:
    return tuple(step.technique for step in recipe.steps)
