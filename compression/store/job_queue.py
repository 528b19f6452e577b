"""Jobs in the database: asked for by pages, handed out by dispatchers, moved by workers. Torch-free."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sql

from compression.inquiries import Inquiry
from compression.recipe.recipe import Recipe
from compression.results.record import Learning, Underway
from compression.store import logs
from compression.store.database import Database
from compression.store.jobs import UNFINISHED, Job, JobState, new_job, readable, row_of, work_id_of
from compression.store.tables import DISPATCHERS, JOBS

MAX_ATTEMPTS = 3
"""A job whose worker process died this often is given up: it will most likely kill the next one too."""

STALE_AFTER_S = 15
"""A dispatcher that has not been heard of for this long is dead; its heart beats every 3 s."""

KEEP_JOBS_DAYS = 30
"""Finished jobs are history: their results are kept for ever, they are not."""

ASK_PATIENCE_S = 3
"""So long does whoever asks for work wait for others that write: somebody sits in front of a page meanwhile."""

OTHER_VERSION = "Another version of this program asked for this, and this one cannot read it. Ask for it again."


@dataclass(frozen=True)
class Owner:
    """A dispatcher, which owns jobs, and the process it lives in."""

    dispatcher_id: str
    host: str
    pid: int
    process_started: float


def in_states(*states: JobState) -> sql.ColumnElement[bool]:
    """Jobs in one of these states."""
    return JOBS.c.state.in_([state.value for state in states])


_OPEN = in_states(*UNFINISHED)
_WAITING, _RUNNING = in_states(JobState.WAITING), in_states(JobState.RUNNING)
_WANTED = JOBS.c.cancel_requested_at.is_(None)


class JobQueue:
    """A job's final state never changes; only the process that holds its current claim may move it.

    A claim starts a job once. When its worker dies, the owner lets the job wait again, to be started under a new claim.
    What comes under another claim has no effect.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # As pages see them --------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job | None:
        """One job, or None when there is none of that name (any more) that this version can read."""
        if not job_id.isalnum():  # nor can there be; not every database takes any text
            return None
        return next(iter(self._read(sql.select(JOBS).where(JOBS.c.job_id == job_id))), None)

    def jobs(self, group: str | None = None, states: Collection[JobState] | None = None) -> list[Job]:
        """Jobs of a group, or of all; in the given states, or in any; in the order of submission.

        Those that another version of this program wrote are left out.
        """
        query = sql.select(JOBS).order_by(JOBS.c.sequence)
        if group is not None:
            query = query.where(JOBS.c.job_group == group)
        return self._read(query if states is None else query.where(in_states(*states)))

    def jobs_of(self, groups: Collection[str], unfinished_of: Collection[str]) -> list[Job]:
        """All jobs of `groups`, and the unfinished ones of `unfinished_of`, in the order of submission; one query."""
        wanted = JOBS.c.job_group.in_(groups) | (JOBS.c.job_group.in_(unfinished_of) & _OPEN)
        return self._read(sql.select(JOBS).where(wanted).order_by(JOBS.c.sequence))

    def add(
        self,
        works: Sequence[Recipe | Inquiry],
        *,
        done: Collection[str],
        group: str,
        background: bool,
        owner: Owner | None,
        replace: bool,
        workspace: str = "",
    ) -> list[Job]:
        """See `Store.add_jobs`; `done` are the names of works that were done before."""
        wanted = {work_id_of(work): work for work in works}

        def look(connection: sql.Connection) -> tuple[dict[str, Job], dict[str, Job], list[str]]:
            """What is under way, what would be new, and what to give up."""
            of_group = sql.select(JOBS).where(JOBS.c.job_group == group, _OPEN, _WANTED)
            unfinished = {job.work_id: job for job in readable(connection.execute(of_group).mappings())[0]}
            new = {
                name: new_job(work, group, background, name in done, workspace)
                for name, work in wanted.items()
                if name not in unfinished
            }
            others = [job.job_id for name, job in unfinished.items() if replace and name not in wanted]
            return unfinished, new, others

        with self._database.read() as connection:
            unfinished, new, others = look(connection)
        if not others and new.keys() <= set(done):  # nothing to write: nobody has to wait for others that do
            jobs = unfinished | new
            return [jobs[name] for name in wanted]
        with self._database.write(patience_s=ASK_PATIENCE_S) as connection:
            unfinished, new, others = look(connection)
            _cancel(connection, JOBS.c.job_id.in_(others))
            dispatcher_id = owner.dispatcher_id if owner else None
            rows = [row_of(job, dispatcher_id) for job in new.values() if job.state is JobState.WAITING]
            if rows:
                if owner is not None:
                    _register(connection, owner)
                connection.execute(JOBS.insert(), rows)
        jobs = unfinished | new
        return [jobs[name] for name in wanted]

    def request_cancel(
        self, job_ids: Collection[str] | None = None, *, group: str | None = None, asked_by: str = ""
    ) -> None:
        """Give up these jobs, all of a group, all of groups with `asked_by` in their names, or else all there are.

        Waiting ones are CANCELLED at once, running ones at their next check; finished ones stay.
        """
        if job_ids is not None and not job_ids:  # a write would have all pages look again
            return
        named = _asked_by(asked_by) if job_ids is None else JOBS.c.job_id.in_(job_ids)
        with self._database.write(patience_s=ASK_PATIENCE_S) as connection:
            _cancel(connection, named if group is None else named & (JOBS.c.job_group == group))

    def give_up(self, groups: Collection[str]) -> None:
        """Give up the unfinished background jobs of these groups."""
        theirs = JOBS.c.job_group.in_(groups) & JOBS.c.background.is_(True) & _OPEN
        if self._has(theirs):
            with self._database.write() as connection:
                _cancel(connection, theirs)

    def unfinished(self, asked_by: str = "") -> int:
        """How many jobs wait or run, of groups with `asked_by` in their names."""
        query = sql.select(sql.func.count()).select_from(JOBS).where(_OPEN, _asked_by(asked_by))
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def request_enough(self, job_id: str) -> None:
        """Have a running job's training end with the best network so far; what follows it is carried out as usual."""
        running = JOBS.update().where(JOBS.c.job_id == job_id, _RUNNING)
        with self._database.write() as connection:
            connection.execute(running.values(enough_requested_at=time.time(), message="keeping the best so far"))

    def forget(self, states: Collection[JobState], before: float | None = None) -> int:
        """Drop jobs that ended so (before this Unix time), with their logs; results stay. Returns how many."""
        assert all(state.is_final for state in states)
        old = sql.true() if before is None else JOBS.c.finished_at < before
        with self._database.write() as connection:
            return connection.execute(JOBS.delete().where(in_states(*states), old)).rowcount

    # As the worker that holds the claim moves them ----------------------------------------------------

    def start_job(self, job_id: str, claim: str, dispatcher_id: str) -> Job | None:
        """Make a waiting job of this dispatcher RUNNING under `claim`; None when it is no longer wanted."""
        which = (JOBS.c.job_id == job_id) & (JOBS.c.owner == dispatcher_id) & _WAITING
        running = {"state": JobState.RUNNING.value, "claim": claim, "started_at": time.time()}
        anew = {"progress": 0.0, "preview": None, "learning": None, "attempts": JOBS.c.attempts + 1}
        with self._database.write() as connection:
            if connection.execute(JOBS.update().where(which).values(running | anew)).rowcount == 0:
                return None
        return self.job(job_id)

    def set_progress(self, job_id: str, claim: str, progress: float, message: str, log: str | None = None) -> None:
        """Show how far a running job is, with its log."""
        now = JOBS.update().where(_claimed(job_id, claim))
        with self._database.write() as connection:
            changed = connection.execute(now.values(progress=min(max(progress, 0.0), 1.0), message=message))
            if log is not None and changed.rowcount:
                logs.keep(connection, job_id, log)

    def set_preview(self, job_id: str, claim: str, preview: Underway) -> None:
        """Show what a running job knows already."""
        with self._database.write() as connection:
            now = JOBS.update().where(_claimed(job_id, claim))
            connection.execute(now.values(preview=preview.model_dump_json()))

    def set_learning(self, job_id: str, claim: str, learning: Learning) -> None:
        """Show how a running job's training goes."""
        with self._database.write() as connection:
            now = JOBS.update().where(_claimed(job_id, claim))
            connection.execute(now.values(learning=learning.model_dump_json()))

    def set_recipe(self, job_id: str, claim: str, recipe: Recipe) -> None:
        """Say which recipe a running job has carried out, where that is another than was asked for."""
        with self._database.write() as connection:
            now = JOBS.update().where(_claimed(job_id, claim))
            connection.execute(now.values(recipe=recipe.to_json(), recipe_id=recipe.recipe_id))

    def is_enough(self, job_id: str, claim: str) -> bool:
        """Whether the running job's training shall end with the best network so far."""
        return self._has(_claimed(job_id, claim) & JOBS.c.enough_requested_at.is_not(None))

    def is_wanted(self, job_id: str, claim: str) -> bool:
        """Whether the job still runs under `claim` and nobody gave it up."""
        return self._has(_claimed(job_id, claim) & _WANTED)

    def finish_job(
        self, job_id: str, claim: str, state: JobState, error: str | None = None, log: str | None = None
    ) -> None:
        """Move a running job to a final state, with its log."""
        with self._database.write() as connection:
            if connection.execute(_finish(_claimed(job_id, claim), state, error)).rowcount and log is not None:
                logs.keep(connection, job_id, log)

    # As dispatchers hand them out ---------------------------------------------------------------------

    def heartbeat(self, owner: Owner) -> None:
        """Say that a dispatcher lives; registers it the first time."""
        with self._database.write(announce=False) as connection:
            _register(connection, owner)

    def dispatchers(self) -> list[tuple[Owner, float]]:
        """All registered dispatchers with the time of their last heartbeat (Unix time)."""
        with self._database.read() as connection:
            return [(Owner(*owner), beat) for *owner, beat in connection.execute(sql.select(DISPATCHERS))]

    def sign_off(self, dispatcher_ids: Collection[str]) -> None:
        """Forget dispatchers that are gone; their unfinished jobs then have no owner and can be taken over."""
        with self._database.write() as connection:
            connection.execute(DISPATCHERS.delete().where(DISPATCHERS.c.dispatcher_id.in_(dispatcher_ids)))

    def take_over(self, owner: Owner) -> int:
        """Take all unfinished jobs without an owner; returns how many wait now because of that.

        Attempts under way do not count: the jobs did nothing wrong.
        """
        return self._requeue(JOBS.c.owner.is_(None), owner, None)

    def requeue(self, owner: Owner, job_ids: Collection[str], *, death: str | None = None) -> int:
        """Let these jobs of a dispatcher wait again: whatever ran them is gone.

        Only where the worker that held a job died does the attempt count; `death` is then what is known of that, maybe
        nothing, and the job is given up after `MAX_ATTEMPTS` of them. Returns how many wait now.
        """
        return self._requeue((JOBS.c.owner == owner.dispatcher_id) & JOBS.c.job_id.in_(job_ids), owner, death)

    def fail_job(self, dispatcher_id: str, job_id: str, error: str) -> None:
        """FAILED, on the word of the dispatcher that owns the job: its worker can no longer say so."""
        with self._database.write() as connection:
            which = (JOBS.c.owner == dispatcher_id) & (JOBS.c.job_id == job_id)
            connection.execute(_finish(which, JobState.FAILED, error))

    def next_jobs(
        self, dispatcher_id: str, *, background: bool, limit: int, exclude: Collection[str] = ()
    ) -> list[Job]:
        """The dispatcher's next waiting jobs of one kind, without those `exclude` names.

        Oldest first; of background jobs those of the group that was submitted to last, since somebody is
        looking at that one: sweeps of pages left behind go on afterwards.
        Jobs that another version of this program wrote fail.
        """
        others = JOBS.alias()
        asked_last = sql.select(sql.func.max(others.c.sequence)).where(others.c.job_group == JOBS.c.job_group)
        order = (asked_last.scalar_subquery().desc(), JOBS.c.sequence) if background else (JOBS.c.sequence,)
        query = (
            sql.select(JOBS)
            .where(JOBS.c.owner == dispatcher_id, _WAITING, JOBS.c.background == background)
            .where(JOBS.c.job_id.not_in(exclude))
            .order_by(*order)
            .limit(limit)
        )
        with self._database.read() as connection:
            found, strange = readable(connection.execute(query).mappings())
        for job_id in strange:
            self.fail_job(dispatcher_id, job_id, OTHER_VERSION)
        return found

    def overdue_cancels(self, dispatcher_id: str, seconds: float) -> list[tuple[str, str]]:
        """(job_id, claim) of running jobs that were given up more than `seconds` ago and run on."""
        overdue = JOBS.c.cancel_requested_at < time.time() - seconds
        query = sql.select(JOBS.c.job_id, JOBS.c.claim).where(JOBS.c.owner == dispatcher_id, _RUNNING, overdue)
        with self._database.read() as connection:
            return [(str(job_id), str(claim)) for job_id, claim in connection.execute(query)]

    def forget_old_jobs(self) -> None:
        """Drop jobs that were over `KEEP_JOBS_DAYS` ago."""
        final = [state for state in JobState if state.is_final]
        self.forget(final, before=time.time() - KEEP_JOBS_DAYS * 86_400)

    def _read(self, query: sql.Select[Any]) -> list[Job]:
        with self._database.read() as connection:
            return readable(connection.execute(query).mappings())[0]

    def _has(self, which: sql.ColumnElement[bool]) -> bool:
        with self._database.read() as connection:
            return bool(connection.scalar(sql.select(sql.func.count()).select_from(JOBS).where(which)))

    def _requeue(self, which: sql.ColumnElement[bool], owner: Owner, death: str | None) -> int:
        unfinished = which & _OPEN
        if not self._has(unfinished):  # mostly there are none, and a look disturbs nobody
            return 0
        waiting = {"state": JobState.WAITING.value, "owner": owner.dispatcher_id, "claim": None, "progress": 0.0}
        with self._database.write() as connection:
            _register(connection, owner)
            connection.execute(_finish(unfinished & ~_WANTED, JobState.CANCELLED))
            if death is None:
                in_hand = JOBS.update().where(unfinished & _RUNNING)
                connection.execute(in_hand.values(attempts=JOBS.c.attempts - 1))
            else:
                _fail_where_workers_die(connection, unfinished, death)
            return connection.execute(JOBS.update().where(unfinished).values(waiting)).rowcount


def _asked_by(name: str) -> sql.ColumnElement[bool]:
    return JOBS.c.job_group.contains(name, autoescape=True) if name else sql.true()


def _claimed(job_id: str, claim: str) -> sql.ColumnElement[bool]:
    return (JOBS.c.job_id == job_id) & (JOBS.c.claim == claim) & _RUNNING


def _register(connection: sql.Connection, owner: Owner) -> None:
    """Note that the dispatcher lives, also when others believed it dead."""
    mine = DISPATCHERS.c.dispatcher_id == owner.dispatcher_id
    if connection.execute(DISPATCHERS.update().where(mine).values(heartbeat=time.time())).rowcount == 0:
        connection.execute(DISPATCHERS.insert().values(asdict(owner) | {"heartbeat": time.time()}))


def _cancel(connection: sql.Connection, these: sql.ColumnElement[bool]) -> None:
    connection.execute(_finish(these & _WAITING, JobState.CANCELLED))
    running = JOBS.update().where(these, _RUNNING, _WANTED)
    connection.execute(running.values(cancel_requested_at=time.time(), message="stopping"))


def _finish(which: sql.ColumnElement[bool], state: JobState, error: str | None = None) -> sql.Update:
    """To a final state, from an unfinished one only."""
    values: dict[str, Any] = {"state": state.value, "error": error, "finished_at": time.time()}
    if state is JobState.COMPLETE:
        values["progress"] = 1.0
    if state is JobState.CANCELLED:
        values["cancel_requested_at"] = sql.func.coalesce(JOBS.c.cancel_requested_at, time.time())
    return JOBS.update().where(which, _OPEN).values(values)


def _fail_where_workers_die(connection: sql.Connection, which: sql.ColumnElement[bool], death: str) -> None:
    """FAILED for running jobs whose worker is gone for the last time allowed."""
    dead = which & _RUNNING & (JOBS.c.attempts >= MAX_ATTEMPTS)
    for job_id, message in connection.execute(sql.select(JOBS.c.job_id, JOBS.c.message).where(dead)).all():
        connection.execute(_finish(JOBS.c.job_id == job_id, JobState.FAILED, died(message, death)))


def died(message: str, death: str = "") -> str:
    """Why a job was given up whose workers died again and again, the last one while it said `message`."""
    doing = f"while {message!r}" if message else "right at the start"
    return (
        f"The worker process that had this job died three times {doing}{f'; {death}' if death else ''}. Others did not "
        "die with it. Mostly that is a lack of memory: close other programs, or take a smaller model. "
        "The terminal of the server shows more."
    )
