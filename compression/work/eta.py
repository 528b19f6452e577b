"""How far a group of jobs is, and how long it will still take. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from compression.store.jobs import Job, JobState

MIN_PROGRESS = 0.1
"""Below this, a job's own progress says too little about how long it takes."""


@dataclass(frozen=True)
class GroupProgress:
    """Counts of the group's current batch. `finished` counts complete and failed jobs; cancelled ones do not count.

    `eta_seconds` is None until something is known about how long such jobs take, 0 when all are done.
    """

    total: int
    finished: int
    failed: int
    running: int
    waiting: int
    eta_seconds: float | None

    @property
    def fraction(self) -> float:
        """Share of the jobs that are over, 0 to 1 (1 when there are none)."""
        return self.finished / self.total if self.total else 1.0


def group_progress(jobs: Sequence[Job], now: datetime | None = None) -> GroupProgress:
    """Progress of the current batch of `jobs` (all of one group, in the order of submission)."""
    batch = [job for job in current_batch(jobs) if job.state is not JobState.CANCELLED]
    count = {state: sum(job.state is state for job in batch) for state in JobState}
    return GroupProgress(
        total=len(batch),
        finished=count[JobState.COMPLETE] + count[JobState.FAILED],
        failed=count[JobState.FAILED],
        running=count[JobState.RUNNING],
        waiting=count[JobState.WAITING],
        eta_seconds=_eta(batch, now or datetime.now(UTC)),
    )


def current_batch(jobs: Sequence[Job]) -> list[Job]:
    """The jobs submitted since the group last had nothing to do."""
    batch: list[Job] = []
    idle_from: datetime | None = None
    for job in jobs:
        if batch and idle_from is not None and job.created_at > idle_from:
            batch = []
        if not batch:
            idle_from = job.finished_at
        elif idle_from is not None:
            idle_from = max(idle_from, job.finished_at) if job.finished_at else None
        batch.append(job)
    return batch


def _eta(batch: Sequence[Job], now: datetime) -> float | None:
    running = [job for job in batch if job.state is JobState.RUNNING]
    waiting = sum(job.state is JobState.WAITING for job in batch)
    return time_left(running, waiting, _typical_seconds(batch, now), now)


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


def _typical_seconds(batch: Sequence[Job], now: datetime) -> float | None:
    """Mean duration of complete jobs, or what the running ones' progress promises."""
    done = [
        _seconds(job.finished_at - job.started_at)
        for job in batch
        if job.state is JobState.COMPLETE and job.started_at and job.finished_at
    ]
    if not done:
        done = [
            _seconds(now - job.started_at) / job.progress
            for job in batch
            if job.state is JobState.RUNNING and job.started_at and job.progress >= MIN_PROGRESS
        ]
    return sum(done) / len(done) if done else None


def seconds_left(job: Job, typical: float | None, now: datetime) -> float | None:
    """Rough seconds that a running job still takes: what its progress promises, or else what such jobs take."""
    elapsed = _seconds(now - job.started_at) if job.started_at else 0.0
    if job.progress >= MIN_PROGRESS:
        return elapsed * (1 - job.progress) / job.progress
    return None if typical is None else max(typical - elapsed, 0.0)


def _seconds(span: timedelta) -> float:
    return max(span.total_seconds(), 0.0)
