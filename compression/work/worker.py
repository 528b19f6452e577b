"""What a worker process does with a job: measure its recipe or make its inquiry, and tell the store how that went."""

from __future__ import annotations

import functools
import logging
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compression import RUN
from compression.errors import Cancelled, CompressionError
from compression.results.record import Learning, Underway
from compression.store import logs
from compression.store.jobs import Job, JobState
from compression.store.logs import Journal
from compression.store.store import Place, Store
from compression.watch import Point, Watch

REPORT_S = 0.2
"""A job shows its progress at most this often: each time is a write that all pages notice."""

LOG_S = 2.0
"""With a report, and at most this often, a job's log is written too: what a worker that dies leaves behind."""

CHECK_S = 0.05
"""A job looks for its cancellation at most this often: a read of less than a millisecond. It may hold what a
person waits for, a worker or the machine-wide lock of measurements."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What a worker is told: which job, under which claim, of which dispatcher, in which store, run by what."""

    job_id: str
    claim: str
    dispatcher_id: str
    place: Place
    run: str = RUN


def execute(order: Order) -> None:
    """Carry out one job; everything it leads to is in the store afterwards.

    Every exception ends here, as the job's state and error text. Only a store that cannot be used is
    raised (`StorageFailed`): there is nowhere to write it, and the dispatcher tells it.
    """
    from compression.work import once  # and filelock with it: not in the process of pages

    os.environ["COMPRESSION_HOME"] = order.place.home
    store = _open(order.place)
    job = store.queue.start_job(order.job_id, order.claim, order.dispatcher_id)
    if job is None:
        return
    store = store.within(job.workspace)
    journal = _journal(job, store)
    watch = JobWatch(store, order.job_id, order.claim, journal)

    def work() -> None:
        if job.inquiry is not None:
            once.inquire(job.inquiry, store, watch=watch, run=order.run)
        else:
            result, _ = once.measure(job.recipe, store, watch=watch, preview=watch.tell, run=order.run)
            if result.recipe_id != job.recipe.recipe_id:  # its training was ended early
                store.queue.set_recipe(order.job_id, order.claim, result.parsed_recipe)

    with logs.listening(journal):
        state, error = _outcome(work)
    journal.say(state.value if error is None else f"{state.value}: {error}", "step" if error is None else "error")
    store.queue.finish_job(order.job_id, order.claim, state, error, journal.to_json())


def _journal(job: Job, store: Store) -> Journal:
    """Begun, or gone on with where the worker that had the job before is gone."""
    here = f"in process {os.getpid()} on {platform.node()}"
    before = logs.log_of(store.database, job.job_id)
    journal = Journal(before)
    if before:
        journal.say(f"begun again, since the process before was stopped or died; {here}", "warning")
    else:
        journal.say(f"begun {here}")
    return journal


def _outcome(work: Callable[[], object]) -> tuple[JobState, str | None]:
    """The one place where a job's exceptions are caught."""
    try:
        work()
    except Cancelled:
        return JobState.CANCELLED, None
    except CompressionError as error:
        return JobState.FAILED, str(error)
    except Exception as error:
        _log.exception("a job failed in a way that nobody foresaw")
        text = f"Unexpected error: {type(error).__name__}: {error}"
        return JobState.FAILED, f"{text}. Please report this with the job's log, which shows where it happened."
    return JobState.COMPLETE, None


@functools.lru_cache(maxsize=4)
def _open(place: Place) -> Store:
    return Store(place.database_url)


class JobWatch(Watch):
    """Shows a job's progress every `REPORT_S` at most, and notices within `CHECK_S` that it was given up."""

    def __init__(self, store: Store, job_id: str, claim: str, journal: Journal | None = None) -> None:
        super().__init__()
        self._store, self._job_id, self._claim = store, job_id, claim
        self._journal = journal or Journal()
        self._reported_at = self._checked_at = self._logged_at = self._asked_at = 0.0

    def report(self, fraction: float, words: str) -> None:
        """Show the progress, unless that was done just now; the journal has it anyway."""
        self._journal.say(words)
        if time.monotonic() - self._reported_at >= REPORT_S:
            self._store.queue.set_progress(self._job_id, self._claim, fraction, words, self._log())
            self._reported_at = time.monotonic()

    def _log(self) -> str | None:
        """What the journal says, now and then."""
        if time.monotonic() - self._logged_at < LOG_S:
            return None
        self._logged_at = time.monotonic()
        return self._journal.to_json()

    def tell(self, preview: Underway) -> None:
        """Show what is known before the job is through."""
        self._store.queue.set_preview(self._job_id, self._claim, preview)

    def learned(self, points: Sequence[Point], steps: int, *, may_end: bool) -> None:
        """Show how accurate the network is that trains, and whether it may be ended."""
        found = Learning(planned=steps, points=tuple(points), may_end=may_end)
        self._store.queue.set_learning(self._job_id, self._claim, found)

    def is_enough(self) -> bool:
        """Whether the person wants the training to end here; looked at as often as for a cancellation."""
        if time.monotonic() - self._asked_at < CHECK_S:
            return False
        self._asked_at = time.monotonic()
        return self._store.queue.is_enough(self._job_id, self._claim)

    def check(self) -> None:
        """Raise `Cancelled` when the job is no longer wanted, or no longer this process's."""
        if time.monotonic() - self._checked_at >= CHECK_S:
            if not self._store.queue.is_wanted(self._job_id, self._claim):
                raise Cancelled("The job was cancelled.")
            self._checked_at = time.monotonic()
