"""The embedded cluster's own process: `python -m compression.host RUN [COUNT]`.

RUN is what workers carry recipes out with (see `compression.worker.RUN`), COUNT how many take background jobs beside
the one for people; by default one for each processor up to four.

It prints lines of JSON for the process that started it, see `compression.nannies.serve`, and ends, with all workers,
as soon as its standard input closes: when the server stops, or is killed. It is neither forked from the server, which
has threads, nor does it import the server's main script.

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
import sys
from collections.abc import Sequence
from typing import Any

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""There are about as many workers as processors."""

ALWAYS_LOADED = ("distributed", "compression.worker")
"""What every worker needs, besides what carries recipes out."""


def _begin_fork_server(run: str) -> bool:
    """Have a process load what workers need; returns whether workers can be copies of it."""
    if sys.platform != "linux":
        return False
    from multiprocessing import forkserver

    multiprocessing.set_forkserver_preload([*ALWAYS_LOADED, run.partition(":")[0]])
    forkserver.ensure_running()
    return True


def main(arguments: Sequence[str]) -> None:
    """Host the embedded cluster; see the module's docstring."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what workers print goes to the terminal, not into the pipe that nobody reads on

    def tell(message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            print(json.dumps(message), file=pipe, flush=True)

    os.environ |= ONE_THREAD
    run, *count = arguments
    copies = _begin_fork_server(run)
    from compression import nannies  # Dask takes half a second to import, in which the other process loads too

    asyncio.run(nannies.serve(tell, int(count[0]) if count else None, copies=copies))
    os._exit(0)  # threads of libraries must not keep this process alive


if __name__ == "__main__":
    main(sys.argv[1:])
