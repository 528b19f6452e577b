"""Content-addressed files: each is named by the SHA-256 of its bytes, so it can be checked and never changes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from compression import environment
from compression.errors import CorruptFile, StorageFailed

UNFINISHED = ".new-"
"""How the names of files begin that are being written: they are renamed when they are complete."""


def sha256(content: bytes) -> str:
    """The name of `content`: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def path_of(name: str) -> Path:
    """Where the file called `name` lies; two digits a folder keep folders small."""
    return environment.artifact_folder() / name[:2] / name[2:]


def write(content: bytes) -> str:
    """Keep `content` and return its name. Either all of it is on the disk afterwards or none of it.

    A damaged file of the same name is replaced. Raises `StorageFailed` when there is no room or no right.
    """
    name = sha256(content)
    path = path_of(name)
    try:
        if not (path.is_file() and sha256(path.read_bytes()) == name):
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
    except OSError as error:
        raise StorageFailed(
            f"A result's file ({len(content):,} bytes) could not be written to {environment.artifact_folder()}: "
            f"{error.strerror or error}. Free some space there, check your rights, or set COMPRESSION_HOME to another "
            "folder; what was measured before is kept."
        ) from error
    return name


def read(name: str) -> bytes | None:
    """The bytes called `name`, checked against it; None when they are not there.

    Raises `CorruptFile` when the file holds something else, `StorageFailed` when it cannot be read.
    """
    path = path_of(name)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageFailed(
            f"A result's file could not be read: {path}: {error.strerror or error}. Check your rights there."
        ) from error
    if sha256(content) != name:
        raise CorruptFile(
            f"The stored file {path} is damaged: its content no longer fits its name. "
            "Measure the recipe again to replace it, and check the disk."
        )
    return content


def _replace(path: Path, content: bytes) -> None:
    """Write beside the target, force it to the disk, rename over it, force the rename to the disk."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
