"""Lossless coders for the integers that a network is made of: codes, positions, bit patterns of floats.

`encode_vector` tries what is below and keeps the smallest; `decode_vector` gives back the same integers.
A coded vector is one byte that names the method, then (integers as LEB128 varints):

    RAW       the elements, little-endian
    PACKED    minimum (zigzag), width w; then (element - minimum) in w bits each: 0 bits where all are equal
    PALETTE   number k of distinct values; vector of these; vector of n indices (weight sharing)
    HUFFMAN   length; raw deflate stream made with Huffman codes only: frequent bytes get fewer bits
    HALF      float32 that float16 holds exactly: vector of n 16-bit patterns
    BRAIN     float32 whose lower 16 bits are zero (bfloat16): vector of n upper halves
    SPARSE    number z of elements that are not zero; how their positions are coded; vector of these z elements
              0: vector of n/8 bytes, one bit a position
              w: number m, vector of m gaps of w bits; a gap of 2^w - 1 means "that many zeros, no element"
    ROWS      number r of rows; vector of r offsets; vector of n elements minus the offset of their row
    PLANES    floats byte by byte: for each byte of an element, highest first, a vector of n bytes; elements are
              first rotated left by one bit, so that the exponent comes first and the sign last

Sparse gaps, shared values and Huffman codes are those of Han et al., "Deep compression" (2016). Everything
is vectorised. The decoder believes no length: it compares it with what is left and with its budget first.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.engine.files.codec.bit_packing import pack_bits, packed_bytes, unpack_bits
from compression.engine.files.codec.byte_reader import Reader, inflate, varint
from compression.errors import CorruptFile

Integers = NDArray[np.integer[Any]]

_SAMPLE = 2048
_ENTROPY_SAMPLE = 1 << 14
"""Bytes: 64 of each value on average; random bytes then come out at 7.99 bits."""
_TINY = 64
"""Bytes: with more than these, another coding of a constant or of mostly zeros beats RAW for sure."""
_MAX_GAP_WIDTH = 8
_MAX_DEPTH = 5
"""ROWS of SPARSE of PALETTE of HUFFMAN indices is the deepest that the encoder makes, plus one."""


class Method(enum.IntEnum):
    """First byte of a coded vector. The numbers are part of the file format."""

    RAW = 0
    PACKED = 1
    PALETTE = 2
    HUFFMAN = 3
    HALF = 4
    BRAIN = 5
    SPARSE = 6
    ROWS = 7
    PLANES = 8


# --- encoding ----------------------------------------------------------------------------------------------------


def encode_vector(values: Integers, *, is_float: bool = False, rows: int = 1) -> bytes:
    """The smallest coding of a vector of 8-, 16-, 32- or 64-bit integers.

    `is_float` says that they are bit patterns of floats; `rows` (a divisor of the length) that stretches of
    equal length belong to different output channels, in each of which another code may stand for zero.
    """
    share = np.count_nonzero(values) / max(1, len(values))
    candidates = [_raw(values)] if values.nbytes < _TINY else []
    if share <= 0.5 and values.itemsize > 1:
        return min([*candidates, _sparse(values, is_float), _packed(values)], key=len)
    candidates.append(_dense(values, is_float))
    if share <= (0.5 if values.itemsize == 1 else 0.95):  # denser than that, positions cost more than they save
        candidates.append(_sparse(values, is_float))
    if rows > 1 and values.itemsize == 1:
        candidates += _rows(values, rows)
    return min(candidates, key=len)


def _dense(values: Integers, is_float: bool = False) -> bytes:
    """The smallest coding but for zeros."""
    width = _width(values)
    if width <= 1:
        return _packed(values)
    candidates = [_huffman(values)] if values.itemsize == 1 else []
    if may_share(values, 90):
        candidates += _palette(values)
    if is_float:
        candidates += [*_halves(values), _planes(values)]
    best = min(candidates, key=len, default=None)
    packed_size = 4 + packed_bytes(len(values), width)  # at least; packing takes longest, so it is last
    if best is None or len(best) > packed_size:
        best = min([_packed(values), *candidates], key=len)
    return best if len(best) <= values.nbytes else _raw(values)


def packed_vector(values: Integers) -> bytes:
    """Plain bits, as many for each as the range of the values needs: no entropy coding."""
    if _width(values) == 8 * values.itemsize:
        return _raw(values)
    return min(_raw(values), _packed(values), key=len)


def single_code_bytes(values: Integers) -> float:
    """Bytes that any code of single bytes needs at least for bytes distributed like these (Shannon, 1948)."""
    return len(values) * _entropy(_unsigned(values)) / 8


def _raw(values: Integers) -> bytes:
    return bytes([Method.RAW]) + little_endian(values)


def _packed(values: Integers) -> bytes:
    minimum, width = int(values.min()) if len(values) else 0, _width(values)
    unsigned = _unsigned(values)
    shifted = unsigned - unsigned.dtype.type(minimum % (1 << 8 * values.itemsize))  # modulo 2^bits, like the decoder
    head = bytes([Method.PACKED]) + varint(_zigzag(minimum)) + bytes([width])
    return head + pack_bits(shifted, width)


def _palette(values: Integers) -> list[bytes]:
    """One coding, if few enough values are shared by many."""
    distinct, index = shared_values(values)
    if 4 * len(distinct) > len(values):
        return []
    indices = _dense_without_palette(index.astype(_index_type(len(distinct))))
    return [bytes([Method.PALETTE]) + varint(len(distinct)) + _dense_without_palette(distinct) + indices]


def shared_values(values: Integers) -> tuple[Integers, Integers]:
    """Distinct values in order, and the index of each element's among them; bytes, and few values, need no sorting."""
    if values.itemsize > 1:
        few = np.unique(_sample(values))
        if len(few) <= 1 << 8:
            place = np.searchsorted(few, values).clip(max=len(few) - 1)
            if np.array_equal(few[place], values):
                return few, place
        distinct, index = np.unique(values, return_inverse=True)
        return distinct, index
    patterns = _unsigned(values)
    is_used = np.bincount(patterns, minlength=256) > 0
    found = np.flatnonzero(is_used).astype(np.uint8).view(values.dtype)
    return found, (np.cumsum(is_used) - 1).astype(np.uint8)[patterns]


def _index_type(k: int) -> np.dtype[Any]:
    """The smallest type for indices below `k`."""
    return np.dtype(np.uint8 if k <= 1 << 8 else np.uint16 if k <= 1 << 16 else np.uint32)


def _dense_without_palette(values: Integers) -> bytes:
    if values.itemsize > 1 or _width(values) <= 1:
        return _packed(values)
    huffman = _huffman(values)
    return huffman if len(huffman) <= packed_bytes(len(values), _width(values)) else _packed(values)


def _huffman(values: Integers) -> bytes:
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    coded = coder.compress(little_endian(values)) + coder.flush()
    return bytes([Method.HUFFMAN]) + varint(len(coded)) + coded


def _halves(patterns: Integers) -> list[bytes]:
    """Float32 patterns as 16-bit floats of either kind, if all values are such."""
    if patterns.itemsize != 4:
        return []
    bits = _unsigned(patterns)
    if not np.any(bits & np.uint32(0xFFFF)):
        return [bytes([Method.BRAIN]) + _dense((bits >> np.uint32(16)).astype(np.uint16), is_float=True)]
    with np.errstate(over="ignore"):
        half = bits.view(np.float32).astype(np.float16)
    if np.array_equal(half.astype(np.float32).view(np.uint32), bits):
        return [bytes([Method.HALF]) + _dense(half.view(np.uint16), is_float=True)]
    return []


def _planes(values: Integers) -> bytes:
    """Exponents repeat and fill one byte after the rotation; mantissas hardly do."""
    unsigned = _unsigned(values)
    one, rest = unsigned.dtype.type(1), unsigned.dtype.type(8 * values.itemsize - 1)
    rotated = (unsigned << one) | (unsigned >> rest)
    planes = rotated.astype(rotated.dtype.newbyteorder(">")).view(np.uint8).reshape(len(values), -1)
    return bytes([Method.PLANES]) + b"".join(_plane(np.ascontiguousarray(plane)) for plane in planes.T)


def _plane(values: NDArray[np.uint8]) -> bytes:
    sample = values[:: max(1, len(values) // _ENTROPY_SAMPLE)]
    if _entropy(sample) > 7.9:  # bits a byte: Huffman codes would save less than 2 %
        return _raw(values)
    huffman = _huffman(values)
    return huffman if len(huffman) <= values.nbytes else _raw(values)


def _entropy(values: NDArray[np.unsignedinteger[Any]]) -> float:
    """Bits a byte that any code of single bytes needs at least (Shannon, 1948)."""
    share = np.bincount(values, minlength=256) / max(1, len(values))
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum())


def _sparse(values: Integers, is_float: bool) -> bytes:
    is_set = values != 0
    elements = values[is_set]
    positions = min(_bitmap(is_set), _gaps(is_set), key=len)
    return bytes([Method.SPARSE]) + varint(len(elements)) + positions + _dense(elements, is_float)


def _bitmap(is_set: NDArray[np.bool_]) -> bytes:
    return b"\0" + _raw(np.packbits(is_set))


def _gaps(is_set: NDArray[np.bool_]) -> bytes:
    """Fixed-width gaps of the best width, or Huffman-coded bytes."""
    gaps = np.diff(np.flatnonzero(is_set), prepend=-1) - 1
    widths = range(1, _MAX_GAP_WIDTH + 1)
    best = min(widths, key=lambda width: width * (len(gaps) + int(np.sum(gaps // ((1 << width) - 1)))))
    return min((_gaps_of_width(gaps, width) for width in {best, _MAX_GAP_WIDTH}), key=len)


def _gaps_of_width(gaps: NDArray[np.int64], width: int) -> bytes:
    filler = (1 << width) - 1
    fillers, rest = np.divmod(gaps, filler)
    stream = np.full(len(gaps) + int(fillers.sum()), filler, dtype=np.uint8)
    stream[np.cumsum(fillers + 1) - 1] = rest
    return bytes([width]) + varint(len(stream)) + _dense_without_palette(stream)


def _rows(values: Integers, rows: int) -> list[bytes]:
    """Each row relative to its most frequent value, if these differ and may well stand for zeros."""
    table = _unsigned(values).reshape(rows, -1)
    counts = np.bincount((table + 256 * np.arange(rows)[:, None]).ravel(), minlength=256 * rows).reshape(rows, 256)
    offsets = counts.argmax(axis=1).astype(np.uint8)
    if counts.max(axis=1).sum() < 0.3 * len(values) or np.all(offsets == offsets[0]):
        return []
    centred = (table - offsets[:, None]).ravel()
    return [bytes([Method.ROWS]) + varint(rows) + _dense(offsets) + encode_vector(centred.view(np.int8))]


def may_share(values: Integers, percent: int) -> bool:
    """Whether values repeat so often, in an evenly spaced sample, that sorting all of them is worth it."""
    sample = _sample(values)
    sample = sample[sample != 0]  # positions take care of zeros
    return 100 * len(np.unique(sample)) < percent * len(sample)


def _sample(values: Integers) -> Integers:
    """Evenly spaced ones."""
    return values[:: max(1, len(values) // _SAMPLE)]


# --- decoding ----------------------------------------------------------------------------------------------------


def decode_vector(reader: Reader, n: int, dtype: np.dtype[Any], *, depth: int = 0) -> Integers:
    """`n` integers of type `dtype`; raises `CorruptFile`."""
    if depth > _MAX_DEPTH:
        raise CorruptFile("The stored file nests its codings too deeply.")
    reader.spend(n * dtype.itemsize)
    number = reader.byte()
    if number not in _DECODERS:
        raise CorruptFile(f"The stored file names a coding that does not exist here: {number}.")
    return _DECODERS[Method(number)](reader, n, dtype, depth + 1)


def _read_raw(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    return np.frombuffer(reader.take(n * dtype.itemsize), dtype.newbyteorder("<")).astype(dtype)


def _read_packed(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    bits = 8 * dtype.itemsize
    minimum, width = _unzigzag(reader.varint()), reader.byte()
    if width > bits:
        raise CorruptFile(f"The stored file packs {bits}-bit numbers into {width} bits.")
    unsigned = _unsigned_type(dtype)
    shifted = unpack_bits(reader.take(packed_bytes(n, width)), n, width, unsigned)
    shifted += unsigned.type(minimum % (1 << bits))
    return shifted.view(dtype)


def _read_palette(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    k = reader.varint()
    if k > n or k > 1 << 32:
        raise CorruptFile(f"The stored file shares {k} values among {n} weights.")
    with reader.detail("codebooks"):
        distinct = decode_vector(reader, k, dtype, depth=depth)
    index = decode_vector(reader, n, _index_type(k), depth=depth)
    if n and int(index.max()) >= k:
        raise CorruptFile(f"The stored file uses shared value {int(index.max())} of {k}.")
    return distinct[index]


def _read_huffman(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    size = n * dtype.itemsize
    data = inflate(reader.take(reader.varint()), size)
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)


def _read_half(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    return _read_16_bits(reader, n, dtype, depth).view(np.float16).astype(np.float32).view(dtype)


def _read_brain(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    return (_read_16_bits(reader, n, dtype, depth).astype(np.uint32) << np.uint32(16)).view(dtype)


def _read_16_bits(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    if dtype.itemsize != 4:
        raise CorruptFile("The stored file widens 16-bit floats to something else than float32.")
    return decode_vector(reader, n, np.dtype(np.uint16), depth=depth)


def _read_sparse(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    with reader.detail("positions"):
        count = reader.varint()
        if count > n:
            raise CorruptFile(f"The stored file puts {count} weights into {n} places.")
        width = reader.byte()
        positions = _read_gaps(reader, width, count, n, depth) if width else _read_bitmap(reader, n, depth)
    if len(positions) != count or (count and int(positions[-1]) >= n):
        raise CorruptFile("The stored file's positions do not fit its weights.")
    values = np.zeros(n, dtype)
    values[positions] = decode_vector(reader, count, dtype, depth=depth)
    return values


def _read_bitmap(reader: Reader, n: int, depth: int) -> NDArray[np.int64]:
    packed = decode_vector(reader, -(-n // 8), np.dtype(np.uint8), depth=depth)
    reader.spend(n)
    positions: NDArray[np.int64] = np.flatnonzero(np.unpackbits(packed.view(np.uint8), count=n))
    return positions


def _read_gaps(reader: Reader, width: int, count: int, n: int, depth: int) -> NDArray[np.int64]:
    length = reader.varint()
    if width > _MAX_GAP_WIDTH or length > n + count:
        raise CorruptFile(f"The stored file has {length} gaps of {width} bits for {count} weights.")
    stream = decode_vector(reader, length, np.dtype(np.uint8), depth=depth)
    reader.spend(9 * length)  # the two arrays below
    filler = (1 << width) - 1
    is_element = stream != filler
    positions: NDArray[np.int64] = np.cumsum(stream + is_element.astype(np.int64))[is_element] - 1
    return positions


def _read_rows(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    rows = reader.varint()
    if dtype.itemsize != 1 or rows == 0 or n % rows:
        raise CorruptFile(f"The stored file divides {n} numbers into {rows} rows.")
    with reader.detail("scales"):
        offsets = decode_vector(reader, rows, np.dtype(np.uint8), depth=depth)
    centred = decode_vector(reader, n, np.dtype(np.int8), depth=depth).view(np.uint8)
    return (centred.reshape(rows, -1) + offsets[:, None]).ravel().view(dtype)


def _read_planes(reader: Reader, n: int, dtype: np.dtype[Any], depth: int) -> Integers:
    reader.spend(n * dtype.itemsize)
    planes = [decode_vector(reader, n, np.dtype(np.uint8), depth=depth) for _ in range(dtype.itemsize)]
    unsigned = _unsigned_type(dtype)
    rotated = np.stack(planes, axis=1).view(unsigned.newbyteorder(">")).ravel().astype(unsigned)
    one, rest = unsigned.type(1), unsigned.type(8 * dtype.itemsize - 1)
    values: Integers = ((rotated >> one) | (rotated << rest)).view(dtype)
    return values


_DECODERS: dict[Method, Callable[[Reader, int, np.dtype[Any], int], Integers]] = {
    Method.RAW: _read_raw,
    Method.PACKED: _read_packed,
    Method.PALETTE: _read_palette,
    Method.HUFFMAN: _read_huffman,
    Method.HALF: _read_half,
    Method.BRAIN: _read_brain,
    Method.SPARSE: _read_sparse,
    Method.ROWS: _read_rows,
    Method.PLANES: _read_planes,
}


# --- integers -----------------------------------------------------------------------------------------------------


def _width(values: Integers) -> int:
    """Bits that the range of the values needs."""
    return (int(values.max()) - int(values.min())).bit_length() if len(values) else 0


def _unsigned(values: Integers) -> NDArray[np.unsignedinteger[Any]]:
    unsigned: NDArray[np.unsignedinteger[Any]] = np.ascontiguousarray(values).view(_unsigned_type(values.dtype))
    return unsigned


def _unsigned_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"u{dtype.itemsize}")


def little_endian(values: Integers) -> bytes:
    """The bytes of all elements, lowest byte of each first."""
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def _unzigzag(value: int) -> int:
    return -(value + 1) // 2 if value & 1 else value // 2
