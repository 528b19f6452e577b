"""What a person brings: a zip file or a folder, which are read the same way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from compression import units
from compression.errors import RefusedFile
from compression.limits import MOST_FILES, MOST_UNPACKED_BYTES
from compression.models.brought.archive import Archive
from compression.models.brought.entry_names import Parts, is_passed_over, parts_of, shown

_PIECE = 1 << 20
_ZIP, _NO_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_OTHERS = {
    b"Rar!": "a RAR file",
    b"7z\xbc\xaf\x27\x1c": "a 7z file",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"\x93NUMPY": "a single array (.npy), of which np.savez_compressed makes an .npz file",
    b"\x80": "a pickle file, which can run programs and is never opened",
    b"%PDF": "a PDF file",
    b"\xff\xd8\xff": "a single image",
    b"\x89PNG": "a single image",
    b"<": "a page of the web, as a failed download leaves it",
    b"PK": "a part of a zip file",
    b"MZ": "a program",
    b"\x7fELF": "a program",
    b"\x89HDF": "an HDF5 file",
}
_WANTED = "Bring a zip file or a folder with one folder of images for each class, or an .npz file."


class Tree(Protocol):
    """Files by their paths; every method raises `RefusedFile` for what is damaged or could do harm."""

    @property
    def paths(self) -> tuple[Parts, ...]:
        """Of all files that are not passed over."""

    def size(self, path: Parts) -> int:
        """Bytes of a file."""

    def pieces(self, path: Parts) -> Iterator[bytes]:
        """A file's content bit by bit."""

    def read(self, path: Parts) -> bytes:
        """A file's whole content."""


class Folder:
    """The files in a folder, however deep; links are not followed but refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes = dict(self._walk())
        if sum(self._sizes.values()) > MOST_UNPACKED_BYTES:
            raise RefusedFile(
                f"The folder is larger than {units.size(MOST_UNPACKED_BYTES)}. Bring fewer or smaller images."
            )

    @property
    def paths(self) -> tuple[Parts, ...]:
        """Of all files that are not passed over."""
        return tuple(self._sizes)

    def size(self, path: Parts) -> int:
        """Bytes of a file."""
        return self._sizes[path]

    def pieces(self, path: Parts) -> Iterator[bytes]:
        """A file's content bit by bit, as long as it was when the folder was looked through."""
        left = self._sizes[path]
        handle = os.open(self._path.joinpath(*path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            while piece := file.read(min(left, _PIECE)):
                left -= len(piece)
                yield piece

    def read(self, path: Parts) -> bytes:
        """A file's whole content."""
        return b"".join(self.pieces(path))

    def _walk(self) -> Iterator[tuple[Parts, int]]:
        waiting, count = [self._path], 0
        while waiting:
            for entry in os.scandir(waiting.pop()):
                count += 1
                if count > MOST_FILES:
                    raise RefusedFile(f"There are more than {MOST_FILES:,} files in the folder. Leave some out.")
                if is_passed_over(entry.name):
                    continue
                parts = parts_of(Path(entry.path).relative_to(self._path).as_posix())
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                else:
                    yield parts, _file_size(entry, parts)


def _file_size(entry: os.DirEntry[str], parts: Parts) -> int:
    status = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise RefusedFile(
            f"{shown('/'.join(parts))} is a link or a device. Put the file itself there, or remove the link."
        )
    return status.st_size


def tree_of(source: Path) -> Tree:
    """The files in a zip file (an .npz file is one) or a folder; raises `RefusedFile` for anything else."""
    try:
        if source.is_dir():
            return Folder(source)
        _check_file(source)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RefusedFile(f"{shown(source.name)} cannot be read: {reason}. Check its name and permissions.") from error
    return Archive(source)


def _check_file(source: Path) -> None:
    """By its first bytes, whatever its name."""
    status = source.stat()
    if not stat.S_ISREG(status.st_mode):
        raise RefusedFile(f"{shown(source.name)} is neither a file nor a folder. {_WANTED}")
    with open(source, "rb") as file:
        head = file.read(8)
    if head.startswith(_NO_ZIP) or not head:
        raise RefusedFile(f"{shown(source.name)} is empty. {_WANTED}")
    if not head.startswith(_ZIP):
        kind = next((kind for magic, kind in _OTHERS.items() if head.startswith(magic)), "no zip file")
        raise RefusedFile(f"{shown(source.name)} is {kind}. {_WANTED}")
    if status.st_size > MOST_UNPACKED_BYTES:
        raise RefusedFile(
            f"{shown(source.name)} is larger than {units.size(MOST_UNPACKED_BYTES)}. Bring fewer or smaller images."
        )
