"""The embedded cluster's own process: `python -m compression.work.cluster_process RUN [COUNT]`.

RUN is what workers carry recipes out with (see `compression.RUN`), COUNT how many take background jobs beside
the one for people; by default one for each processor up to four.

It prints lines of JSON for the process that started it, see `compression.work.local_cluster.serve`, and ends, with all
workers, as soon as its standard input closes: when the server stops, or is killed. It is neither forked from the
server, which has threads, nor does it import the server's main script.

A server begins it with `begin_early` before it imports what it needs itself: both take a second or two.

On Linux workers are copies (fork) of one process that has imported the engine: torch is loaded once, lies in memory
once, and a worker that died is replaced within a tenth of a second. That process is begun before anything else here, so
that it loads while Dask does. Elsewhere forking after such imports is not safe, and each worker loads for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

from compression import RUN
from compression.environment import ROOT

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""There are about as many workers as processors."""

ALWAYS_LOADED = ("distributed", "compression.work.once")
"""What every worker needs, besides what carries recipes out."""


_QUIET = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker:UserWarning"]))
"""Where it is killed, what it leaves is cleaned up by a process of Python's that would say so."""

_lock = threading.Lock()
_early: list[subprocess.Popen[bytes] | None] = []
"""The process that was begun before anybody asked for it; None in its place once it was taken, or could not begin."""


def begin_early() -> None:
    """Start this process with its usual workers, for the first `take`; once, and not where a cluster is elsewhere."""
    with _lock:
        if not _early and "COMPRESSION_SCHEDULER" not in os.environ:
            _early.append(None)
            with contextlib.suppress(OSError):  # whoever asks for one is told
                _early[0] = start(RUN, None)


def take(run: str, background_workers: int | None) -> subprocess.Popen[bytes]:
    """The process that `begin_early` started, if it is of this kind, or else a new one. Raises OSError."""
    early = None
    if run == RUN and background_workers is None:
        with _lock:
            early, _early[:] = next(iter(_early), None), [None]
    return early or start(run, background_workers)


def start(run: str, background_workers: int | None) -> subprocess.Popen[bytes]:
    """Start this process from another one; raises OSError where that is impossible."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    count = () if background_workers is None else (str(background_workers),)
    return subprocess.Popen(
        [sys.executable, "-m", "compression.work.cluster_process", run, *count],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,  # what is not read yet is still to be seen by `select`
        env={"DASK_LOGGING__DISTRIBUTED": "warning"} | os.environ | {"PYTHONPATH": path, "PYTHONWARNINGS": _QUIET},
        start_new_session=True,  # Ctrl-C in the terminal is for the server, which then ends this
    )


def _begin_fork_server(run: str) -> bool:
    """Have a process load what workers need; returns whether workers can be copies of it."""
    if sys.platform != "linux":
        return False
    from multiprocessing import forkserver

    multiprocessing.set_forkserver_preload([*ALWAYS_LOADED, run.partition(":")[0]])
    forkserver.ensure_running()
    return True


def main(arguments: Sequence[str]) -> None:
    """Run the embedded cluster; see the module's docstring."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what workers print goes to the terminal, not into the pipe that nobody reads on

    def tell(message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            print(json.dumps(message), file=pipe, flush=True)

    os.environ |= ONE_THREAD
    run, *count = arguments
    copies = _begin_fork_server(run)

    from compression.work import local_cluster  # Dask takes half a second, in which the other process loads too

    asyncio.run(local_cluster.serve(tell, int(count[0]) if count else None, copies=copies))
    os._exit(0)  # threads of libraries must not keep this process alive


if __name__ == "__main__":
    main(sys.argv[1:])
