"""The worker processes as the dispatcher sees them: embedded, or where COMPRESSION_SCHEDULER says. Torch-free."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compression import RUN, units
from compression.errors import CompressionError
from compression.results import machine
from compression.store.jobs import Job
from compression.work import cluster_process, worker
from compression.work.members import BACKGROUND, Members, member, task_name
from compression.work.worker import Order

if TYPE_CHECKING:
    import distributed

START_TIMEOUT_S = 180
"""Four seconds on an idle machine, over a minute on one that is far too busy."""

CONNECT_TIMEOUT_S = 15
"""For reaching a scheduler that is there."""


class ClusterFailed(CompressionError):
    """The worker processes could not be started or reached."""


@dataclass
class Slot:
    """A worker, how many more jobs it can take now, and whether background jobs may go there.

    They may go to workers with the resource `BACKGROUND`, or to all of a cluster elsewhere where none has it.
    Embedded workers with it run at low priority, see `compression.work.process.give_way`.
    """

    address: str
    free: int
    has_resource: bool
    takes_background: bool


class Cluster:
    """A connection to worker processes. Make one with `connect`."""

    def __init__(self, client: distributed.Client, process: subprocess.Popen[bytes] | None) -> None:
        self._client, self._process = client, process
        self._seen: set[str] = set()
        self._scheduler_id = ""
        self._held: dict[str, tuple[int, int]] = {}  # by worker's address: its memory when last seen, and its limit
        self.machine_ids: tuple[str, ...] = ()
        self.slots()

    @property
    def is_alive(self) -> bool:
        """Whether work can be given to it."""
        return self._client.status == "running" and (self._process is None or self._process.poll() is None)

    def slots(self) -> list[Slot]:
        """All workers, those that take no background jobs first."""
        workers, busy = self._look()
        return self._slots(workers, busy)

    def members(self) -> Members:
        """All workers as plain rows, those that take no background jobs first."""
        workers, busy = self._look()
        rows = (
            member(one.address, workers[one.address], busy.get(one.address, ()), takes_background=one.takes_background)
            for one in self._slots(workers, busy)
        )
        members = sorted(rows, key=lambda one: (one.takes_background, len(one.name), one.name))
        return Members(self._client.scheduler.address, self._process is not None, tuple(members))

    def last_seen(self, address: str) -> str:
        """What is known of a worker that is gone, in words; empty where that is nothing."""
        memory, limit = self._held.get(address, (0, 0))
        held = f"when last seen, it held {units.size(memory)}" if memory else ""
        return f"{held} of the {units.size(limit)} that it may take" if held and limit else held

    def _look(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The workers and the names of the tasks they have in hand, by address."""
        try:
            # Not `scheduler_info`: what that returns is replaced every two seconds by an answer without any workers.
            scheduler = self._client.sync(self._client.scheduler.identity, n_workers=-1)
            workers = scheduler["workers"]
            self._scheduler_id = self._scheduler_id or scheduler["id"]
            if (
                scheduler["id"] != self._scheduler_id
            ):  # its workers are gone with the old one, which is no fault of theirs
                _close(self._client)
                raise ClusterFailed("The scheduler was started anew. Connecting again; no result is lost.")
            self._held = {address: _memory_of(entry) for address, entry in workers.items()} | {
                address: held for address, held in self._held.items() if address not in workers
            }
            busy = self._client.processing()
            if self._process is None and workers and set(workers) != self._seen:
                # Elsewhere may be another kind of machine: results are looked up under the workers' names.
                names = self._client.run(machine.machine_id).values()
                self._seen, self.machine_ids = set(workers), tuple(sorted(set(names)))
        except OSError as error:  # Dask's are of this kind
            raise ClusterFailed("The worker processes do not answer. Trying again; no result is lost.") from error
        return workers, busy

    def _slots(self, workers: dict[str, Any], busy: dict[str, Any]) -> list[Slot]:
        has = {address: BACKGROUND in entry["resources"] for address, entry in workers.items()}
        # Embedded ones without it are for people, also while the others still start.
        is_for_all = self._process is None and not any(has.values())
        slots = [
            Slot(address, entry["nthreads"] - len(busy.get(address, ())), has[address], has[address] or is_for_all)
            for address, entry in workers.items()
        ]
        return sorted(slots, key=lambda slot: slot.takes_background)

    def submit(self, slot: Slot, job: Job, order: Order) -> distributed.Future:
        """Give a job to a worker, and to no other; returns Dask's future."""
        return self._client.submit(
            worker.execute,
            order,
            key=task_name(order.job_id, order.claim),
            pure=False,
            workers=[slot.address],
            priority=0 if job.background else 10,
            resources={BACKGROUND: 1} if job.background and slot.has_resource else None,
        )

    def stop_by_force(self, future: distributed.Future, address: str) -> None:
        """Restart the worker that runs `future`, so that it stops in the middle of whatever it does."""
        future.cancel()
        self._client.restart_workers([address], timeout=30, raise_for_error=False)

    def close(self) -> None:
        """Disconnect and, where the cluster is ours, end it; returns when it is gone."""
        _close(self._client)
        if self._process is not None:
            _end(self._process)


def connect(run: str = RUN, background_workers: int | None = None) -> Cluster:
    """Start an embedded cluster, or connect to COMPRESSION_SCHEDULER (`tcp://…` or `tls://…`).

    An embedded one has a worker for people and `background_workers` others (by default one for each processor
    up to four), which take sweeps too and have low priority: so sweeps use every processor, and lose them to a
    person's setting, to the server and to the browser whenever those want them.

    What a cluster elsewhere needs, and how to start one, stands in docs/cluster.md. Its workers' priority is left as it
    is: on machines that do nothing else there is nobody to give way to.

    Raises `ClusterFailed` with what to do.
    """
    address = os.environ.get("COMPRESSION_SCHEDULER")
    if address:
        return _connected(_client(address, None, run, gives_way=False), None)
    try:
        process = cluster_process.take(run, background_workers)
    except OSError as error:
        raise ClusterFailed(f"The worker processes could not be started: {error}. Free some memory.") from error
    try:
        greeting = _told(process)
        client = _client(greeting["address"], greeting["credentials"], run, gives_way=True)
        try:
            _told(process)  # a worker is there
        except BaseException:
            _close(client)
            raise
        return _connected(client, process)
    except BaseException:
        _end(process)
        raise


def _connected(client: distributed.Client, process: subprocess.Popen[bytes] | None) -> Cluster:
    try:
        return Cluster(client, process)
    except BaseException:
        _close(client)
        raise


def _client(address: str, credentials: str | None, run: str, *, gives_way: bool) -> distributed.Client:
    import distributed  # a second of work beside a page's: not before it is needed

    from compression.work import local_cluster

    security = local_cluster.security(credentials)
    client = distributed.Client.__new__(distributed.Client)  # it starts a thread, which has to end where it raises
    try:
        client.__init__(address, security=security, set_as_default=False, timeout=CONNECT_TIMEOUT_S, name="compression")
        client.register_plugin(local_cluster.SetUp(run, gives_way=gives_way))
    except Exception as error:
        _close(client)
        raise ClusterFailed(
            f"The worker processes at {address} cannot be used: {error}. Check that the cluster runs, has this "
            "package installed and is reachable from here, and for tls:// that DASK_DISTRIBUTED__COMM__TLS__… name the "
            "certificates (docs/cluster.md); or unset COMPRESSION_SCHEDULER to use this machine."
        ) from error
    return client


def _close(client: distributed.Client) -> None:
    """Disconnect, and end its thread; one that lost its connection, or never had one, leaves that running."""
    with contextlib.suppress(Exception):  # whatever a broken connection says now does not matter
        client.close(timeout=2)
    client._loop_runner.stop()


def _memory_of(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Bytes that a worker holds, and that it may hold; 0 where that is not known."""
    return int((entry.get("metrics") or {}).get("memory") or 0), int(entry.get("memory_limit") or 0)


def _told(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The next line that the process prints. Raises `ClusterFailed` where it has a problem, or ends, or is silent."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline() if ready else b""
    if line:
        message: dict[str, Any] = json.loads(line)
        if "problem" not in message:
            return message
        reason = message["problem"]
    else:
        reason = "they ended at once" if ready else f"they were not there after {START_TIMEOUT_S} s"
    raise ClusterFailed(
        f"The worker processes could not be started: {reason}. The terminal of the server shows more; "
        "free some memory, check the installation, and restart."
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
