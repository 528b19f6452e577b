"""The embedded cluster's own process, `python -m compression.host [COUNT]`: a Dask scheduler that starts its workers.

One worker is for people; beside it, COUNT (by default one for each processor up to four) take background jobs
too, and give way to whatever else wants a processor. The host prints one line of JSON when the first worker is
there, since somebody may be waiting, and then starts the others. It ends, with all workers, as soon as its
standard input closes: when the server stops, or is killed. It is neither forked from the server, which has
threads, nor does it import the server's main script.

It listens on 127.0.0.1 only. Where the `openssl` program is there (nearly everywhere), connections need a
certificate that exists only in memory, so other users of the machine can neither use nor read them; without
it anybody logged in on this machine could connect, and a warning says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import dask
import distributed
from dask.system import CPU_COUNT
from distributed.system import MEMORY_LIMIT

from compression import worker as work
from compression.cluster import BACKGROUND

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
    # Not MALLOC_TRIM_THRESHOLD_, which Dask adds: glibc then maps and unmaps every activation (twice the time).
    "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1},
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
        if self.gives_way and BACKGROUND in worker.state.total_resources:
            work.give_way()  # first of all: what is loaded next takes seconds
        work.set_up(self.run)


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


async def serve(tell: Callable[[dict[str, Any]], None], background: int) -> None:
    """Run until standard input closes, with so many workers for background jobs beside the one for people."""
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, lambda: None if os.read(0, 4096) else closed.set())
    credentials = make_credentials()
    scheduler = await distributed.Scheduler(port=0, **_common(credentials))
    workers = Workers(scheduler.address, credentials, background)
    try:
        await workers.start([PEOPLES])
        tell({"address": scheduler.address, "credentials": credentials})
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


def main() -> None:
    """Host the embedded cluster; see the module's docstring."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what workers print goes to the terminal, not into the pipe that nobody reads on

    def tell(message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            print(json.dumps(message), file=pipe, flush=True)

    dask.config.set(_SETTINGS)
    asyncio.run(serve(tell, int(sys.argv[1]) if len(sys.argv) > 1 else worker_count()))
    os._exit(0)  # threads of libraries must not keep this process alive


if __name__ == "__main__":
    main()
