"""Who works: the worker processes as plain rows. Without torch and without Dask."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FACTS = "compression"
"""Under this name workers tell with each heartbeat what `facts` finds."""

BACKGROUND = "background"
"""The Dask resource of workers that take background jobs; the one without it is for people alone."""


@dataclass(frozen=True)
class Member:
    """A worker process.

    `memory_bytes` are resident: workers that are copies of one process share part of them, which counts in each.
    `cpu_percent` is 100 for one whole processor, `niceness` the larger the more the worker gives way. Both may be
    unknown (None), as may the process on another machine. `job_ids` are what it has in hand.
    """

    address: str
    name: str
    host: str
    pid: int | None
    takes_background: bool
    memory_bytes: int
    memory_limit_bytes: int
    cpu_percent: float | None
    niceness: int | None
    job_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Members:
    """All workers of a dispatcher: where their scheduler listens, and whether they are this program's own."""

    address: str = ""
    is_embedded: bool = True
    all: tuple[Member, ...] = ()


def facts() -> dict[str, Any]:
    """What a worker tells of itself; called in the worker."""
    return {"pid": os.getpid(), "host": platform.node(), "niceness": os.getpriority(os.PRIO_PROCESS, 0)}


def member(address: str, entry: Mapping[str, Any], tasks: Iterable[str], *, takes_background: bool) -> Member:
    """A row from what Dask's scheduler knows of a worker; `tasks` are names as `task_name` makes them."""
    metrics: Mapping[str, Any] = entry.get("metrics") or {}
    own: Mapping[str, Any] = metrics.get(FACTS) or {}
    return Member(
        address=address,
        name=str(entry.get("name", "")),
        host=str(own.get("host") or entry.get("host", "")),
        pid=own.get("pid"),
        takes_background=takes_background,
        memory_bytes=int(metrics.get("memory") or 0),
        memory_limit_bytes=int(entry.get("memory_limit") or 0),
        cpu_percent=metrics.get("cpu"),
        niceness=own.get("niceness"),
        job_ids=tuple(job_id for job_id in map(job_of, tasks) if job_id),
    )


def task_name(job_id: str, claim: str) -> str:
    """What a job under a claim is called within Dask."""
    return f"job-{job_id}-{claim}"


def job_of(task: str) -> str:
    """The job_id in a task's name; empty where it is something else."""
    first, _, rest = str(task).partition("-")
    return rest.partition("-")[0] if first == "job" else ""
