"""Who works: the worker processes as plain rows. Without torch and without Dask."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psutil

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
    process = psutil.Process()
    return {"pid": process.pid, "host": platform.node(), "niceness": _niceness(process)}


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


class Meter:
    """Reads memory and processor time of workers on this machine where they are kept, newer than any heartbeat."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}

    def read(self, members: Iterable[Member]) -> tuple[Member, ...]:
        """The same members; those of this machine with what the system says of them now."""
        here = platform.node()
        found = tuple(self._measured(one) if one.host == here and one.pid else one for one in members)
        self._processes = {pid: process for pid, process in self._processes.items() if pid in {m.pid for m in found}}
        return found

    def _measured(self, one: Member) -> Member:
        assert one.pid is not None
        is_new = one.pid not in self._processes
        try:
            process = psutil.Process(one.pid) if is_new else self._processes[one.pid]
            self._processes[one.pid] = process
            with process.oneshot():
                memory, percent = process.memory_info().rss, process.cpu_percent()
                niceness = _niceness(process)
        except psutil.Error:  # it has just ended
            self._processes.pop(one.pid, None)
            return one
        # The first look only begins the count.
        return replace(
            one, memory_bytes=memory, cpu_percent=one.cpu_percent if is_new else percent, niceness=niceness
        )  # fmt: skip


def _niceness(process: psutil.Process) -> int | None:
    try:
        return int(process.nice())
    except psutil.Error:
        return None


def task_name(job_id: str, claim: str) -> str:
    """What a job under a claim is called within Dask."""
    return f"job-{job_id}-{claim}"


def job_of(task: str) -> str:
    """The job_id in a task's name; empty where it is something else."""
    first, _, rest = str(task).partition("-")
    return rest.partition("-")[0] if first == "job" else ""
