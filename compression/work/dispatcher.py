"""The dispatcher: submit recipes, see how they get on, give them up. Torch-free; pages use this.

The store holds the queue. A thread hands its jobs, one by one, to worker processes that are free, so
giving a job up or overtaking another is a matter of the store alone and takes milliseconds.
"""

from __future__ import annotations

import atexit
import logging
import platform
import threading
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from compression import RUN
from compression.errors import CompressionError
from compression.inquiries import Inquiry
from compression.recipe.recipe import Recipe
from compression.store.job_queue import ASK_PATIENCE_S, STALE_AFTER_S, Owner, died
from compression.store.jobs import Job, JobState
from compression.store.searches import GROUP
from compression.store.store import Store
from compression.work import searching
from compression.work.members import Members
from compression.work.placement import next_job
from compression.work.worker import Order

if TYPE_CHECKING:
    import distributed

    from compression.work.cluster import Cluster, Slot

__all__ = ["Dispatcher", "Job", "JobState", "close_dispatcher", "get_dispatcher"]

BEAT_S = 3
"""How often a dispatcher says that it lives."""

HOUSEKEEPING_S = 5
"""How often it looks for jobs of dispatchers that are gone."""

FORCE_AFTER_S = 20
"""A running job looks for its cancellation several times a second; one that has not by now is stuck."""

IDLE_S, TROUBLE_S = 1.0, 3.0
"""How long the thread sleeps when nothing wakes it, and after a failure."""

MOST_TROUBLE_S = 60.0
"""Where there are no workers to be had, it sleeps twice as long after each try, up to this."""

CLOSE_TIMEOUT_S = 20
"""Stopping takes a second or two. Workers that take longer end by themselves soon after this process."""

LOOK_S = 0.02
"""How often it looks whether a worker is through (a look in memory): what a free worker waits at most."""

HEAD_START_S = 2.0
"""So long after a person's job began nothing new is begun in the background: a setting that does not train is
measured by then, without waiting again and again for others to leave the machine-wide lock of measurements."""

WATCHED_S = 10.0
"""So long after somebody asked for the workers they are looked at again and again: asking Dask takes milliseconds."""

LOOK_AHEAD = 64
"""Jobs of a kind handed out in one round at most: more than a small cluster has workers."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Flight:
    """A job in a worker's hands: Dask's future, the worker's address, the job, since when."""

    future: distributed.Future
    address: str
    job: Job
    since: float

    @property
    def has_head_start(self) -> bool:
        """Whether a person's job began just now."""
        return not self.job.background and time.monotonic() - self.since < HEAD_START_S


class Dispatcher:
    """One per process: a store, and a thread that has its jobs done by worker processes.

    Making one returns at once; the workers start in the background. `problem` says what keeps jobs from
    running, in words for people, or is None. Jobs outlive the dispatcher: the next one on the same store goes
    on with what was waiting or running. All methods may be called from any thread.

    `background_workers` is how many embedded workers there are beside the one for people, by default one for each
    processor up to four.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        run: str = RUN,
        force_after_s: float = FORCE_AFTER_S,
        background_workers: int | None = None,
    ) -> None:
        self.store = store or Store(patience_s=ASK_PATIENCE_S)
        self.problem: str | None = None
        self._place = self.store.place
        self._run, self._force_after_s, self._background_workers = run, force_after_s, background_workers
        process = psutil.Process()
        self._owner = Owner(uuid.uuid4().hex, platform.node(), process.pid, process.create_time())
        self._cluster: Cluster | None = None
        self._flights: dict[str, _Flight] = {}  # by job_id
        self._given_last: dict[str, Recipe] = {}  # by worker's address: what it was given last
        self._housekept_at = 0.0
        self._beats: dict[str, tuple[float, float]] = {}  # of other dispatchers: the last one, and when it was new here
        self._members, self._watched_until, self._counted_at = Members(), 0.0, 0.0
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=target, daemon=True, name=f"compression-{target.__name__.strip('_')}")
            for target in (self._keep_alive, self._work)
        ]
        for thread in self._threads:
            thread.start()

    # For pages ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of this dispatcher in the store, as the owner of what it carries on."""
        return self._owner.dispatcher_id

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._stopping.is_set()

    @property
    def background_slots(self) -> int:
        """How many background jobs can be done at a time."""
        every = self.members().all
        return max(1, sum(one.takes_background for one in every))

    @property
    def is_ready(self) -> bool:
        """Whether worker processes are there."""
        cluster = self._cluster
        return cluster is not None and cluster.is_alive

    def submit(
        self,
        works: Sequence[Recipe | Inquiry],
        *,
        group: str,
        background: bool = False,
        replace: bool = False,
        anew: bool = False,
        workspace: str = "",
    ) -> list[Job]:
        """Have recipes measured and inquiries made; returns one job for each different one, in the given order.

        Interactive jobs (`background=False`) run before background ones and always find a worker that no
        background job occupies. What waits or runs in this group already gives that job. What was done before
        gives a COMPLETE job, which is not stored: what it leads to is there at once, unless it is wanted `anew`: then
        a worker looks whether all its files are still good. An inquiry's recipe is measured first where that was not
        done. With `replace` whatever else is unfinished in `group` is given up: the slider
        has moved on. What is done in a `workspace` stays there: see `Store`.
        """
        store = self.store.within(workspace)
        how = {"background": background, "replace": replace, "anew": anew}
        jobs = store.add_jobs(works, group=group, owner=self._owner, **how)
        self._wake.set()
        return jobs

    def cancel(self, group: str) -> None:
        """Give up all unfinished jobs of `group`; a search that runs is paused, or it would ask for others."""
        if group.startswith(GROUP):
            self.store.searches.pause(group)
        self.store.queue.request_cancel(group=group)
        self._wake.set()

    def give_up(self, groups: Collection[str]) -> None:
        """Give up what these groups want in the background: nobody looks at them any more.

        What somebody asked for by hand goes on, and so does the same work for other groups.
        """
        self.store.queue.give_up(groups)
        self._wake.set()

    def cancel_jobs(self, job_ids: Collection[str]) -> None:
        """Give up these jobs; those that are over stay as they are."""
        self.store.queue.request_cancel(job_ids)
        self._wake.set()

    def cancel_all(self, asked_by: str = "") -> None:
        """Give up whatever is unfinished in groups with `asked_by` in their names; without, whoever asked for it.

        Then searches are paused too.
        """
        if not asked_by:
            self.store.searches.pause()
        self.store.queue.request_cancel(asked_by=asked_by)
        self._wake.set()

    def retry(self, job: Job) -> Job:
        """Have the same done once more, for the same group; somebody waits for it now."""
        return self.submit([job.inquiry or job.recipe], group=job.group, workspace=job.workspace)[0]

    def members(self) -> Members:
        """The workers as they were about a second ago; without members until they are there and were looked at.

        Asks nobody and waits for nothing: the dispatcher's own thread looks at them while somebody wants to know.
        """
        is_news = time.monotonic() > self._watched_until
        self._watched_until = time.monotonic() + WATCHED_S
        if is_news:
            self._wake.set()
        return self._members

    def jobs(self, group: str) -> list[Job]:
        """All jobs of `group`, in the order of submission."""
        return self.store.jobs(group)

    def close(self) -> None:
        """Stop the workers; unfinished jobs wait for the next dispatcher. Returns when they are gone."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(CLOSE_TIMEOUT_S)
        try:
            self.store.queue.sign_off([self._owner.dispatcher_id])
        except CompressionError as error:
            _log.warning("%s", error)

    # The two threads ----------------------------------------------------------------------------------

    def _keep_alive(self) -> None:
        """Say that this dispatcher lives, also while the other thread waits for something."""
        while not self._stopping.is_set():
            try:
                self.store.queue.heartbeat(self._owner)
            except Exception as error:  # the other thread meets the same trouble and tells people
                _log.debug("no heartbeat: %s", error)
            self._stopping.wait(BEAT_S)

    def _work(self) -> None:
        """Hand out jobs until `close`. Whatever goes wrong is told, and tried again."""
        tries = 0
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._step()
                self.problem, pause = None, IDLE_S
            except CompressionError as error:
                self.problem, pause = str(error), TROUBLE_S
            except Exception as error:
                if not threading.main_thread().is_alive():  # nothing can be begun any more: the interpreter ends
                    return
                text = f"Unexpected error: {type(error).__name__}: {error}. Please report this."
                if text != self.problem:  # once is enough: it may come again every few seconds
                    _log.exception("the dispatcher stumbled")
                self.problem, pause = text, TROUBLE_S
            tries = 0 if self._cluster else tries + 1
            self._rest(pause if tries < 2 else min(pause * 2 ** min(tries - 1, 9), MOST_TROUBLE_S))
        if self._cluster is not None:
            self._cluster.close()

    def _rest(self, seconds: float) -> None:
        """Sleep until woken, or until a worker is through with its job."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._wake.wait(LOOK_S if self._flights else seconds):
            if any(flight.future.done() for flight in self._flights.values()):
                return

    def _step(self) -> None:
        """One round."""
        cluster = self._connected()
        self._collect(cluster)
        self._force_out(cluster)
        if time.monotonic() - self._housekept_at > HOUSEKEEPING_S:
            self._keep_house()
        self._hand_out(cluster)
        now = time.monotonic()
        if now < self._watched_until and now - self._counted_at > IDLE_S / 2:
            self._members, self._counted_at = cluster.members(), now

    def _connected(self) -> Cluster:
        if self._cluster is not None and not self._cluster.is_alive:
            _log.warning("The worker processes are gone; starting new ones.")
            lost, self._cluster, self._members = self._cluster, None, Members()
            lost.close()
        if self._cluster is None:
            self.store.queue.requeue(self._owner, self._flights)
            self._flights.clear()
            from compression.work.cluster import connect  # Dask takes most of a second: not in a page's thread

            self._cluster = connect(self._run, self._background_workers)
            self.store.machine_ids = self._cluster.machine_ids
        return self._cluster

    def _collect(self, cluster: Cluster) -> None:
        """Look after jobs whose workers are through with them, or gone.

        A worker writes the outcome of its job itself. A job without outcome whose worker is gone waits again; that
        counts against it only where the scheduler is there and misses this worker.
        """
        if not self._flights:
            return
        addresses = {slot.address for slot in cluster.slots()}
        for job_id, flight in list(self._flights.items()):
            future = flight.future
            if future.status == "error":
                self.store.queue.fail_job(self._owner.dispatcher_id, job_id, self._reason(job_id, future.exception()))
            elif future.done() or flight.address not in addresses:
                future.cancel()
                death = None if flight.address in addresses else cluster.last_seen(flight.address)
                self.store.queue.requeue(self._owner, [job_id], death=death)
            else:
                continue
            del self._flights[job_id]

    def _reason(self, job_id: str, error: BaseException) -> str:
        if type(error).__name__ == "KilledWorker":
            job = self.store.job(job_id)
            return died(job.message if job else "")
        if isinstance(error, CompressionError):
            return str(error)
        return f"Unexpected error: {type(error).__name__}: {error}. Please report this."

    def _force_out(self, cluster: Cluster) -> None:
        """Restart workers whose jobs do not notice that they were given up."""
        for job_id, claim in self.store.queue.overdue_cancels(self._owner.dispatcher_id, self._force_after_s):
            self.store.queue.finish_job(job_id, claim, JobState.CANCELLED)
            if job_id in self._flights:
                _log.warning("Job %s did not stop; restarting its worker.", job_id)
                flight = self._flights.pop(job_id)
                cluster.stop_by_force(flight.future, flight.address)

    def _keep_house(self) -> None:
        """Take over the jobs of dispatchers that are gone."""
        others = {owner: beat for owner, beat in self.store.queue.dispatchers() if owner != self._owner}
        dead = [owner.dispatcher_id for owner, beat in others.items() if self._is_dead(owner, beat)]
        if dead:
            self.store.queue.sign_off(dead)
        self.store.queue.take_over(self._owner)
        if self._housekept_at == 0.0:
            self.store.queue.forget_old_jobs()
        self._housekept_at = time.monotonic()

    def _is_dead(self, owner: Owner, beat: float) -> bool:
        """A process of this machine that is not there any more, or no new heartbeat for long.

        How long is for this process's own clock to say: that of the wall may jump, and another machine's be wrong.
        """
        is_there = _is_there(owner)
        if is_there is not None:
            return not is_there
        last, since = self._beats.get(owner.dispatcher_id, (None, 0.0))
        if beat != last:
            since = time.monotonic()
            self._beats[owner.dispatcher_id] = beat, since
        return time.monotonic() - since > STALE_AFTER_S

    def _hand_out(self, cluster: Cluster) -> None:
        """Give waiting jobs to free workers: interactive ones first, the others not while a person's has just begun."""
        waiting = self._waiting(background=False)
        if not waiting and not any(flight.has_head_start for flight in self._flights.values()):
            waiting = self._waiting(background=True)
        if not waiting:
            return
        slots = cluster.slots()
        self.store.machine_ids = cluster.machine_ids
        for slot in slots:
            while slot.free > 0:
                running = (flight.job.recipe for flight in self._flights.values())
                last = self._given_last.get(slot.address)
                job = next_job(waiting, background=slot.takes_background, last=last, running=running)
                if job is None:
                    break
                waiting.remove(job)
                self._launch(cluster, job, slot)

    def _waiting(self, *, background: bool) -> list[Job]:
        """The next jobs that are in no worker's hands."""
        return self.store.queue.next_jobs(
            self._owner.dispatcher_id, background=background, limit=LOOK_AHEAD, exclude=list(self._flights)
        )

    def _launch(self, cluster: Cluster, job: Job, slot: Slot) -> None:
        order = Order(job.job_id, uuid.uuid4().hex, self._owner.dispatcher_id, self._place, self._run)
        future = cluster.submit(slot, job, order)
        slot.free -= 1
        self._flights[job.job_id] = _Flight(future, slot.address, job, time.monotonic())
        self._given_last[slot.address] = job.recipe


def _is_there(owner: Owner) -> bool | None:
    """Whether a dispatcher's process runs on this machine; None where that cannot be told.

    Its number may have been given to another one since. When a process started comes from the clock on the wall, so
    that the same process seems to be another one after that was set.
    """
    if owner.host != platform.node():
        return None
    try:
        return True if abs(psutil.Process(owner.pid).create_time() - owner.process_started) <= 1 else None
    except psutil.NoSuchProcess:
        return False


_lock = threading.Lock()
_dispatcher: Dispatcher | None = None


def get_dispatcher() -> Dispatcher:
    """The dispatcher of this process, made on the first call and closed when the process ends.

    It carries on the searches that nobody does, also those of a server that was stopped.
    """
    global _dispatcher  # noqa: PLW0603 - one for a process is the point
    with _lock:
        if _dispatcher is None:
            _dispatcher = Dispatcher()
            atexit.register(close_dispatcher)
            searching.carry_on(_dispatcher)
        return _dispatcher


def close_dispatcher() -> None:
    """Close this process's dispatcher, if there is one; `get_dispatcher` then makes a new one."""
    global _dispatcher
    with _lock:
        dispatcher, _dispatcher = _dispatcher, None
    if dispatcher is not None:
        dispatcher.close()
