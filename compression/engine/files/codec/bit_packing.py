"""Integers in as few bits each as the largest needs, highest bit first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 16
"""Elements whose bits are spread out at once: a multiple of 8, so that chunks end on whole bytes."""


def pack_bits(values: NDArray[np.unsignedinteger[Any]], width: int) -> bytes:
    """The lowest `width` bits of each value, one after the other, highest bit first."""
    if width == 0:
        return b""
    size = values.itemsize
    chunks = (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
    parts = (np.unpackbits(chunk.astype(f">u{size}").view(np.uint8).reshape(-1, size), axis=1) for chunk in chunks)
    return b"".join(np.packbits(bits[:, 8 * size - width :]).tobytes() for bits in parts)


def unpack_bits(data: bytes | memoryview, n: int, width: int, dtype: np.dtype[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """The `n` values that `pack_bits` packed, as unsigned integers of type `dtype` (at least `width` bits)."""
    values = np.zeros(n, dtype)
    if width == 0:
        return values
    size, packed = dtype.itemsize, np.frombuffer(data, np.uint8)
    for start in range(0, n, _CHUNK):
        count = min(_CHUNK, n - start)
        first = start // 8 * width
        bits = np.unpackbits(packed[first : first + packed_bytes(count, width)], count=count * width)
        padded = np.zeros((count, 8 * size), np.uint8)
        padded[:, 8 * size - width :] = bits.reshape(count, width)
        values[start : start + count] = np.packbits(padded, axis=1).view(dtype.newbyteorder(">")).ravel()
    return values


def packed_bytes(n: int, width: int) -> int:
    """Bytes that `n` values of `width` bits fill."""
    return -(-n * width // 8)
