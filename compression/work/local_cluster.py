"""Dask's part of the embedded cluster: a scheduler, and worker processes that are started anew when they die.

One worker is for people; beside it, others take background jobs too, and give way to whatever else wants a
processor.

All listen on 127.0.0.1 only. Where the `openssl` program is there (nearly everywhere), connections need a
certificate that exists only in memory, so other users of the machine can neither use nor read them; without
it anybody logged in on this machine could connect, and a warning says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

import dask
import distributed
from dask.system import CPU_COUNT
from distributed import utils
from distributed.system import MEMORY_LIMIT

from compression.work import members, process
from compression.work.members import BACKGROUND

CLOSE_TIMEOUT_S = 4
"""Closing takes a second; after this long the process simply ends and the system cleans up."""

SUPERVISE_S = 2
"""How often it looks whether all workers are there."""

MOST_WORKERS = 4
"""For background jobs; each takes up to 700 MB."""

PEOPLES = 0
"""Number of the worker that takes no background jobs."""

_LOOPBACK = "127.0.0.1"
_SETTINGS = {
    # Jobs are placed one by one on free workers; moving them again would only disturb.
    "distributed.scheduler.work-stealing": False,
    # No data lies in workers that could be moved to disk, and a paused worker would hang its job.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # Without MALLOC_TRIM_THRESHOLD_: glibc would map and unmap every activation (twice the time).
    "distributed.nanny.pre-spawn-environ": {},
    # Nobody needs their web pages, which know no certificates.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
_log = logging.getLogger(__name__)


class SetUp(distributed.WorkerPlugin):  # type: ignore[misc]
    """Prepares each worker before it takes work, also one that was restarted.

    With `gives_way`, workers for background jobs lower their priority.
    """

    name = "compression-set-up"

    def __init__(self, run: str, *, gives_way: bool) -> None:
        self.run, self.gives_way = run, gives_way

    def setup(self, worker: distributed.Worker) -> None:
        """Called by Dask in the worker."""
        worker.metrics[members.FACTS] = lambda worker: members.facts()
        if self.gives_way and BACKGROUND in worker.state.total_resources:
            process.give_way()  # first of all: what is loaded next takes seconds
        process.set_up(self.run)


def worker_count(processors: int = CPU_COUNT) -> int:
    """Workers that take background jobs: one for each processor up to `MOST_WORKERS`. People have one more."""
    return max(1, min(processors, MOST_WORKERS))


def make_credentials() -> str | None:
    """A private key with a self-signed certificate (PEM), or None where there is no `openssl`."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -keyout - -out -"
    try:
        made = subprocess.run(
            [*command.split(), "-subj", "/CN=compression"], capture_output=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        _log.warning("No `openssl` program: other users of this machine could connect to the workers on 127.0.0.1.")
        return None
    return made.stdout.decode()


def security(credentials: str | None) -> distributed.Security | None:
    """Everybody shows, and trusts, the one certificate."""
    if credentials is None:
        return None
    roles = {
        f"tls_{role}_{part}": credentials for role in ("client", "scheduler", "worker") for part in ("cert", "key")
    }
    certificate = credentials[credentials.index("-----BEGIN CERTIFICATE-----") :]
    return distributed.Security(require_encryption=True, tls_ca_file=certificate, **roles)


def _common(credentials: str | None) -> dict[str, Any]:
    return {
        "host": _LOOPBACK,
        "dashboard": False,
        "dashboard_address": f"{_LOOPBACK}:0",
        "security": security(credentials),
        "protocol": "tls" if credentials else "tcp",
    }


class Workers:
    """The worker processes, each started anew when it died (by its Dask nanny, or with a new nanny).

    Number `PEOPLES` takes no background jobs, the `background` others do.
    """

    def __init__(self, scheduler_address: str, credentials: str | None, background: int) -> None:
        self._address = scheduler_address
        self._common = _common(credentials)
        self._numbers = range(1 + background)
        self._nannies: dict[int, distributed.Nanny] = {}

    async def start(self, numbers: Iterable[int] | None = None) -> None:
        """Start those of `numbers` (by default, of all) that are missing."""
        gone = (distributed.Status.failed, distributed.Status.closed)
        missing = [
            number
            for number in (self._numbers if numbers is None else numbers)
            if number not in self._nannies or self._nannies[number].status in gone
        ]
        started = await asyncio.gather(*(self._nanny(number) for number in missing))
        self._nannies |= dict(zip(missing, started, strict=True))

    async def _nanny(self, number: int) -> distributed.Nanny:
        return await distributed.Nanny(
            self._address,
            name=str(number),
            nthreads=1,
            memory_limit=max(2**30, int(MEMORY_LIMIT * 0.9 / len(self._numbers))),
            resources={} if number == PEOPLES else {BACKGROUND: 1},
            **self._common,
        )

    async def close(self) -> None:
        """End them at once, whatever they are doing: it was given up."""
        for nanny in self._nannies.values():
            nanny.auto_restart = False
            with contextlib.suppress(OSError, TypeError):  # it has no process just now
                os.kill(nanny.pid, signal.SIGKILL)
        await asyncio.gather(*(nanny.close() for nanny in self._nannies.values()))
        self._nannies.clear()
        gc.collect()  # with them go the semaphores of their queues, which would be reported as left behind


async def serve(tell: Callable[[dict[str, Any]], None], background: int | None, *, copies: bool) -> None:
    """Run until standard input closes, with so many workers for background jobs beside the one for people.

    Tells where the scheduler listens as soon as it does (`address`, `credentials`), then that the first worker is
    there (`ready`), since somebody may be waiting, and only then starts the others; or what the `problem` is.
    With `copies`, workers are copies of the fork server of `multiprocessing`.
    """
    dask.config.set(_SETTINGS)
    if copies:
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
        utils._forkserver_preload_set = True  # or Dask would import pandas here, to have it loaded there
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, lambda: None if os.read(0, 4096) else closed.set())
    credentials = make_credentials()
    scheduler = await distributed.Scheduler(port=0, **_common(credentials))
    tell({"address": scheduler.address, "credentials": credentials})
    workers = Workers(scheduler.address, credentials, worker_count() if background is None else background)
    try:
        await workers.start([PEOPLES])
        tell({"ready": True})
        while not closed.is_set():
            await workers.start()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closed.wait(), SUPERVISE_S)
    except Exception as error:
        _log.exception("the embedded cluster could not run")
        tell({"problem": f"{type(error).__name__}: {error}"})
    with contextlib.suppress(Exception):
        await asyncio.wait_for(workers.close(), CLOSE_TIMEOUT_S)
        await asyncio.wait_for(scheduler.close(), CLOSE_TIMEOUT_S)
