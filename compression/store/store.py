"""The truth about results and jobs: SQL for rows, content-addressed files for artifacts. Torch-free."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sql
from sqlalchemy import exc

from compression import environment
from compression.errors import CorruptFile
from compression.inquiries import Inquiry
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.results import conditions, machine
from compression.results.record import Preview, Result
from compression.store import artifacts, logs
from compression.store.database import ANSWERS, ENGINES, JOBS, RESULTS, Database, deletions
from compression.store.jobs import UNFINISHED, Job, JobState, new_job, readable, row_of, work_id_of

MAX_ATTEMPTS = 3
"""A job whose worker process died this often is given up: it will most likely kill the next one too."""

STALE_AFTER_S = 15
"""An engine that has not been heard of for this long is dead; it beats every 3 s."""

KEEP_JOBS_DAYS = 30
"""Finished jobs are history: their results are kept for ever, they are not."""

MODELS_REMEMBERED = 4
"""Whose results stay in memory, about 10 KB each."""

OTHER_VERSION = "Another version of this program asked for this, and this one cannot read it. Ask for it again."
_UNFINISHED = tuple(state.value for state in UNFINISHED)


@dataclass(frozen=True)
class Place:
    """Where a store is: what a worker process needs to open the same one."""

    database_url: str = field(repr=False)  # may hold a password
    home: str


@dataclass(frozen=True)
class Owner:
    """The process an engine lives in."""

    engine_id: str
    host: str
    pid: int
    process_started: float


class Store:
    """Results, artifacts and jobs, shared by all processes that use the same database and home.

    * A result is immutable: the first one stored for its key stays.
    * Artifacts are on the disk before the row that names them.
    * A job's final state never changes; only the process that holds its current claim may move it.
    * Every change of a result or job changes `revision()`.
    * Every method raises `StorageFailed` when database or disk cannot be used; what was stored is kept,
      and the next call tries again.

    Results are those of `machine_ids`: this machine, or the workers' where they run elsewhere.
    """

    def __init__(self, url: str | None = None) -> None:
        """Use the database at `url`, by default COMPRESSION_DATABASE or else SQLite under the home folder."""
        default = f"sqlite:///{environment.home() / 'results.sqlite'}"
        self.database = Database(url or os.environ.get("COMPRESSION_DATABASE") or default)
        self.machine_ids: tuple[str, ...] = ()
        self._remembered: dict[tuple[conditions.Conditions, tuple[str, ...], int], dict[int, Result]] = {}

    @property
    def place(self) -> Place:
        """How a worker opens this store."""
        return Place(self.database.url, str(environment.home()))

    def revision(self) -> int:
        """Changes whenever a result or a job changed; one small query."""
        return self.database.revision()

    # Results ------------------------------------------------------------------------------------------

    def result(self, recipe: Recipe) -> Result | None:
        """The measured recipe, if it was measured on the present model, data, engine and machine."""
        return self.results_of([recipe]).get(recipe.recipe_id)

    def results_of(self, recipes: Sequence[Recipe]) -> dict[str, Result]:
        """Those of `recipes` that were measured, by recipe_id."""
        wanted = [key for recipe in recipes for key in self._result_keys(recipe)]
        query = sql.select(RESULTS.c.document).where(RESULTS.c.result_key.in_(wanted)).order_by(RESULTS.c.sequence)
        with self.database.read() as connection:
            found = [_parse_result(document) for document in connection.scalars(query)]
        return {result.recipe_id: result for result in reversed(found)}

    def results(self, model: str) -> list[Result]:
        """All results of `model` that are comparable here and now, oldest first.

        A page asks for them with every change, so those of `MODELS_REMEMBERED` are kept, and only later ones are read.
        """
        now, machines = conditions.conditions(subject_of(model)), self._machines()
        comparable = sql.and_(
            RESULTS.c.model == model,
            RESULTS.c.model_version == now.model_version,
            RESULTS.c.data_version == now.data_version,
            RESULTS.c.engine_version == now.engine_version,
            RESULTS.c.machine_id.in_(machines),
        )
        with self.database.read() as connection:
            under = now, machines, deletions(connection)  # SQLite gives the numbers of deleted rows to later ones
            known = _with_later(connection, comparable, self._remembered.pop(under, {}))
        self._remembered[under] = known
        for forgotten in list(self._remembered)[:-MODELS_REMEMBERED]:
            self._remembered.pop(forgotten, None)
        return list(known.values())

    def add_result(self, result: Result, contents: dict[str, bytes]) -> None:
        """Keep a result and the files it names (`stored`, `onnx`, `predictions` to bytes).

        A second result of the same recipe under the same conditions is dropped: the first one stays.
        Somebody who deletes another result may take a file with it that both have, before this one has its row: then
        it is written again.
        """
        for role, content in contents.items():
            if artifacts.sha256(content) != result.artifacts.get(role):
                raise CorruptFile(f"The {role} file does not fit its result. Measure the recipe again.")
        for content in contents.values():
            artifacts.write(content)
        measured_under = conditions.conditions_of(result)
        row = asdict(measured_under) | {
            "result_key": conditions.key(result.recipe_id, measured_under),
            "recipe_id": result.recipe_id,
            "document": result.model_dump_json(),
        }
        try:
            with self.database.write() as connection:
                connection.execute(RESULTS.insert().values(row))
        except exc.IntegrityError:
            pass  # measured before, or by somebody else in the meantime
        _restore(contents.values())

    def answer_name(self, inquiry: Inquiry) -> str | None:
        """The name of the file that answers `inquiry`, if that was found out under the present conditions."""
        return self._answer_names([inquiry]).get(inquiry.inquiry_id)

    def answer(self, inquiry: Inquiry) -> bytes | None:
        """The `Answer` to `inquiry` as JSON, if there is one; None also where its file is gone."""
        name = self.answer_name(inquiry)
        return artifacts.read(name) if name else None

    def add_answer(self, inquiry: Inquiry, result: Result, content: bytes) -> None:
        """Keep what was found out about `result`. The first answer stays; one whose file is gone is replaced."""
        name = artifacts.write(content)
        result_key = conditions.key(result.recipe_id, conditions.conditions_of(result))
        key = inquiry.answer_key(result_key)
        row = {"answer_key": key, "result_key": result_key, "kind": inquiry.kind, "artifact": name}
        with self.database.write() as connection:
            known = connection.scalar(sql.select(ANSWERS.c.artifact).where(ANSWERS.c.answer_key == key))
            if known is None:
                connection.execute(ANSWERS.insert().values(row))
            elif not artifacts.path_of(known).is_file():
                connection.execute(ANSWERS.update().where(ANSWERS.c.answer_key == key).values(row))
        if known is None:
            _restore([content])

    def _answer_names(self, inquiries: Sequence[Inquiry]) -> dict[str, str]:
        """Names of the files of those that were answered, by study_id. A lost file is no answer."""
        by_key = {
            inquiry.answer_key(result_key): inquiry.inquiry_id
            for inquiry in inquiries
            for result_key in self._result_keys(inquiry.recipe)
        }
        query = sql.select(ANSWERS.c.answer_key, ANSWERS.c.artifact).where(ANSWERS.c.answer_key.in_(by_key))
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        return {by_key[key]: name for key, name in rows if artifacts.path_of(name).is_file()}

    def artifact(self, sha256: str) -> bytes | None:
        """The file of that name, checked; None when it is not there. Raises `CorruptFile` when damaged."""
        return artifacts.read(sha256)

    def _result_keys(self, recipe: Recipe) -> list[str]:
        """On each machine whose results count here."""
        subject = subject_of(recipe.model)
        return [conditions.result_key(subject, recipe, machine_id) for machine_id in self._machines()]

    def _machines(self) -> tuple[str, ...]:
        return self.machine_ids or (machine.machine_id(),)

    # Jobs, as pages see them --------------------------------------------------------------------------

    def job(self, job_id: str) -> Job | None:
        """One job, or None when there is none of that name (any more) that this version can read."""
        with self.database.read() as connection:
            found, _ = readable(connection.execute(sql.select(JOBS).where(JOBS.c.job_id == job_id)).mappings())
        return found[0] if found else None

    def jobs(self, group: str | None = None, states: Collection[JobState] | None = None) -> list[Job]:
        """Jobs of a group, or of all; in the given states, or in any; in the order of submission.

        Those that another version of this program wrote are left out.
        """
        query = sql.select(JOBS).order_by(JOBS.c.sequence)
        if group is not None:
            query = query.where(JOBS.c.job_group == group)
        if states is not None:
            query = query.where(JOBS.c.state.in_([state.value for state in states]))
        with self.database.read() as connection:
            return readable(connection.execute(query).mappings())[0]

    def last_asked(self, limit: int) -> list[Job]:
        """The newest jobs that somebody asked for by hand, newest first; at most `limit`."""
        query = sql.select(JOBS).where(JOBS.c.background.is_(False), JOBS.c.study.is_(None))
        with self.database.read() as connection:
            return readable(connection.execute(query.order_by(JOBS.c.sequence.desc()).limit(limit)).mappings())[0]

    def add_jobs(
        self,
        works: Sequence[Recipe | Inquiry],
        *,
        group: str,
        background: bool = False,
        owner: Owner | None = None,
        replace: bool = False,
    ) -> list[Job]:
        """Submit recipes to be measured or inquiries to be made; returns one job for each different one, in order.

        What waits or runs in this group already gives that job. What was done before gives a COMPLETE job
        that is not stored: there is nothing to do. With `replace` the group's other unfinished jobs are
        cancelled. All in one transaction.
        """
        wanted = {work_id_of(work): work for work in works}
        done = {*self.results_of([work for work in works if isinstance(work, Recipe)])}
        done |= {*self._answer_names([work for work in works if isinstance(work, Inquiry)])}
        with self.database.write() as connection:
            found, _ = readable(connection.execute(_unfinished(group)).mappings())
            unfinished = {job.work_id: job for job in found}
            if replace:
                _cancel(connection, [job.job_id for name, job in unfinished.items() if name not in wanted])
            new = {
                name: new_job(work, group, background, name in done)
                for name, work in wanted.items()
                if name not in unfinished
            }
            engine_id = owner.engine_id if owner else None
            rows = [row_of(job, engine_id) for job in new.values() if job.state is JobState.WAITING]
            if rows:
                if owner is not None:
                    _register(connection, owner)
                connection.execute(JOBS.insert(), rows)
        jobs = unfinished | new
        return [jobs[name] for name in wanted]

    def request_cancel(self, job_ids: Collection[str]) -> None:
        """Waiting jobs are CANCELLED at once, running ones at their next check; finished ones stay."""
        if job_ids:
            with self.database.write() as connection:
                _cancel(connection, job_ids)

    def request_cancel_group(self, group: str) -> None:
        """Cancel whatever is unfinished in `group`."""
        with self.database.write() as connection:
            _cancel_where(connection, JOBS.c.job_group == group)

    def request_cancel_all(self) -> None:
        """Cancel whatever is unfinished, whoever asked for it."""
        with self.database.write() as connection:
            _cancel_where(connection, sql.true())

    def is_cancel_requested(self, job_id: str) -> bool:
        """Whether somebody gave the job up (a job that is not there counts as given up)."""
        job = self.job(job_id)
        return job is None or job.is_cancel_requested

    # Jobs, as the worker that holds the claim moves them ----------------------------------------------

    def start_job(self, job_id: str, claim: str, owner: str) -> Job | None:
        """Make a waiting job of `owner` RUNNING under `claim`; None when it is no longer wanted.

        A claim starts a job once. When its worker dies, the owner lets the job wait again, under a new claim.
        """
        startable = (JOBS.c.job_id == job_id) & (JOBS.c.owner == owner) & (JOBS.c.state == JobState.WAITING.value)
        running = {
            "state": JobState.RUNNING.value, "claim": claim, "started_at": time.time(), "progress": 0.0, "preview": None
        }  # fmt: skip
        with self.database.write() as connection:
            query = JOBS.update().where(startable).values(running | {"attempts": JOBS.c.attempts + 1})
            if connection.execute(query).rowcount == 0:
                return None
        return self.job(job_id)

    def set_progress(self, job_id: str, claim: str, progress: float, message: str, log: str | None = None) -> None:
        """Show how far a running job is, with its log; without effect when it is not this claim's any more."""
        with self.database.write() as connection:
            changed = connection.execute(
                JOBS.update()
                .where(JOBS.c.job_id == job_id, JOBS.c.claim == claim, JOBS.c.state == JobState.RUNNING.value)
                .values(progress=min(max(progress, 0.0), 1.0), message=message)
            )
            if log is not None and changed.rowcount:
                logs.keep(connection, job_id, log)

    def set_preview(self, job_id: str, claim: str, preview: Preview) -> None:
        """Show what a running job knows already; without effect when it is not this claim's any more."""
        with self.database.write() as connection:
            connection.execute(
                JOBS.update()
                .where(JOBS.c.job_id == job_id, JOBS.c.claim == claim, JOBS.c.state == JobState.RUNNING.value)
                .values(preview=preview.model_dump_json())
            )

    def is_wanted(self, job_id: str, claim: str) -> bool:
        """Whether the job still runs under `claim` and nobody gave it up."""
        query = sql.select(sql.func.count()).where(
            JOBS.c.job_id == job_id,
            JOBS.c.claim == claim,
            JOBS.c.state == JobState.RUNNING.value,
            JOBS.c.cancel_requested_at.is_(None),
        )
        with self.database.read() as connection:
            return bool(connection.scalar(query))

    def finish_job(
        self, job_id: str, claim: str, state: JobState, error: str | None = None, log: str | None = None
    ) -> None:
        """Move a running job to a final state, with its log; without effect when it is not this claim's any more."""
        with self.database.write() as connection:
            mine = (JOBS.c.job_id == job_id) & (JOBS.c.claim == claim)
            if connection.execute(_finish(mine, state, error)).rowcount and log is not None:
                logs.keep(connection, job_id, log)

    # Jobs, as engines hand them out -------------------------------------------------------------------

    def beat(self, owner: Owner) -> None:
        """Say that an engine lives; registers it the first time."""
        with self.database.write(announce=False) as connection:
            _register(connection, owner)

    def engines(self) -> list[tuple[Owner, float]]:
        """All registered engines with the time of their last beat (Unix time)."""
        names = ("engine_id", "host", "pid", "process_started")
        with self.database.read() as connection:
            rows = connection.execute(sql.select(ENGINES)).mappings().all()
        return [(Owner(**{name: row[name] for name in names}), float(row["heartbeat"])) for row in rows]

    def bury(self, engine_ids: Collection[str], *, excuse: bool = False) -> None:
        """Forget engines that are gone; their unfinished jobs then have no owner and can be adopted.

        With `excuse` the attempts under way do not count: the engine was stopped, the jobs did nothing wrong.
        """
        with self.database.write() as connection:
            if excuse:
                running = JOBS.c.owner.in_(engine_ids) & (JOBS.c.state == JobState.RUNNING.value)
                connection.execute(JOBS.update().where(running).values(attempts=JOBS.c.attempts - 1))
            connection.execute(ENGINES.delete().where(ENGINES.c.engine_id.in_(engine_ids)))

    def adopt(self, owner: Owner) -> int:
        """Take over all unfinished jobs without an owner; returns how many wait now because of that."""
        return self._requeue(JOBS.c.owner.is_(None), owner)

    def requeue(self, owner: Owner, job_ids: Collection[str]) -> int:
        """Let these jobs of an engine wait again: whatever ran them is gone."""
        return self._requeue((JOBS.c.owner == owner.engine_id) & JOBS.c.job_id.in_(job_ids), owner)

    def _requeue(self, which: sql.ColumnElement[bool], owner: Owner) -> int:
        unfinished = which & JOBS.c.state.in_(_UNFINISHED)
        with self.database.read() as connection:  # mostly there are none, and a look disturbs nobody
            if not connection.scalar(sql.select(sql.func.count()).where(unfinished)):
                return 0
        waiting = {"state": JobState.WAITING.value, "owner": owner.engine_id, "claim": None, "progress": 0.0}
        with self.database.write() as connection:
            _register(connection, owner)
            connection.execute(_finish(unfinished & JOBS.c.cancel_requested_at.is_not(None), JobState.CANCELLED))
            _give_up_on_killers(connection, unfinished)
            return connection.execute(JOBS.update().where(unfinished).values(waiting)).rowcount

    def fail_job(self, engine_id: str, job_id: str, error: str) -> None:
        """FAILED, on the word of the engine that owns the job: its worker can no longer say so."""
        with self.database.write() as connection:
            which = (JOBS.c.owner == engine_id) & (JOBS.c.job_id == job_id)
            connection.execute(_finish(which, JobState.FAILED, error))

    def next_jobs(self, engine_id: str, *, background: bool, limit: int, exclude: Collection[str] = ()) -> list[Job]:
        """The engine's next waiting jobs of one kind, without those `exclude` names.

        Oldest first; of background jobs those of the group that was submitted to last, since somebody is
        looking at that one: sweeps of pages left behind go on afterwards.
        Jobs that another version of this program wrote fail.
        """
        others = JOBS.alias()
        asked_last = sql.select(sql.func.max(others.c.sequence)).where(others.c.job_group == JOBS.c.job_group)
        order = (asked_last.scalar_subquery().desc(), JOBS.c.sequence) if background else (JOBS.c.sequence,)
        query = (
            sql.select(JOBS)
            .where(JOBS.c.owner == engine_id, JOBS.c.state == JobState.WAITING.value, JOBS.c.background == background)
            .where(JOBS.c.job_id.not_in(exclude))
            .order_by(*order)
            .limit(limit)
        )
        with self.database.read() as connection:
            found, strange = readable(connection.execute(query).mappings())
        for job_id in strange:
            self.fail_job(engine_id, job_id, OTHER_VERSION)
        return found

    def overdue_cancels(self, engine_id: str, seconds: float) -> list[tuple[str, str]]:
        """(job_id, claim) of running jobs that were given up more than `seconds` ago and run on."""
        query = sql.select(JOBS.c.job_id, JOBS.c.claim).where(
            JOBS.c.owner == engine_id,
            JOBS.c.state == JobState.RUNNING.value,
            JOBS.c.cancel_requested_at < time.time() - seconds,
        )
        with self.database.read() as connection:
            return [(str(job_id), str(claim)) for job_id, claim in connection.execute(query)]

    def forget_old_jobs(self) -> None:
        """Drop jobs that were over `KEEP_JOBS_DAYS` ago."""
        before = time.time() - KEEP_JOBS_DAYS * 86_400
        with self.database.write() as connection:
            connection.execute(JOBS.delete().where(JOBS.c.state.not_in(_UNFINISHED), JOBS.c.finished_at < before))


@functools.lru_cache(maxsize=1024)
def _parse_result(document: str) -> Result:
    """Results never change, so one parse is enough; workers and pages ask for the same ones again and again."""
    return Result.model_validate_json(document)


def _with_later(
    connection: sql.Connection, comparable: sql.ColumnElement[bool], known: dict[int, Result]
) -> dict[int, Result]:
    """The results by their sequence, with what came since; all anew where others than the latest have changed.

    (The database was replaced, or a row became visible after one with a higher number.)
    """
    last = max(known, default=-1)
    later = known | _read(connection, comparable & (RESULTS.c.sequence > last))
    count = connection.scalar(sql.select(sql.func.count()).select_from(RESULTS).where(comparable))
    recipe_id = connection.scalar(sql.select(RESULTS.c.recipe_id).where(RESULTS.c.sequence == last))
    is_same = not known or recipe_id == known[last].recipe_id
    return later if is_same and len(later) == count else _read(connection, comparable)


def _read(connection: sql.Connection, which: sql.ColumnElement[bool]) -> dict[int, Result]:
    query = sql.select(RESULTS.c.sequence, RESULTS.c.document).where(which).order_by(RESULTS.c.sequence)
    return {row.sequence: _parse_result(row.document) for row in connection.execute(query)}


def _restore(contents: Iterable[bytes]) -> None:
    for content in contents:
        if not artifacts.path_of(artifacts.sha256(content)).is_file():
            artifacts.write(content)


def _register(connection: sql.Connection, owner: Owner) -> None:
    """Note that the engine lives, also when others believed it dead."""
    mine = ENGINES.c.engine_id == owner.engine_id
    if connection.execute(ENGINES.update().where(mine).values(heartbeat=time.time())).rowcount == 0:
        connection.execute(ENGINES.insert().values(asdict(owner) | {"heartbeat": time.time()}))


def _unfinished(group: str) -> sql.Select[Any]:
    """Jobs of a group that still lead to a result."""
    return sql.select(JOBS).where(
        JOBS.c.job_group == group, JOBS.c.state.in_(_UNFINISHED), JOBS.c.cancel_requested_at.is_(None)
    )


def _cancel(connection: sql.Connection, job_ids: Collection[str]) -> None:
    _cancel_where(connection, JOBS.c.job_id.in_(job_ids))


def _cancel_where(connection: sql.Connection, these: sql.ColumnElement[bool]) -> None:
    running = these & (JOBS.c.state == JobState.RUNNING.value) & JOBS.c.cancel_requested_at.is_(None)
    connection.execute(_finish(these & (JOBS.c.state == JobState.WAITING.value), JobState.CANCELLED))
    connection.execute(JOBS.update().where(running).values(cancel_requested_at=time.time(), message="stopping"))


def _finish(which: sql.ColumnElement[bool], state: JobState, error: str | None = None) -> sql.Update:
    """To a final state, from an unfinished one only."""
    values: dict[str, Any] = {"state": state.value, "error": error, "finished_at": time.time()}
    if state is JobState.COMPLETE:
        values["progress"] = 1.0
    if state is JobState.CANCELLED:
        values["cancel_requested_at"] = sql.func.coalesce(JOBS.c.cancel_requested_at, time.time())
    return JOBS.update().where(which, JOBS.c.state.in_(_UNFINISHED)).values(values)


def _give_up_on_killers(connection: sql.Connection, which: sql.ColumnElement[bool]) -> None:
    """FAILED for running jobs whose worker is gone for the last time allowed."""
    dead = which & (JOBS.c.state == JobState.RUNNING.value) & (JOBS.c.attempts >= MAX_ATTEMPTS)
    for job_id, message in connection.execute(sql.select(JOBS.c.job_id, JOBS.c.message).where(dead)).all():
        connection.execute(_finish(JOBS.c.job_id == job_id, JobState.FAILED, died(message)))


def died(message: str) -> str:
    """Why a job was given up whose worker died again and again while it said `message`."""
    doing = f"while {message!r}" if message else "right at the start"
    return (
        f"The worker process died three times {doing}. Most likely the memory did not suffice: close other programs, "
        "or take a smaller model. The terminal of the server shows more."
    )
