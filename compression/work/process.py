"""A worker process itself: what it loads before its first job, and how it gives way to others."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import threading
import time
from pathlib import Path

from compression import RUN

NICENESS = 10
"""Of workers for background jobs: a tenth of a processor where something else wants all of it."""

AUTOGROUP_TRIES, AUTOGROUP_PAUSE_S = 20, 0.1
"""Linux lets people change an autogroup's niceness only every tenth of a second, all of them together."""


@functools.cache
def set_up(run: str = RUN) -> None:
    """Load the engine, torch and ONNX Runtime with it, so that the first job does not wait for them.

    Torch gets one thread: there are about as many workers as processors.
    """
    importlib.import_module(run.partition(":")[0])
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
        with contextlib.suppress(RuntimeError):  # it has worked in this process already
            torch.set_num_interop_threads(1)
    tqdm = sys.modules.get("tqdm")
    if tqdm is not None:  # torch.fx uses it where it is installed; its own lock is one that killed workers leave behind
        tqdm.tqdm.set_lock(threading.RLock())


def give_way() -> None:
    """Lower this process's priority, that of all its threads and of the processes it starts from now on.

    Linux schedules each session as one group where it makes autogroups (man 7 sched, usual on desktops): niceness
    then only counts within a session, and a session's own among sessions. So the process gets a session of its
    own, and both are lowered. Nobody but an administrator can raise either again.
    """
    with contextlib.suppress(PermissionError):  # it leads its process group already
        os.setsid()
    os.setpriority(os.PRIO_PGRP, 0, max(NICENESS, os.getpriority(os.PRIO_PGRP, 0)))
    _lower_autogroup()


def _lower_autogroup() -> None:
    """The niceness of this process's session, where there is such a thing."""
    for _ in range(AUTOGROUP_TRIES):
        try:
            Path("/proc/self/autogroup").write_text(str(NICENESS))
        except BlockingIOError:  # somebody else's was changed just now
            time.sleep(AUTOGROUP_PAUSE_S)
        except OSError:  # not on this system
            return
        else:
            return
