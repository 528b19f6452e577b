"""The truth about results and jobs: SQL for rows, content-addressed files for artifacts. Torch-free."""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field

import sqlalchemy as sql
from sqlalchemy import exc

from compression import environment
from compression.errors import CorruptFile
from compression.inquiries import Inquiry
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.results import conditions, machine
from compression.results.conditions import Conditions
from compression.results.record import Result
from compression.results.timing import Timing
from compression.store import artifacts, results
from compression.store.database import BUSY_TIMEOUT_S, Database, count_deletion
from compression.store.job_queue import JobQueue, Owner
from compression.store.jobs import Job, JobState
from compression.store.results import Unreadable
from compression.store.searches import Searches
from compression.store.tables import ANSWERS, RESULTS


@dataclass(frozen=True)
class Place:
    """Where a store is: what a worker process needs to open the same one."""

    database_url: str = field(repr=False)  # may hold a password
    home: str


class Store:
    """Results, answers and jobs, shared by all processes that use the same database and home.

    * A result is immutable: the first one stored for its key stays. Only its latency becomes surer, when it, or another
      result with the same graph under the same conditions, is timed again: all of them have all the timings.
    * Artifacts are on the disk before the row that names them.
    * Every change of a result or job changes `revision()`.
    * A workspace has results of its own: `within` one, nothing is seen of what was measured outside, and what is
      measured there is seen nowhere else. Jobs, files and notes are everybody's.
    * Every method, and every one of the `queue`, raises `StorageFailed` when database or disk cannot be used; what was
      stored is kept, and the next call tries again.

    Results are those of `machine_ids`: this machine, or the workers' where they run elsewhere. The `queue` is for
    those who hand out jobs and carry them out.
    """

    def __init__(self, url: str | None = None, *, patience_s: float = BUSY_TIMEOUT_S) -> None:
        """Use the database at `url`, by default COMPRESSION_DATABASE or else SQLite under the home folder.

        Whoever reads waits `patience_s` for a program that holds all of it.
        """
        default = f"sqlite:///{environment.home() / 'results.sqlite'}"
        self.database = Database(url or os.environ.get("COMPRESSION_DATABASE") or default, patience_s)
        self.queue, self.searches = JobQueue(self.database), Searches(self.database)
        self.remembered = results.Remembered()
        self.machine_ids: tuple[str, ...] = ()
        self.workspace = ""

    def within(self, workspace: str) -> Store:
        """The same store as it is seen from a workspace; "" is everybody's."""
        if workspace == self.workspace:
            return self
        other = copy.copy(self)
        other.workspace = workspace
        return other

    @property
    def place(self) -> Place:
        """How a worker opens this store."""
        return Place(self.database.url, str(environment.home()))

    def revision(self) -> int:
        """Changes whenever a result or a job changed; one small query."""
        return self.database.revision()

    def result(self, recipe: Recipe) -> Result | None:
        """The measured recipe, if it was measured on the present model, data, engine and machine."""
        return self.results_of([recipe]).get(recipe.recipe_id)

    def results_of(self, recipes: Sequence[Recipe]) -> dict[str, Result]:
        """Those of `recipes` that were measured, by recipe_id; the first result of each."""
        keys = [key for recipe in recipes for key in self._result_keys(recipe)]
        latest_first = sql.select(RESULTS).where(RESULTS.c.result_key.in_(keys)).order_by(RESULTS.c.sequence.desc())
        with self.database.read() as connection:
            found = list(map(results.read, connection.execute(latest_first)))
        return {result.recipe_id: result for result in found if isinstance(result, Result)}

    def results(self, model: str) -> list[Result]:
        """All results of `model` that are comparable here and now, oldest first."""
        return [row for row in self.rows(model) if isinstance(row, Result)]

    def unreadable(self, model: str) -> list[Unreadable]:
        """The rows that `results` leaves out since nobody can read them any more."""
        return [row for row in self.rows(model) if isinstance(row, Unreadable)]

    def rows(self, model: str) -> list[Result | Unreadable]:
        """Both, from one look.

        A page asks for them with every change, so they are remembered, and only later ones are read.
        """
        now, machines = conditions.conditions(subject_of(model)), self._machines()
        same = (RESULTS.c[name] == value for name, value in asdict(now).items() if name != "machine_id")
        comparable = sql.and_(*same, RESULTS.c.machine_id.in_(machines), self.is_mine)
        return self.remembered.rows(self.database, (now, machines, self.workspace), comparable, results.read)

    @property
    def is_mine(self) -> sql.ColumnElement[bool]:
        """Whether a row of the table of results is of this workspace."""
        return RESULTS.c.workspace == self.workspace if self.workspace else RESULTS.c.workspace.is_(None)

    def add_result(self, result: Result, contents: dict[str, bytes]) -> None:
        """Keep a result and the files it names (`stored`, `onnx`, `predictions` to bytes).

        A second result of the same recipe under the same conditions is dropped: the first one stays, unless its row
        cannot be read any more. What could not be read itself, such as a number that is none, is refused (ValueError).
        Somebody who deletes another result may take a file with it that both have, before this one has its row: then
        it is written again.
        """
        document = result.model_dump_json()
        results.parse(document)
        for role, content in contents.items():
            if artifacts.sha256(content) != result.artifacts.get(role):
                raise CorruptFile(f"The {role} file does not fit its result. Measure the recipe again.")
        for content in contents.values():
            artifacts.write(content)
        measured = conditions.conditions_of(result)
        row = asdict(measured) | {
            "result_key": conditions.key(result.recipe_id, measured, self.workspace),
            "workspace": self.workspace or None,
            "recipe_id": result.recipe_id,
            "document": document,
            "graph": result.graph or None,
        }
        try:
            with self.database.write() as connection:
                connection.execute(RESULTS.insert().values(row))
                _share_timings(connection, result)
        except exc.IntegrityError:  # it was measured before, or meanwhile
            self._replace_unreadable(row)
        for content in contents.values():
            artifacts.restore(content)

    def _replace_unreadable(self, row: dict[str, str | None]) -> None:
        """Put a row in the place of that with its key, if nobody can read that one."""
        same = RESULTS.c.result_key == row["result_key"]
        with self.database.read() as connection:
            there = connection.execute(sql.select(RESULTS).where(same)).one_or_none()
        if there is not None and isinstance(results.read(there), Unreadable):
            with self.database.write() as connection:
                connection.execute(RESULTS.update().where(same).values(row))
                count_deletion(connection)

    def forget_answer(self, inquiry: Inquiry) -> None:
        """Have an inquiry made anew whose answer is damaged."""
        with self.database.write() as connection:
            connection.execute(ANSWERS.delete().where(ANSWERS.c.answer_key.in_(self._answer_keys(inquiry))))

    def timings(self, model: str, graph: str) -> tuple[Timing, ...]:
        """The timings there are of networks with this graph (see `Measures.graph`), here and now."""
        alike = _alike(conditions.conditions(subject_of(model)), graph)
        with self.database.read() as connection:
            found = map(results.read, connection.execute(sql.select(RESULTS).where(alike)))
            return next((one.timings for one in found if isinstance(one, Result)), ())

    def add_timing(self, result: Result, timing: Timing) -> None:
        """Pool a further timing of a result's network with those that it and all results with the same graph have."""
        with self.database.write() as connection:
            _share_timings(connection, result, timing)

    def answer_name(self, inquiry: Inquiry) -> str | None:
        """The name of the file that answers `inquiry`, if that was found out under the present conditions.

        What anybody found out serves every workspace: it is nobody's result.
        """
        return self._answer_names([inquiry]).get(inquiry.inquiry_id)

    def answer(self, inquiry: Inquiry) -> bytes | None:
        """The `Answer` to `inquiry` as JSON, if there is one; None also where its file is gone."""
        name = self.answer_name(inquiry)
        return artifacts.read(name) if name else None

    def add_answer(self, inquiry: Inquiry, result: Result, content: bytes) -> None:
        """Keep what was found out about `result`. The first answer stays; one whose file is gone is replaced."""
        name = artifacts.write(content)
        result_key = conditions.key(result.recipe_id, conditions.conditions_of(result), self.workspace)
        key = inquiry.answer_key(result_key)
        row = {"answer_key": key, "result_key": result_key, "kind": inquiry.kind, "artifact": name}
        with self.database.write() as connection:
            known = connection.scalar(sql.select(ANSWERS.c.artifact).where(ANSWERS.c.answer_key == key))
            if known is None:
                connection.execute(ANSWERS.insert().values(row))
            elif not artifacts.path_of(known).is_file():
                connection.execute(ANSWERS.update().where(ANSWERS.c.answer_key == key).values(row))
        if known is None:
            artifacts.restore(content)

    def artifact(self, sha256: str) -> bytes | None:
        """The file of that name, checked; None when it is not there. Raises `CorruptFile` when damaged."""
        return artifacts.read(sha256)

    def job(self, job_id: str) -> Job | None:
        """See `JobQueue.job`."""
        return self.queue.job(job_id)

    def jobs(self, group: str | None = None, states: Collection[JobState] | None = None) -> list[Job]:
        """See `JobQueue.jobs`."""
        return self.queue.jobs(group, states)

    def add_jobs(
        self,
        works: Sequence[Recipe | Inquiry],
        *,
        group: str,
        background: bool = False,
        owner: Owner | None = None,
        replace: bool = False,
        anew: bool = False,
    ) -> list[Job]:
        """Submit recipes to be measured or inquiries to be made; returns one job for each different one, in order.

        What waits or runs in this group already gives that job. What was done before gives a COMPLETE job
        that is not stored: there is nothing to do, unless it is wanted `anew`, as where files of a result are lost
        or damaged. With `replace` the group's other unfinished jobs are cancelled. All in one transaction.
        """
        measured = self.results_of([work for work in works if isinstance(work, Recipe)])
        answered = self._answer_names([work for work in works if isinstance(work, Inquiry)])
        done = set() if anew else {*measured, *answered}
        return self.queue.add(
            works,
            done=done,
            group=group,
            background=background,
            owner=owner,
            replace=replace,
            workspace=self.workspace,
        )

    def _answer_names(self, inquiries: Sequence[Inquiry]) -> dict[str, str]:
        """Names of the files of those that were answered, by inquiry_id. A lost file is no answer."""
        wanted = {key: inquiry.inquiry_id for inquiry in inquiries for key in self._answer_keys(inquiry)}
        query = sql.select(ANSWERS.c.answer_key, ANSWERS.c.artifact).where(ANSWERS.c.answer_key.in_(wanted))
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        return {wanted[key]: name for key, name in rows if artifacts.path_of(name).is_file()}

    def _answer_keys(self, inquiry: Inquiry) -> list[str]:
        """Of everybody's result and of the workspace's own."""
        stores = dict.fromkeys((self.within(""), self))
        return [inquiry.answer_key(key) for store in stores for key in store._result_keys(inquiry.recipe)]

    def _result_keys(self, recipe: Recipe) -> list[str]:
        """On each machine whose results count here."""
        subject, room = subject_of(recipe.model), self.workspace
        return [conditions.result_key(subject, recipe, machine_id, room) for machine_id in self._machines()]

    def _machines(self) -> tuple[str, ...]:
        return self.machine_ids or (machine.machine_id(),)


def _alike(measured_under: Conditions, graph: str) -> sql.ColumnElement[bool]:
    """Rows of results that are timed as one."""
    same = (RESULTS.c[name] == value for name, value in asdict(measured_under).items())
    return sql.and_(*same, RESULTS.c.graph == graph)


def _share_timings(connection: sql.Connection, result: Result, *more: Timing) -> None:
    """Give all results with the same graph all timings of any of them."""
    alike = _alike(conditions.conditions_of(result), result.graph)
    rows = connection.execute(sql.select(RESULTS).where(alike)).all()
    found = {row.result_key: one for row in rows if isinstance(one := results.read(row), Result)}
    every = {timing for one in found.values() for timing in one.timings} | set(more)
    timings = tuple(sorted(every, key=lambda timing: timing.created_at))
    behind = {key: one.timed(timings) for key, one in found.items() if one.timings != timings}
    for key, one in behind.items():
        connection.execute(RESULTS.update().where(RESULTS.c.result_key == key).values(document=one.model_dump_json()))
    if behind:
        count_deletion(connection)  # so that what is remembered of them is read anew
