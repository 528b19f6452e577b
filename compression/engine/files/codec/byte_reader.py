"""Reads the bytes of a stored file in order, believing nothing: what is too much is refused before it is allocated."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator

from compression.errors import CorruptFile

_MAX_VARINT_BYTES = 10
"""Hold 64 bits."""


class Reader:
    """Reads bytes in order; raises `CorruptFile` rather than reading or allocating too much.

    `budget` is the number of bytes that everything decoded from the file may take up together. `ledger`
    counts the bytes read for each part of the file; `current` is the part that is being read.
    """

    def __init__(self, data: bytes | memoryview, budget: int) -> None:
        self._data, self._position, self._budget = memoryview(data), 0, budget
        self.ledger: dict[str, int] = {}
        self.current = ""

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._position

    def take(self, size: int) -> memoryview:
        """The next `size` bytes."""
        if size > self.left:
            raise CorruptFile(f"The stored file ends too early: {size} bytes expected, {self.left} left.")
        taken = self._data[self._position : self._position + size]
        self._position += size
        self.ledger[self.current] = self.ledger.get(self.current, 0) + size
        return taken

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is read inside belongs to the part `name`."""
        before, self.current = self.current, name
        try:
            yield
        finally:
            self.current = before

    def detail(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Like `part`, where the weights' codes are being read; other parts are not divided."""
        return self.part(name if self.current == "codes" else self.current)

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def varint(self) -> int:
        """The next unsigned integer, seven bits a byte, lowest first (LEB128)."""
        value = 0
        for shift in range(0, 7 * _MAX_VARINT_BYTES, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise CorruptFile("The stored file holds a number of more than ten bytes.")

    def spend(self, size: int) -> None:
        """Take `size` bytes off the budget, before they are allocated."""
        self.need(size)
        self._budget -= size

    def need(self, size: int) -> None:
        """Make sure that `size` bytes, which are free again soon, fit into what is left of the budget."""
        if size > self._budget:
            raise CorruptFile("The stored file claims to hold far more than a file of its size can.")


def varint(value: int) -> bytes:
    """The bytes that `Reader.varint` reads; `value` >= 0."""
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def inflate(data: bytes | memoryview, size: int, dictionary: bytes = b"") -> bytes:
    """Undo raw deflate, whose result must have exactly `size` bytes; never makes more than one byte more."""
    decoder = zlib.decompressobj(-15, zdict=dictionary) if dictionary else zlib.decompressobj(-15)
    try:
        plain = decoder.decompress(data, size + 1)
    except zlib.error as error:
        raise CorruptFile(f"A compressed part of the stored file is damaged: {error}.") from error
    if len(plain) != size or not decoder.eof or decoder.unused_data:
        raise CorruptFile("A compressed part of the stored file has another length than the file says.")
    return plain
