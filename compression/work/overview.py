"""What all jobs of a store are doing, a screenful of each kind, and in words. Torch-free.

Only what is shown is read, so that it takes milliseconds with tens of thousands of jobs; the counts say what is left
out.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql

from compression import units
from compression.recipe.words import recipe_in_words
from compression.search.wish import wish_from
from compression.store.job_queue import STALE_AFTER_S, in_states
from compression.store.jobs import UNFINISHED, Job, JobState, readable
from compression.store.searches import GROUP, Searches
from compression.store.store import Store
from compression.store.tables import JOBS

MAX_RUNNING, MAX_GROUPS, MAX_WAITING, MAX_FAILED, MAX_OVER = 40, 12, 8, 20, 100
"""Shown at most: running jobs, groups that wait, jobs of each, failed jobs, and jobs that are over."""

TYPICAL_OF = 20
"""Jobs of a group that say how long such a job takes: the latest."""

MIN_PROGRESS = 0.1
"""Below this, a job's own progress says too little about how long it takes."""

LATER = JOBS.alias("later")

_ASKERS = {
    "explore": "Explore: the setting shown",
    "sweep": "Explore: the curves",
    "ahead": "Explore: measured ahead, before anybody asks",
    "timing": "Explore: timed again, to be surer of the time",
    "inquiry": "A page that looks into a result",
    "study": "A page that looks into a result",  # as it was called in homes of before
    "picked": "Settings chosen side by side",
    "learn": "Learn: the course",
}
"""Who asked, by the first part of a group's name; the rest names the browser window."""


@dataclass(frozen=True)
class Group:
    """Jobs that somebody asked for together: how many wait and run, those that come first, seconds left (or None)."""

    name: str
    background: bool
    waiting: int
    running: int
    first: tuple[Job, ...]
    seconds_left: float | None


@dataclass(frozen=True)
class Running:
    """A running job, and roughly how many seconds it still takes (None: not known yet)."""

    job: Job
    seconds_left: float | None


@dataclass(frozen=True)
class Activity:
    """Everything at one moment. `counts` are of all jobs; the rest is a screenful each.

    `failed` are those whose work was not done or asked for again since, `failed_total` how many of them there are.
    `over` are the last that ended, whatever came of them. `unreadable` jobs of those looked at were asked for by
    another version of this program, and are left out.
    """

    revision: int
    counts: dict[JobState, int]
    running: tuple[Running, ...]
    groups: tuple[Group, ...]
    groups_total: int
    failed: tuple[Job, ...]
    failed_total: int
    over: tuple[Job, ...]
    unreadable: int

    @property
    def is_quiet(self) -> bool:
        """Whether nothing runs or waits."""
        return not any(self.counts[state] for state in UNFINISHED)


def look(store: Store, now: datetime | None = None) -> Activity:
    """Look at all jobs once. Raises `StorageFailed`."""
    now, unreadable = now or datetime.now(UTC), [0]
    revision = store.revision()
    with store.database.read() as connection:
        counts = _counts(connection)
        running = _jobs(connection, in_states(JobState.RUNNING), _EARLIEST, MAX_RUNNING, unreadable)
        typical = {name: _typical_seconds(connection, name) for name in {job.group for job in running}}
        groups, groups_total = _groups(connection, running, now, unreadable)
        failed = _jobs(connection, _unmended(), _LATEST, MAX_FAILED, unreadable)
        failed_total = int(connection.scalar(sql.select(sql.func.count()).select_from(JOBS).where(_unmended())) or 0)
        over = _over(connection, unreadable)
    rows = tuple(Running(job, seconds_left(job, typical[job.group], now)) for job in running)
    return Activity(revision, counts, rows, groups, groups_total, failed, failed_total, over, unreadable[0])


_OVER = tuple(state for state in JobState if state.is_final)
_EARLIEST = (JOBS.c.sequence,)
_LATEST = (JOBS.c.finished_at.desc(), JOBS.c.sequence.desc())
"""As the index of states has them, so that the database need not sort."""


def _over(connection: sql.Connection, unreadable: list[int]) -> tuple[Job, ...]:
    """The last that ended. Each state alone, which an index answers: all together would be sorted each time."""
    found = [job for state in _OVER for job in _jobs(connection, in_states(state), _LATEST, MAX_OVER, unreadable)]
    found.sort(key=lambda job: job.finished_at or job.created_at, reverse=True)
    return tuple(found[:MAX_OVER])


def _unmended() -> sql.ColumnElement[bool]:
    """Failed, and the same work neither done nor asked for since."""
    same = sql.and_(
        LATER.c.recipe_id == JOBS.c.recipe_id,
        sql.func.coalesce(LATER.c.inquiry, "") == sql.func.coalesce(JOBS.c.inquiry, ""),
        LATER.c.sequence > JOBS.c.sequence,
        LATER.c.state != JobState.CANCELLED.value,
    )
    return in_states(JobState.FAILED) & ~sql.exists().where(same)


def _counts(connection: sql.Connection) -> dict[JobState, int]:
    found = connection.execute(sql.select(JOBS.c.state, sql.func.count()).group_by(JOBS.c.state))
    return dict.fromkeys(JobState, 0) | {JobState(state): count for state, count in found}


def _jobs(
    connection: sql.Connection,
    which: sql.ColumnElement[bool],
    order: Sequence[sql.ColumnElement[Any]],
    limit: int,
    unreadable: list[int],
) -> tuple[Job, ...]:
    query = sql.select(JOBS).where(which).order_by(*order).limit(limit)
    found, others = readable(connection.execute(query).mappings())
    unreadable[0] += len(others)
    return tuple(found)


def _groups(
    connection: sql.Connection, running: Sequence[Job], now: datetime, unreadable: list[int]
) -> tuple[tuple[Group, ...], int]:
    """Groups with waiting jobs in the order in which they come: people's first, then those asked for last."""
    waits = in_states(JobState.WAITING)
    query = (
        sql.select(JOBS.c.job_group, sql.func.count(), sql.func.min(JOBS.c.sequence))
        .add_columns(sql.func.min(sql.case((JOBS.c.background, 1), else_=0)), sql.func.max(JOBS.c.sequence))
        .where(waits)
        .group_by(JOBS.c.job_group)
    )
    found = [tuple(row) for row in connection.execute(query)]
    found.sort(key=lambda row: (row[3], -row[4] if row[3] else row[2]))
    groups = []
    for name, waiting, _, background, _ in found[:MAX_GROUPS]:
        first = _jobs(connection, waits & (JOBS.c.job_group == name), _EARLIEST, MAX_WAITING, unreadable)
        mine = [job for job in running if job.group == name]
        left = time_left(mine, waiting, _typical_seconds(connection, name), now)
        groups.append(Group(name, bool(background), waiting, len(mine), first, left))
    return tuple(groups), len(found)


def _typical_seconds(connection: sql.Connection, group: str) -> float | None:
    """Mean duration of a group's latest complete jobs."""
    took = (JOBS.c.finished_at - JOBS.c.started_at).label("took")
    query = (
        sql.select(took)
        .where(JOBS.c.job_group == group, in_states(JobState.COMPLETE), took.is_not(None))
        .order_by(JOBS.c.sequence.desc())
        .limit(TYPICAL_OF)
    )
    found = [float(seconds) for seconds in connection.scalars(query)]
    return sum(found) / len(found) if found else None


def time_left(running: Sequence[Job], waiting: int, typical: float | None, now: datetime) -> float | None:
    """Rough seconds until these jobs and so many more are over; None where nothing is known of how long they take.

    `typical` is how many seconds such a job takes.
    """
    if not running and not waiting:
        return 0.0
    left = [seconds_left(job, typical, now) for job in running]
    known = [seconds for seconds in left if seconds is not None]
    if typical is None and (waiting or len(known) < len(left)):
        return None
    return max((sum(known) + waiting * (typical or 0.0)) / max(len(running), 1), max(known, default=0.0))


def seconds_left(job: Job, typical: float | None, now: datetime) -> float | None:
    """Rough seconds that a running job still takes: what its progress promises, or else what such jobs take."""
    elapsed = max((now - job.started_at).total_seconds(), 0.0) if job.started_at else 0.0
    if job.progress >= MIN_PROGRESS:
        return elapsed * (1 - job.progress) / job.progress
    return None if typical is None else max(typical - elapsed, 0.0)


def servers(store: Store, fresh_s: float = STALE_AFTER_S) -> list[str]:
    """Where the dispatchers are that use this store now, this one too."""
    now = time.time()
    return [f"{owner.host}, process {owner.pid}" for owner, beat in store.queue.dispatchers() if now - beat < fresh_s]


# In words ---------------------------------------------------------------------------------------------


def asker(group: str, session: str, searches: Searches | None = None) -> str:
    """Who asked for a group's jobs, for somebody in the browser session `session`; a search is called by its wish."""
    if searches is not None and group.startswith(GROUP):
        return _search(group.removeprefix(GROUP), searches)
    kind, _, window = group.partition("-")
    if kind not in _ASKERS:
        return "Somebody else"
    return f"{_ASKERS[kind]} ({'this' if window.startswith(session) else 'another'} browser window)"


@functools.lru_cache(maxsize=256)
def _search(search_id: str, searches: Searches) -> str:
    """Its wish, which stays what it was; found once, as tables name it a hundred times."""
    found = searches.search(search_id)
    with contextlib.suppress(ValueError):  # another version of this program asked for it
        if found is not None:
            return f"Search: {wish_from(found.wish).words}"
    return "A search that is gone"


def purpose(job: Job) -> str:
    """What a job is for, on one line."""
    words = recipe_in_words(job.recipe)
    if job.inquiry is None:
        return f"Measure: {words}"
    return f"{units.capital(job.inquiry.WORDS)}: {words}"


def seconds_taken(job: Job, now: datetime | None = None) -> float | None:
    """How long a job took, or has taken until now; None where it never began."""
    if job.started_at is None:
        return None
    return max(0.0, ((job.finished_at or now or datetime.now(UTC)) - job.started_at).total_seconds())
