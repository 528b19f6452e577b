"""Only one measurement of time runs on a machine at a time: they would slow each other down."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import lock_descriptor

from compression.errors import StorageFailed
from compression.watch import SILENT, Watch

POLL_S = 0.01
_PID_DIGITS = 20


@contextlib.contextmanager
def machine_lock(watch: Watch = SILENT) -> Iterator[None]:
    """Hold the one lock of this machine: whoever measures waits here until nobody else does. A dead process holds none.

    filelock's lock on a file that we open: its own class for that refuses a file of another user in a folder for all,
    and so would let two users measure at the same time.
    """
    descriptor = _open_lock()
    try:
        while not lock_descriptor(descriptor, blocking=False):
            watch.check()
            watch.report(0.0, f"waiting for another measurement on this machine{_holder(descriptor)}")
            time.sleep(POLL_S)
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)  # which also unlocks


def _sign(descriptor: int) -> None:
    """Whoever waits can name the process to wait for, or to end should it hang."""
    with contextlib.suppress(OSError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.truncate(descriptor, os.write(descriptor, str(os.getpid()).encode()))


def _holder(descriptor: int) -> str:
    """', by process 1234', or nothing where the file does not say."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return f", by process {int(os.read(descriptor, _PID_DIGITS))}"
    except (OSError, ValueError):
        return ""


def _open_lock() -> int:
    """A file shared by all users of this machine, or one of this user's where another's cannot be opened."""
    folder = Path(tempfile.gettempdir())
    for name in ("compression-measurement.lock", f"compression-measurement-{os.getuid()}.lock"):
        with contextlib.suppress(OSError):
            return _open_shared(folder / name)
    raise StorageFailed(f"No lock file can be made in {folder}. Set TMPDIR to a folder that you can write to.")


def _open_shared(path: Path) -> int:
    """Open without creating first: Linux forbids O_CREAT on another user's file in a shared folder."""
    flags = os.O_RDWR | os.O_NOFOLLOW
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        with contextlib.suppress(OSError):  # undo the umask, for other users
            os.fchmod(descriptor, 0o666)
        return descriptor
