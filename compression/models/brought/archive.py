"""A zip file that nobody trusts: everything is checked before anything is unpacked, and nothing is written."""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from compression import units
from compression.errors import RefusedFile
from compression.limits import HARMLESS_BYTES, MOST_ENTRY_RATIO, MOST_FILES, MOST_RATIO, MOST_UNPACKED_BYTES
from compression.models.brought.entry_names import Parts, is_passed_over, parts_of, shown

_PIECE = 4096
"""Bytes read at a time: of bzip2 and LZMA, zipfile unpacks as many packed ones at once, however large they become."""

_HEADER = 30
"""Bytes of an entry's own header without names."""

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF_8 = 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, NotImplementedError, RuntimeError, ValueError, IndexError),
)
_REPAIR = "It is damaged, not complete, or made to do harm. Get it anew, or pack the files anew, and try again."


class Archive:
    """The files in a zip file; raises `RefusedFile` where opening or reading any could do harm, or it is damaged."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise RefusedFile(f"{shown(path.name)} cannot be read as a zip file. {_REPAIR}") from error
        self._entries = self._checked()

    @property
    def paths(self) -> tuple[Parts, ...]:
        """Of all files that are not passed over."""
        return tuple(self._entries)

    def size(self, path: Parts) -> int:
        """Bytes of a file, unpacked."""
        return self._entries[path].file_size

    def pieces(self, path: Parts) -> Iterator[bytes]:
        """A file's content bit by bit, never more than its stated size."""
        entry, length = self._entries[path], 0
        try:
            with self._file.open(entry) as file:
                while piece := file.read(_PIECE):
                    length += len(piece)
                    yield piece
        except _DAMAGE as error:
            raise RefusedFile(f"{shown(entry.filename)} in the zip file cannot be unpacked. {_REPAIR}") from error
        if length != entry.file_size:
            raise RefusedFile(f"{shown(entry.filename)} is shorter than the zip file says. {_REPAIR}")

    def read(self, path: Parts) -> bytes:
        """A file's whole content."""
        return b"".join(self.pieces(path))

    def _checked(self) -> dict[Parts, zipfile.ZipInfo]:
        infos = self._file.infolist()
        if len(infos) > MOST_FILES:
            raise RefusedFile(f"There are {len(infos):,} files in it; at most {MOST_FILES:,} are read. Leave some out.")
        for info in infos:
            _check(info)
        _check_whole(infos)
        _check_overlaps(infos, self._file.start_dir)
        return _by_path(infos)


def _by_path(infos: list[zipfile.ZipInfo]) -> dict[Parts, zipfile.ZipInfo]:
    """The files, without those that are passed over; all names are checked."""
    entries: dict[Parts, zipfile.ZipInfo] = {}
    for info in infos:
        parts = parts_of(_name(info))
        if info.is_dir() or any(map(is_passed_over, parts)):
            continue
        if parts in entries:
            raise RefusedFile(f"{shown('/'.join(parts))} is in the zip file twice. Pack the files anew, each once.")
        entries[parts] = info
    return entries


def _name(info: zipfile.ZipInfo) -> str:
    """As the zip file has it: macOS writes UTF-8 without saying so."""
    if info.flag_bits & _UTF_8:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def _check(info: zipfile.ZipInfo) -> None:
    reason = _danger(info)
    if reason:
        raise RefusedFile(f"{shown(info.filename)} in the zip file {reason}.")


def _danger(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted. Pack the files without a password"
    if info.compress_type not in _METHODS:
        return f"is packed by method {info.compress_type}. Pack the files as an ordinary zip file (deflate)"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device. Pack the file itself"
    if info.file_size > max(HARMLESS_BYTES, MOST_ENTRY_RATIO * info.compress_size):
        larger = f"unpacks to {units.size(info.file_size)} from {units.size(info.compress_size)}"
        return f"{larger}, as only files do that are empty or made to do harm. Leave it out"
    return None


def _check_whole(infos: list[zipfile.ZipInfo]) -> None:
    unpacked, packed = (sum(getattr(info, field) for info in infos) for field in ("file_size", "compress_size"))
    if unpacked > MOST_UNPACKED_BYTES:
        raise RefusedFile(
            f"Unpacked it is {units.size(unpacked)}; at most {units.size(MOST_UNPACKED_BYTES)} are taken. "
            "Bring fewer or smaller images."
        )
    if unpacked > max(HARMLESS_BYTES, MOST_RATIO * packed):
        raise RefusedFile(
            f"It unpacks to {units.size(unpacked)} from {units.size(packed)}, as only files do that are empty or made "
            "to do harm. Bring images that differ."
        )


def _check_overlaps(infos: list[zipfile.ZipInfo], end: int) -> None:
    """Raise `RefusedFile` where entries share packed bytes: so a small file unpacks to any size."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    starts = [info.header_offset for info in ordered]
    for info, start, following in zip(ordered, starts, [*starts, end][1:], strict=True):
        if start < 0 or start + _HEADER + info.compress_size > following:
            raise RefusedFile(f"{shown(info.filename)} overlaps another file in the zip file. {_REPAIR}")
