"""The dispatcher over a real store, without threads and workers: made-up results and answers are there at once."""

from __future__ import annotations

import threading

from compression.inquiries.retiming import Retimed
from compression.recipe.recipe import Recipe
from compression.store import deletion, history
from compression.store.job_queue import Owner
from compression.store.jobs import UNFINISHED, Job, JobState
from compression.store.logs import Journal
from compression.store.store import Store
from compression.work.dispatcher import Dispatcher
from compression.work.members import Members
from tests.support.made_up_answers import answer_to
from tests.support.made_up_results import fabricate, preview

ME = Owner("me", "here", 1, 0.0)
CLAIM = "claim"


class FakeDispatcher(Dispatcher):
    """Does whatever is submitted at once, unless `held`; what has a step or is an inquiry called `failing` fails.

    `submitted` (group and recipe) and `inquired` tell what it was asked for, `answers` makes answers up.
    """

    def __init__(self, *, held: bool = False, failing: str = "") -> None:
        self.store, self.problem, self.workers = Store(), None, Members()
        self._owner, self._wake, self._cluster = ME, threading.Event(), None
        self.held, self.failing = held, failing
        self.submitted: list[tuple[str, Recipe]] = []
        self.inquired: list[object] = []
        self.answers = answer_to

    def members(self) -> Members:
        return self.workers

    def submit(self, works, **how) -> list[Job]:
        recipes = [work for work in works if isinstance(work, Recipe)]
        self.submitted += [(how["group"], recipe) for recipe in recipes]
        self.inquired += [work for work in works if not isinstance(work, Recipe)]
        if how.get("background") and not self.held:  # curves are many, and what is measured needs no job
            self.measure(*(recipe for recipe in recipes if self.failing not in techniques_of(recipe)))
        jobs = super().submit(works, **how)
        return [job if job.state.is_final else self._look_after(job) for job in jobs]

    def _look_after(self, job: Job) -> Job:
        """What comes of a new job at once."""
        names = techniques_of(job.recipe) if job.inquiry is None else {job.inquiry.kind}
        if self.failing in names:
            self.end(job, JobState.FAILED, f"{self.failing} went wrong: choose something milder.")
        elif not self.held:
            self.complete(job)
        return self.store.job(job.job_id)

    def complete(self, job: Job) -> None:
        """End a job with what it leads to."""
        self.measure(job.recipe)
        if job.inquiry is not None:
            self.measure(job.recipe.baseline())
            found, result = self.answers(job.inquiry), self.store.result(job.recipe)
            self.store.add_answer(job.inquiry, result, found.model_dump_json().encode())
            if isinstance(found, Retimed):
                self.store.add_timing(result, found.timing)
        self.end(job, JobState.COMPLETE)

    def measure(self, *recipes: Recipe, **changes: object) -> None:
        """Have made-up results in the store; their files are not."""
        for recipe in recipes:
            self.store.add_result(fabricate(recipe, **changes), {})

    def forget(self, *recipes: Recipe) -> None:
        """Delete these results, or all, with what was found out about them."""
        names = {recipe.recipe_id for recipe in recipes}
        every = history.entries(self.store)
        deletion.delete(self.store, [entry.key for entry in every if not names or entry.recipe_id in names])

    def begin(self, job: Job, progress: float = 0.4, log=("begun",)) -> None:
        """Let a waiting job run."""
        self.store.queue.start_job(job.job_id, CLAIM, ME.dispatcher_id)
        self.store.queue.set_progress(job.job_id, CLAIM, progress, "pruning layer 3", journal(*log))

    def end(self, job: Job, state: JobState, error: str | None = None, log=("begun", "ended")) -> None:
        """End a job that waits or runs."""
        self.store.queue.start_job(job.job_id, CLAIM, ME.dispatcher_id)
        self.store.queue.finish_job(job.job_id, CLAIM, state, error, journal(*log))

    def half_measure(self) -> None:
        """Let everything that waits be at its latency."""
        for job in self.store.jobs(states=[JobState.WAITING]):
            self.begin(job)
            self.store.queue.set_preview(job.job_id, CLAIM, preview(job.recipe))

    def release(self) -> None:
        """Do everything that waits or runs; what was given up ends so."""
        self.held = False
        for job in self.store.jobs(states=UNFINISHED):
            if job.is_cancel_requested:
                self.end(job, JobState.CANCELLED)
            else:
                self.complete(job)


def techniques_of(recipe: Recipe) -> set[str]:
    """The kinds of its steps."""
    return {step.technique for step in recipe.steps}


def journal(*texts: str) -> str:
    """A job's log that says this."""
    found = Journal()
    for text in texts:
        found.say(text)
    return found.to_json()
