"""Content-addressed files: each is named by the SHA-256 of its bytes, so it can be checked and never changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from compression import atomic, environment
from compression.errors import CorruptFile, StorageFailed


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
            atomic.write(path, content)
    except OSError as error:
        raise StorageFailed(
            f"A result's file ({len(content):,} bytes) could not be written to {environment.artifact_folder()}: "
            f"{error.strerror or error}. Free some space there, check your rights, or set COMPRESSION_HOME to another "
            "folder; what was measured before is kept."
        ) from error
    return name


def restore(content: bytes) -> None:
    """Keep `content` again where somebody deleted it meanwhile, with another result that had the same file."""
    if not path_of(sha256(content)).is_file():
        write(content)


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
