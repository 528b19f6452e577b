"""Jobs: recipes to be measured and inquiries to be made, as data and as rows of the table of jobs. Torch-free."""

from __future__ import annotations

import enum
import functools
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql

from compression.errors import CompressionError
from compression.inquiries import Inquiry, parse_inquiry
from compression.recipe.recipe import Recipe, parse_recipe
from compression.results.record import Learning, Underway
from compression.store.tables import JOBS

Row = sql.RowMapping


class JobState(enum.StrEnum):
    """Where a job stands. A final state never changes.

    WAITING -> RUNNING -> COMPLETE | FAILED | CANCELLED, and back from RUNNING to WAITING when the process
    that ran it is gone. A waiting job may become FAILED or CANCELLED without ever running.
    """

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job is over."""
        return self in (JobState.COMPLETE, JobState.FAILED, JobState.CANCELLED)


_RUNS = JobState.RUNNING.value
UNFINISHED = (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True)
class Job:
    """One recipe to be measured, or an `inquiry` of it to be made, for one group (a page, a sweep).

    `progress` is 0 to 1, times are UTC.
    `workspace` is whose result it will be ("": everybody's).
    `message` says in a few words what it is doing, `error` why it failed. `attempts` counts how often it was started;
    those do not count that ended with the server or the scheduler. `preview` is what a running job has measured so far,
    `learning` how its training goes. Where a training was ended early (`is_enough_requested`), the recipe of a job that
    is over is the one that was carried out.
    """

    job_id: str
    recipe: Recipe
    group: str
    background: bool
    state: JobState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: float = 0.0
    message: str = ""
    error: str | None = None
    attempts: int = 0
    is_cancel_requested: bool = False
    preview: Underway | None = None
    learning: Learning | None = None
    is_enough_requested: bool = False
    inquiry: Inquiry | None = None
    workspace: str = ""

    @property
    def work_id(self) -> str:
        """The same for jobs that lead to the same."""
        return work_id_of(self.recipe if self.inquiry is None else self.inquiry)


def work_id_of(work: Recipe | Inquiry) -> str:
    """The recipe's or the inquiry's own name."""
    return work.recipe_id if isinstance(work, Recipe) else work.inquiry_id


def new_job(work: Recipe | Inquiry, group: str, background: bool, is_done: bool, workspace: str = "") -> Job:
    """A job that waits, or is over because what it leads to `is_done`."""
    recipe, inquiry = (work, None) if isinstance(work, Recipe) else (work.recipe, work)
    now = datetime.now(UTC)
    job = Job(
        uuid.uuid4().hex,
        recipe,
        group,
        background,
        JobState.WAITING,
        created_at=now,
        inquiry=inquiry,
        workspace=workspace,
    )
    done: dict[str, Any] = {"state": JobState.COMPLETE, "progress": 1.0, "message": "measured before"}
    return replace(job, **done, started_at=now, finished_at=now) if is_done else job


def row_of(job: Job, owner: str | None) -> dict[str, Any]:
    """A new row, for the dispatcher of this name."""
    return {
        "job_id": job.job_id,
        "recipe": job.recipe.to_json(),
        "recipe_id": job.recipe.recipe_id,
        "inquiry": job.inquiry.to_json() if job.inquiry else None,
        "job_group": job.group,
        "workspace": job.workspace or None,
        "background": job.background,
        "state": job.state.value,
        "progress": job.progress,
        "message": job.message,
        "attempts": job.attempts,
        "owner": owner,
        "created_at": job.created_at.timestamp(),
    }


def job_from_row(row: Row) -> Job:
    """A row of the table of jobs. Raises `CompressionError` or ValueError where another version wrote what it asks."""
    return Job(
        job_id=row["job_id"],
        recipe=_parse_recipe(row["recipe"]),
        group=row["job_group"],
        background=row["background"],
        state=JobState(row["state"]),
        progress=row["progress"],
        message=row["message"],
        error=row["error"],
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        started_at=_time(row["started_at"]),
        finished_at=_time(row["finished_at"]),
        attempts=row["attempts"],
        is_cancel_requested=row["cancel_requested_at"] is not None,
        preview=_parse_preview(row["preview"]) if row["preview"] and row["state"] == _RUNS else None,
        learning=_parse_learning(row["learning"]) if row["learning"] and row["state"] == _RUNS else None,
        is_enough_requested=row["enough_requested_at"] is not None,
        inquiry=_parse_inquiry(row[JOBS.c.inquiry]) if row[JOBS.c.inquiry] else None,
        workspace=row["workspace"] or "",
    )


def readable(rows: Iterable[Row]) -> tuple[list[Job], list[str]]:
    """The jobs of these rows, and the names of those that another version of this program wrote."""
    found, others = [], []
    for row in rows:
        try:
            found.append(job_from_row(row))
        except (CompressionError, ValueError):  # pydantic's errors are of this kind
            others.append(str(row["job_id"]))
    return found, others


@functools.lru_cache(maxsize=64)
def _parse_preview(text: str) -> Underway | None:
    """None where an earlier version wrote it, which told less: it is told anew in a moment."""
    try:
        return Underway.model_validate_json(text)
    except ValueError:
        return None


_parse_learning = functools.lru_cache(maxsize=64)(Learning.model_validate_json)
_parse_inquiry = functools.lru_cache(maxsize=256)(parse_inquiry)
_parse_recipe = functools.lru_cache(maxsize=4096)(parse_recipe)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
