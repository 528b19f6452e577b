"""What a worker process does: measure a job's recipe and keep the result. Torch is loaded by `set_up`."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib
import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compression import RUN, environment
from compression.errors import Cancelled, CompressionError, CorruptFile, StorageFailed
from compression.inquiries import Answer, Inquiry
from compression.recipe.recipe import Recipe
from compression.results import conditions
from compression.results.record import Preview, Result
from compression.store import logs
from compression.store.jobs import Job, JobState
from compression.store.logs import Journal
from compression.store.store import Place, Store
from compression.watch import SILENT, Watch

if TYPE_CHECKING:
    from compression.engine.run import RunOutput

Tell = Callable[[Preview], None]

REPORT_S = 0.2
"""A job shows its progress at most this often: each time is a write that all pages notice."""

LOG_S = 2.0
"""With a report, and at most this often, a job's log is written too: what a worker that dies leaves behind."""

CHECK_S = 0.05
"""A job looks for its cancellation at most this often: a read of less than a millisecond. It may hold what a
person waits for, a worker or the machine-wide lock of measurements."""

TURN_S = 0.01
"""How often a job looks whether another one that measures the same recipe is through: one system call."""

NICENESS = 10
"""Of workers for background jobs: a tenth of a processor where something else wants all of it."""

AUTOGROUP_TRIES, AUTOGROUP_PAUSE_S = 20, 0.1
"""Linux lets people change an autogroup's niceness only every tenth of a second, all of them together."""

BASELINE_SHARE = 0.3
"""Share of the progress bar for the baseline, where it has to be measured first."""

MEASURING_SHARE = 0.3
"""Share of an inquiry's progress bar for measuring its recipe; mostly that was done before."""

_log = logging.getLogger(__name__)


class Runner(Protocol):
    """The signature of `compression.engine.run.run_recipe`."""

    def __call__(
        self,
        recipe: Recipe,
        *,
        baseline: RunOutput | None = None,
        watch: Watch,
        preview: Tell = ...,
    ) -> RunOutput:
        """Measure `recipe`."""
        ...


@functools.cache
def set_up(run: str = RUN) -> None:
    """Load the engine, torch and ONNX Runtime with it, so that the first job does not wait for them.

    Torch gets one thread: there are about as many workers as processors.
    """
    importlib.import_module(run.partition(":")[0])
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
        with contextlib.suppress(RuntimeError):  # it has worked in this process already
            torch.set_num_interop_threads(1)
    tqdm = sys.modules.get("tqdm")
    if tqdm is not None:  # torch.fx uses it where it is installed; its own lock is one that killed workers leave behind
        tqdm.tqdm.set_lock(threading.RLock())


def give_way() -> None:
    """Lower this process's priority, that of all its threads and of the processes it starts from now on. Unix only.

    Linux schedules each session as one group where it makes autogroups (man 7 sched, usual on desktops): niceness
    then only counts within a session, and a session's own among sessions. So the process gets a session of its
    own, and both are lowered. Nobody but an administrator can raise either again.
    """
    if not hasattr(os, "setsid"):  # Windows
        return
    with contextlib.suppress(PermissionError):  # it leads its process group already
        os.setsid()
    os.setpriority(os.PRIO_PGRP, 0, max(NICENESS, os.getpriority(os.PRIO_PGRP, 0)))
    _lower_autogroup()


def _lower_autogroup() -> None:
    """The niceness of this process's session, where there is such a thing."""
    for _ in range(AUTOGROUP_TRIES):
        try:
            Path("/proc/self/autogroup").write_text(str(NICENESS))
        except BlockingIOError:  # somebody else's was changed just now
            time.sleep(AUTOGROUP_PAUSE_S)
        except OSError:  # not on this system
            return
        else:
            return


@dataclass(frozen=True)
class Order:
    """What a worker is told: which job, under which claim, of which engine, in which store, run by what."""

    job_id: str
    claim: str
    engine_id: str
    place: Place
    run: str = RUN


def execute(order: Order) -> None:
    """Carry out one job; everything it leads to is in the store afterwards.

    Every exception ends here, as the job's state and error text. Only a store that cannot be used is
    raised (`StorageFailed`): there is nowhere to write it, and the engine tells it.
    """
    os.environ["COMPRESSION_HOME"] = order.place.home
    store = _open(order.place)
    job = store.start_job(order.job_id, order.claim, order.engine_id)
    if job is None:
        return
    journal = _journal(job, store)
    watch = JobWatch(store, order.job_id, order.claim, journal)

    def work() -> None:
        if job.inquiry is not None:
            inquire(job.inquiry, store, watch=watch, run=order.run)
        else:
            measure(job.recipe, store, watch=watch, preview=watch.tell, run=order.run)

    with logs.listening(journal):
        state, error = _outcome(work)
    journal.say(state.value if error is None else f"{state.value}: {error}", "step" if error is None else "error")
    store.finish_job(order.job_id, order.claim, state, error, journal.to_json())


def _journal(job: Job, store: Store) -> Journal:
    """Begun, or gone on with where the worker that had the job before is gone."""
    here = f"in process {os.getpid()} on {platform.node()}"
    if job.attempts <= 1:
        journal = Journal()
        journal.say(f"begun {here}")
    else:
        journal = Journal(logs.log_of(store.database, job.job_id))
        journal.say(f"attempt {job.attempts}, since the process before was stopped or died; {here}", "warning")
    return journal


def _outcome(work: Callable[[], object]) -> tuple[JobState, str | None]:
    """The one place where a job's exceptions are caught."""
    try:
        work()
    except Cancelled:
        return JobState.CANCELLED, None
    except CompressionError as error:
        return JobState.FAILED, str(error)
    except MemoryError:
        _log.exception("a job ran out of memory")
        return JobState.FAILED, "The memory did not suffice. Close other programs, or take a smaller model or batch."
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
        self._reported_at = self._checked_at = self._logged_at = 0.0

    def report(self, fraction: float, words: str) -> None:
        """Show the progress, unless that was done just now; the journal has it anyway."""
        self._journal.say(words)
        if time.monotonic() - self._reported_at >= REPORT_S:
            self._store.set_progress(self._job_id, self._claim, fraction, words, self._log())
            self._reported_at = time.monotonic()

    def _log(self) -> str | None:
        """What the journal says, now and then."""
        if time.monotonic() - self._logged_at < LOG_S:
            return None
        self._logged_at = time.monotonic()
        return self._journal.to_json()

    def tell(self, preview: Preview) -> None:
        """Show what is known before the job is through."""
        self._store.set_preview(self._job_id, self._claim, preview)

    def check(self) -> None:
        """Raise `Cancelled` when the job is no longer wanted, or no longer this process's."""
        if time.monotonic() - self._checked_at >= CHECK_S:
            if not self._store.is_wanted(self._job_id, self._claim):
                raise Cancelled("The job was cancelled.")
            self._checked_at = time.monotonic()


def measure(
    recipe: Recipe,
    store: Store,
    *,
    watch: Watch = SILENT,
    preview: Tell = lambda found: None,
    fresh: bool = False,
    run: str = RUN,
) -> tuple[Result, dict[str, bytes]]:
    """The result of `recipe` with its artifacts (`stored`, `onnx`, `predictions`), from the store or measured now.

    What is measured is stored, and so is the baseline where that had to be measured first. When another
    process on this machine measures the same recipe already, this one waits and takes its result.
    `preview` is told what is known before the measurement is through.
    `fresh` neither reads nor writes the store. Raises what `run_recipe` raises, `StorageFailed`, and
    `Cancelled` when `watch` does.
    """
    if fresh:
        output = _resolve(run)[0](recipe, watch=watch)
        return output.result, output.artifacts()
    found = _stored(store, recipe)
    if found:
        return found
    with _alone(conditions.result_key(recipe), watch):
        found = _stored(store, recipe)
        if found:
            return found
        baseline = None
        if not recipe.is_baseline:
            baseline, watch = _baseline(recipe.baseline(), store, watch, run)
        output = _resolve(run)[0](recipe, baseline=baseline, watch=watch, preview=preview)
        contents = output.artifacts()
        store.add_result(output.result, contents)
        return output.result, contents


def inquire(
    inquiry: Inquiry,
    store: Store,
    *,
    watch: Watch = SILENT,
    run: str = RUN,
) -> Answer:
    """The answer to `inquiry`, from the store or found out now; its recipe is measured first where that was not done.

    When another process on this machine makes the same inquiry already, this one waits and takes its answer.
    Raises what `measure` raises, and whatever the laboratory cannot do.
    """
    from compression.engine import laboratory  # like the engine itself: not in the process of pages

    content = store.answer(inquiry)
    if content is None:
        with _alone(inquiry.answer_key(conditions.result_key(inquiry.recipe)), watch):
            content = store.answer(inquiry)
            if content is None:
                half = watch.part(0, MEASURING_SHARE, "measuring first: ")
                subject, baseline = (
                    laboratory.Subject(result, contents["stored"], contents["onnx"], _classes(contents))
                    for result, contents in (
                        measure(recipe, store, watch=half, run=run)
                        for recipe in (inquiry.recipe, inquiry.recipe.baseline())
                    )
                )
                bench = laboratory.Bench(subject, baseline, watch.part(MEASURING_SHARE, 1))
                found = laboratory.answer(inquiry, bench)
                store.add_answer(inquiry, subject.result, found.model_dump_json().encode())
                return found
    return inquiry.ANSWER.model_validate_json(content)


def _classes(contents: dict[str, bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(contents["predictions"], dtype=np.uint8)


def _baseline(recipe: Recipe, store: Store, watch: Watch, run: str) -> tuple[RunOutput, Watch]:
    """The baseline's output, and what is left of the progress bar."""
    found = _stored(store, recipe)
    if found is None:
        first = watch.part(0, BASELINE_SHARE, "uncompressed model: ")
        found = measure(recipe, store, watch=first, run=run)
        watch = watch.part(BASELINE_SHARE, 1)
    result, contents = found
    make = _resolve(run)[1]
    return make(result=result, stored=contents["stored"], onnx=contents["onnx"], predictions=_classes(contents)), watch


def _stored(store: Store, recipe: Recipe) -> tuple[Result, dict[str, bytes]] | None:
    """What the store holds of `recipe`; None where a file is gone or damaged, so that it is made again."""
    result = store.result(recipe)
    if result is None:
        return None
    try:
        contents = {role: store.artifact(name) for role, name in result.artifacts.items()}
    except CorruptFile as error:
        _log.warning("%s", error)
        return None
    if any(content is None for content in contents.values()):
        return None
    return result, {role: content for role, content in contents.items() if content is not None}


def _resolve(run: str) -> tuple[Runner, Callable[..., RunOutput]]:
    module_name, _, function = run.partition(":")
    module: Any = importlib.import_module(module_name)
    return getattr(module, function), module.RunOutput


@contextlib.contextmanager
def _alone(key: str, watch: Watch) -> Iterator[None]:
    """Inside, no other process on this machine measures the same thing. A dead process holds nothing."""
    folder = environment.home() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / key[:16], "w")  # noqa: SIM115 - used as a context manager below
    except OSError as error:
        raise StorageFailed(
            f"Cannot write to {folder}: {error.strerror or error}. Free some space, check your rights, "
            "or set COMPRESSION_HOME to another folder."
        ) from error
    with file:
        while not _lock(file.fileno()):
            watch.report(0, "waiting for the same recipe in another job")
            watch.check()
            time.sleep(TURN_S)
        yield


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
