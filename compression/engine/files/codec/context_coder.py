"""Tensors of a network as matrices of small integers, for the adaptive arithmetic coder (`range_coder`).

One stream of codes serves all tensors of a file. Beside it each tensor keeps a few bytes (integers are
LEB128 varints, *vector* as in `compression.engine.files.codec.coders`), first one that says what the matrix holds:

    0 CODES    8-bit integers minus an offset: number of offsets (1, or one a row), vector of them; settings
    1 SHARED   for each element the index of its value minus an offset: number of distinct values, vector of
               them in rising order, offset; settings
    2 FLOATS   0 for a float whose bits are all 0, else (largest exponent - exponent + 1) with the float's
               sign: how many lowest bits are zero in all floats (one byte), largest exponent; settings; then
               what is left of the mantissas of all floats that are not 0, packed

    settings   largest magnitude in the matrix; where that is not 0: mean error of prediction in 64ths, width
               of the image that rows look at (0: nothing is predicted; 1 for filters), and, where there is a
               width, the weights of the four neighbours in 64ths, one signed byte each

The rows of a matrix are the output channels. Codes and exponents are learned apart from each other.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.engine.files.codec.adaptive_model import MAX_MAGNITUDE, Model
from compression.engine.files.codec.bit_packing import pack_bits, packed_bytes, unpack_bits
from compression.engine.files.codec.byte_reader import Reader, varint
from compression.engine.files.codec.coders import (
    Integers,
    decode_vector,
    may_share,
    packed_vector,
    shared_values,
    single_code_bytes,
)
from compression.engine.files.codec.range_coder import Decoder, Encoder, Recorder, Settings, code_matrix, fit_settings
from compression.engine.files.codec.scan_order import MAX_WAVES, Layout, blocks_of, layout_of
from compression.errors import CorruptFile

Matrix = NDArray[np.integer[Any]]

MAX_COLUMNS = 1 << 17
"""Longer rows are not coded this way: the order in which they are visited would take more memory than they do."""
_WORKING_BYTES = 48
"""Memory for an element while it is decoded: what is known of it, its error, its code, and the parts of a float."""
_TIME_BYTES = 4
"""Taken off the budget for each element: it takes about 0.2 microseconds."""
_BLOCK_BYTES = 5 << 12
"""Taken off the budget for each matrix and each block of it: half a millisecond or more however small they are."""

_SHARERS = 8
"""Elements that must share a value on average: fewer hardly save what the values take."""


class Kind(enum.IntEnum):
    """What the matrix of a tensor holds. The numbers are part of the file format."""

    CODES = 0
    SHARED = 1
    FLOATS = 2


# --- encoding ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """How a tensor can be written whatever was written before it: `data` beside the stream, and a matrix in it."""

    kind: Kind
    data: bytes
    matrix: Matrix
    layout: Layout
    settings: Settings
    single_code_bytes: float
    """Any code of single elements needs as many at least, as far as is known (Shannon, 1948)."""


def plan_of(values: Integers, shape: Sequence[int], exponent_bits: int = 0) -> Plan | None:
    """The plan for a tensor's elements, or None where they cannot be written this way.

    For bit patterns of floats `exponent_bits` is how many of each are its exponent, else 0.
    """
    rows = _rows(shape)
    if not len(values) or len(values) // rows > MAX_COLUMNS:
        return None
    if values.itemsize == 1:
        return _codes(values, _planar(shape))
    if may_share(values, 50):
        distinct, index = shared_values(values)
        if len(distinct) <= min(MAX_MAGNITUDE, int(np.count_nonzero(values)) // _SHARERS):
            return _shared(distinct, index, _planar(shape))
    return _floats(values, _planar(shape), exponent_bits) if exponent_bits else None


def _codes(values: Integers, shape: tuple[int, ...]) -> Plan:
    table = values.reshape(shape[0], -1).astype(np.int32)
    offsets = _offsets(table, is_signed=values.dtype.kind == "i")
    head = varint(len(offsets)) + packed_vector(offsets.astype(values.dtype))
    return _planned(Kind.CODES, (head, b""), table - offsets[:, None], shape, single_code_bytes(values))


def _shared(distinct: Integers, index: Integers, shape: tuple[int, ...]) -> Plan:
    offset = int(np.bincount(index).argmax())
    head = varint(len(distinct)) + packed_vector(distinct) + varint(offset)
    single = single_code_bytes(index.astype(np.uint16))
    matrix = (index - offset).astype(np.int32).reshape(shape[0], -1)
    return _planned(Kind.SHARED, (head, b""), matrix, shape, single)


def _floats(values: Integers, shape: tuple[int, ...], exponent_bits: int) -> Plan | None:
    bits = 8 * values.itemsize
    patterns = values.view(f"u{values.itemsize}")
    unsigned = patterns.dtype.type
    mantissa_bits = bits - 1 - exponent_bits
    is_kept = patterns != 0
    kept = patterns[is_kept]
    low_zeros = min(_trailing_zeros(int(np.bitwise_or.reduce(kept))), mantissa_bits)
    exponents = (patterns >> unsigned(mantissa_bits)).astype(np.int32) & ((1 << exponent_bits) - 1)
    largest = int(exponents.max())
    if largest - int(exponents[is_kept].min(initial=largest)) >= MAX_MAGNITUDE:
        return None
    sizes = largest + 1 - exponents
    signed = np.where(is_kept, np.where(patterns >> unsigned(bits - 1), -sizes, sizes), 0)
    mantissas = (kept & unsigned((1 << mantissa_bits) - 1)) >> unsigned(low_zeros)
    head = bytes([low_zeros]) + varint(largest)
    tail = pack_bits(mantissas, mantissa_bits - low_zeros)
    return _planned(Kind.FLOATS, (head, tail), signed.reshape(shape[0], -1), shape, 0.0)


def _planned(kind: Kind, around: tuple[bytes, bytes], matrix: Matrix, shape: tuple[int, ...], single: float) -> Plan:
    """`around` are the bytes before and behind the matrix's settings."""
    width, settings = fit_settings(matrix, shape)
    head, tail = around
    data = bytes([kind]) + head + _written(width, settings) + tail
    return Plan(kind, data, matrix, layout_of(shape, width), settings, single)


@dataclass(frozen=True)
class Attempt:
    """A tensor as it would be written next: its plan, what would go into the stream, and the model after it."""

    plan: Plan
    recorder: Recorder
    model: Model

    @property
    def size(self) -> float:
        """Bytes, those in the stream included."""
        return len(self.plan.data) + self.recorder.bits / 8


class ContextEncoder:
    """Writes tensors one after the other into one stream, in `thread` where there is an executor with one."""

    def __init__(self, thread: Executor | None = None) -> None:
        self._thread, self._writing = thread, list[Future[None]]()
        self._encoder = Encoder()
        self._models = {False: Model(), True: Model()}

    def attempt(self, plan: Plan) -> Attempt:
        """How a tensor would be written next."""
        recorder, model = Recorder(), self._models[plan.kind is Kind.FLOATS].copy()
        if plan.settings.largest:
            code_matrix(recorder, model, plan.layout, plan.settings, plan.matrix)
        return Attempt(plan, recorder, model)

    def keep(self, attempt: Attempt) -> bytes:
        """Write what was attempted last; returns what belongs beside the stream."""
        self._models[attempt.plan.kind is Kind.FLOATS] = attempt.model
        if self._thread is None:
            self._encoder.write(attempt.recorder)
        else:
            self._writing.append(self._thread.submit(self._encoder.write, attempt.recorder))
        return attempt.plan.data

    def stream(self) -> bytes:
        """The codes of all tensors so far."""
        for writing in self._writing:
            writing.result()
        return self._encoder.stream()


def _rows(shape: Sequence[int]) -> int:
    return max(1, shape[0]) if len(shape) > 1 else 1


def _planar(shape: Sequence[int]) -> tuple[int, ...]:
    """Rows and columns; filters as they are."""
    return tuple(shape) if len(shape) == 4 else (_rows(shape), math.prod(shape) // _rows(shape))


def _offsets(table: Matrix, *, is_signed: bool) -> Matrix:
    """What to take off each row so that its zero becomes 0; one number for all if that does nearly as well.

    On grids without symmetry each row has its own code for zero: about the median, most of all in sparse rows.
    """
    middle = table.shape[1] // 2
    each = np.partition(table, middle, axis=1)[:, middle]
    low = int(table.min())
    common = 0 if is_signed else low + int(np.bincount((table - low).ravel()).argmax())
    if np.abs(table - each[:, None]).sum() < 0.8 * np.abs(table - common).sum():
        return each
    return np.array([common])


def _trailing_zeros(bits: int) -> int:
    return (bits & -bits).bit_length() - 1 if bits else 64


def _written(width: int, settings: Settings) -> bytes:
    if not settings.largest:
        return varint(0)
    weights = bytes(weight & 0xFF for weight in settings.weights) if width else b""
    return varint(settings.largest) + varint(settings.mean) + varint(width) + weights


# --- decoding ----------------------------------------------------------------------------------------------------


class ContextDecoder:
    """Reads what `ContextEncoder` wrote: a few bytes from the file's reader, codes from the stream.

    With `counts`, `bits` sums up what codes of the reader's parts took of the stream; zero flags of
    weights count as positions.
    """

    def __init__(self, reader: Reader, stream: bytes | memoryview, *, counts: bool = False) -> None:
        self._reader, self._decoder = reader, Decoder(stream, counts=counts)
        self._models = {False: Model(), True: Model()}
        self.bits: dict[str, float] = {}

    def decode(self, shape: Sequence[int], dtype: np.dtype[Any], exponent_bits: int = 0) -> Integers:
        """The elements of a tensor in order; raises `CorruptFile`."""
        count = math.prod(shape)
        if count <= 0 or min(shape, default=1) < 0 or count // _rows(shape) > MAX_COLUMNS:
            raise CorruptFile(f"The stored file codes a tensor of shape {list(shape)} in a way made for others.")
        self._reader.need(count * (2 * dtype.itemsize + _WORKING_BYTES))
        kind = self._reader.byte()
        if kind == Kind.CODES and dtype.itemsize == 1:
            return self._codes(_planar(shape), dtype)
        if kind == Kind.SHARED:
            return self._shared(_planar(shape), dtype)
        if kind == Kind.FLOATS and exponent_bits:
            return self._floats(_planar(shape), dtype, exponent_bits)
        raise CorruptFile(f"The stored file codes a tensor of this type in a way ({kind}) made for others.")

    def _codes(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Integers:
        count = self._reader.varint()
        if count not in (1, shape[0]):
            raise CorruptFile(f"The stored file has {count} offsets for {shape[0]} rows.")
        with self._reader.detail("scales" if count > 1 else "codes"):
            offsets = decode_vector(self._reader, count, dtype).astype(np.int64)
        return (self._matrix(shape, Kind.CODES) + offsets[:, None]).ravel().astype(dtype)

    def _shared(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Integers:
        size = self._reader.varint()
        if not 0 < size <= MAX_MAGNITUDE:
            raise CorruptFile(f"The stored file shares {size} values; 1 to {MAX_MAGNITUDE} can be.")
        with self._reader.detail("codebooks"):
            distinct = decode_vector(self._reader, size, dtype)
        offset = self._reader.varint()
        index = self._matrix(shape, Kind.SHARED).ravel() + min(offset, size)
        if int(index.min()) < 0 or int(index.max()) >= size:
            raise CorruptFile(f"The stored file uses a shared value that is not among its {size}.")
        return distinct[index]

    def _floats(self, shape: tuple[int, ...], dtype: np.dtype[Any], exponent_bits: int) -> Integers:
        unsigned = np.dtype(f"u{dtype.itemsize}")
        mantissa_bits = 8 * dtype.itemsize - 1 - exponent_bits
        low_zeros, largest = self._reader.byte(), self._reader.varint()
        if low_zeros > mantissa_bits or largest >> exponent_bits:
            raise CorruptFile("The stored file's floats have bits that no float has.")
        signed = self._matrix(shape, Kind.FLOATS).ravel()
        kept = signed[signed != 0]
        exponents = largest + 1 - np.abs(kept)
        if int(exponents.min(initial=0)) < 0:
            raise CorruptFile("The stored file's floats have exponents that no float has.")
        width = mantissa_bits - low_zeros
        mantissas = unpack_bits(self._reader.take(packed_bytes(len(kept), width)), len(kept), width, unsigned)
        sign_and_exponent = (kept < 0).astype(np.int64) << exponent_bits | exponents
        patterns = np.zeros(len(signed), unsigned)
        patterns[signed != 0] = sign_and_exponent.astype(unsigned) << unsigned.type(mantissa_bits) | (
            mantissas << unsigned.type(low_zeros)
        )
        return patterns.view(dtype)

    def _matrix(self, shape: tuple[int, ...], kind: Kind) -> Matrix:
        width, settings = self._settings()
        if not settings.largest:
            return np.zeros((shape[0], math.prod(shape[1:])), np.int32)
        if width > math.prod(shape[1:]) or len(layout_of(shape, width).waves) > MAX_WAVES:
            raise CorruptFile(f"The stored file takes rows of a tensor of shape {list(shape)} for images.")
        layout = layout_of(shape, width)
        self._reader.spend(_TIME_BYTES * math.prod(shape) + _BLOCK_BYTES * (1 + sum(1 for _ in blocks_of(layout))))
        before = self._decoder.zero_bits, self._decoder.other_bits
        matrix = code_matrix(self._decoder, self._models[kind is Kind.FLOATS], layout, settings, None)
        part = self._reader.current
        self._add("positions" if part == "codes" else part, self._decoder.zero_bits - before[0])
        self._add(part, self._decoder.other_bits - before[1])
        return matrix

    def _add(self, part: str, bits: float) -> None:
        self.bits[part] = self.bits.get(part, 0.0) + bits

    def _settings(self) -> tuple[int, Settings]:
        reader = self._reader
        largest = reader.varint()
        if largest > MAX_MAGNITUDE:
            raise CorruptFile(f"The stored file has codes up to {largest}; up to {MAX_MAGNITUDE} can be.")
        if not largest:
            return 0, Settings(0, 1)
        mean, width = reader.varint(), reader.varint()
        if not 0 < mean <= _LARGEST_MEAN:
            raise CorruptFile(f"The stored file has a mean code of {mean} 64ths, which no codes have.")
        if not width:
            return 0, Settings(largest, mean)
        left, above, corner, other = np.frombuffer(reader.take(4), np.int8).tolist()
        return width, Settings(largest, mean, (left, above, corner, other))


_LARGEST_MEAN = 64 * MAX_MAGNITUDE * 9
"""Codes, and four neighbours with twice their weight each."""
