"""How long jobs will still take. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from compression.store.jobs import Job

MIN_PROGRESS = 0.1
"""Below this, a job's own progress says too little about how long it takes."""


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
