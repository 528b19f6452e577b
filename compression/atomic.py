"""Files that are there as a whole or not at all, whatever happens while they are written."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

UNFINISHED = ".new-"
"""How the names of files and folders begin that are being written; one that is left belonged to a process that died."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` for a file, or a folder, which takes the place of `path` when all of it is written.

    Whatever goes wrong before, `path` stays as it was and nothing is left beside it. The folders above are made.
    A folder with something in it is not replaced. Raises OSError as the system does, and whatever the block raises.
    """
    with _beside(path) as temporary:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    _sync(path.parent)


def write(path: Path, content: bytes) -> None:
    """Have `path` hold `content`, or else what it held before; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_first(path: Path, content: bytes) -> None:
    """Have `path` hold `content`, unless there is such a file already: then that stays."""
    with _beside(path) as temporary, contextlib.suppress(FileExistsError):
        temporary.write_bytes(content)
        os.link(temporary, path)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A new name in the same folder; nothing is there any more afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink()


def _sync(path: Path) -> None:
    """Force a file's content, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
