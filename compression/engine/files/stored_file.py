"""The stored file: a lossless code for an ONNX model, bit for bit. Needs neither torch nor ONNX Runtime.

Format (integers are LEB128 varints unless a size is given):

    4 bytes   magic: "CNN" and byte 0x1A
    1 byte    version: 3
    4 bytes   CRC-32 of everything behind it, little-endian
    graph     the ModelProto without the numbers of its initializers (`raw_data`), see
              `compression.engine.files.codec.graph_coder`
    stream    length and bytes: the range coder's codes of all CONTEXT records, see
              `compression.engine.files.codec.range_coder`
    records   one for each initializer, in the graph's order, of one of these kinds:
              0 ABSENT    no raw_data: its numbers, if any, stand in the graph
              1 OPAQUE    length and bytes, for element types without a whole number of bytes
              2 VECTOR    one vector, see `compression.engine.files.codec.coders`: Huffman codes or plain bits
              3 PRODUCT   indices i and j of two other initializers whose float32 product it is, bit for bit
                          (an integer bias has scale = input scale x weight scale)
              4 CONTEXT   a tensor in the stream, see `compression.engine.files.codec.context_coder`

Element types and shapes are those of the graph. Nothing may follow. Everything counts: graph, names, shapes,
positions, codebooks, scales, biases.

`encode` writes down in one of three ways: `packed` uses as many bits for each code as the largest needs,
`huffman` the Huffman codes, gaps and shared values of "Deep compression" (Han et al., 2016), and `context`
adaptive arithmetic coding. All are decoded alike, on every machine to the same bits: see `range_coder` and
`adaptive_model` for why.

`decode` trusts nothing: every length is compared with the bytes that are left, and there is nothing to execute.
Everything decoded together may take up `BUDGET`, and 64 times the stored file beside it; what takes time without
taking space is charged to the same account. So any file of at most a megabyte is decoded or refused within some
seconds, by a process that stays below 300 MB.
"""

from __future__ import annotations

import enum
import functools
import io
import math
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import onnx
from google.protobuf.message import EncodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import TensorProto

from compression.engine.files.codec.byte_reader import Reader, varint
from compression.engine.files.codec.coders import (
    Integers,
    decode_vector,
    encode_vector,
    little_endian,
    packed_vector,
)
from compression.engine.files.codec.context_coder import ContextDecoder, ContextEncoder, Plan, plan_of
from compression.engine.files.codec.graph_coder import compress_graph, decompress_graph
from compression.engine.files.ledger import proportional, roles
from compression.errors import CorruptFile
from compression.recipe.steps import Coding
from compression.results.record import STORED_PARTS
from compression.watch import SILENT, Watch

S = TypeVar("S")
T = TypeVar("T")

MAGIC = b"CNN\x1a"
VERSION = 3
BUDGET = 64 << 20
"""Bytes of memory that the smallest file may take to decode: a layer of zeros shrinks to a few bytes."""
EXPANSION = 64
"""More bytes of memory for each of the file: a network of millions of weights shrinks less than so many fold."""
_TENSOR_BYTES = 1 << 12
"""Taken off the budget for each record: it takes a tenth of a millisecond however small it is."""

_AHEAD = 2
"""Tensors that are looked through while one is written: each takes some ten bytes for each of its elements."""

_HEADER = len(MAGIC) + 1 + 4

_ELEMENTS: dict[int, np.dtype[Any]] = {
    TensorProto.FLOAT: np.dtype(np.uint32),
    TensorProto.FLOAT16: np.dtype(np.uint16),
    TensorProto.BFLOAT16: np.dtype(np.uint16),
    TensorProto.DOUBLE: np.dtype(np.uint64),
    TensorProto.INT8: np.dtype(np.int8),
    TensorProto.INT16: np.dtype(np.int16),
    TensorProto.INT32: np.dtype(np.int32),
    TensorProto.INT64: np.dtype(np.int64),
    TensorProto.UINT8: np.dtype(np.uint8),
    TensorProto.UINT16: np.dtype(np.uint16),
    TensorProto.UINT32: np.dtype(np.uint32),
    TensorProto.UINT64: np.dtype(np.uint64),
    TensorProto.BOOL: np.dtype(np.uint8),
}
"""Integers that hold the bits of each ONNX element type."""
_EXPONENT_BITS = {TensorProto.FLOAT: 8, TensorProto.FLOAT16: 5, TensorProto.BFLOAT16: 8, TensorProto.DOUBLE: 11}


class Record(enum.IntEnum):
    """First byte of an initializer's record. The numbers are part of the file format."""

    ABSENT = 0
    OPAQUE = 1
    VECTOR = 2
    PRODUCT = 3
    CONTEXT = 4


def encode(model: onnx.ModelProto, coding: Coding = "context", *, watch: Watch = SILENT) -> bytes:
    """The stored file of a model. `decode` gives back an equal model, whatever the coding.

    Raises `Cancelled` when `watch` says so, which is asked after each tensor.
    """
    skeleton = onnx.ModelProto()
    skeleton.CopyFrom(model)
    for tensor in skeleton.graph.initializer:
        tensor.ClearField("raw_data")
    products = _find_products(model.graph.initializer)
    with ThreadPoolExecutor(1) as before, ThreadPoolExecutor(1) as after:
        contexts = ContextEncoder(after)
        writers: dict[Coding, Callable[[_Part], bytes]] = {
            "context": functools.partial(_smallest, contexts),
            "huffman": _huffman,
            "packed": _packed,
        }
        parts = _ahead(before, functools.partial(_part, is_planned=coding == "context"), model.graph.initializer)
        records = []
        for index, part in enumerate(watch.each(parts)):
            if index in products:
                records.append(_product(*products[index]))
            else:
                records.append(part if isinstance(part, bytes) else writers[coding](part))
        stream = contexts.stream()
    data = b"".join([compress_graph(skeleton), varint(len(stream)), stream, *records])
    return MAGIC + bytes([VERSION]) + zlib.crc32(data).to_bytes(4, "little") + data


def decode(data: bytes) -> onnx.ModelProto:
    """The model in a stored file; raises `CorruptFile` for anything that `encode` did not write."""
    return _parse(data).model


def decode_with_ledger(data: bytes, *, watch: Watch = SILENT) -> tuple[onnx.ModelProto, dict[str, int]]:
    """The model, and how many bytes of the stored file each of `STORED_PARTS` takes; they add up to the file.

    Bytes are counted as they are read. Those of the arithmetic coder's stream, where codes share bytes,
    are divided by what each part's codes cost (-log2 of their probabilities). Zero flags count as positions.
    Raises `CorruptFile` like `decode`, and `Cancelled` when `watch` says so, which is asked after each tensor.
    """
    parsed = _parse(data, counts=True, watch=watch)
    counted = {**parsed.reader.ledger, "header": parsed.reader.ledger.get("header", 0) + _HEADER}
    shares = proportional(parsed.contexts.bits, counted.pop("stream", 0))
    return parsed.model, {part: counted.get(part, 0) + shares.get(part, 0) for part in STORED_PARTS}


def decode_by_tensor(data: bytes) -> tuple[onnx.ModelProto, dict[str, int], dict[str, int]]:
    """The model, how many bytes of the stored file each initializer takes, and the rest: `graph` and `header`.

    Together they add up to the file. What an initializer has beside the arithmetic coder's stream is counted as it
    is read. In the stream codes share bytes: it is divided by what each initializer's codes cost there (-log2 of the
    probabilities that the coder gave them, after all that it had learned by then).
    Raises `CorruptFile` like `decode`.
    """
    parsed = _parse(data, counts=True)
    names = [tensor.name for tensor in parsed.model.graph.initializer]
    bits = {name: cost.bits for name, cost in zip(names, parsed.costs, strict=True)}
    stream = parsed.reader.ledger.get("stream", 0)
    shares = proportional(bits, stream) if sum(bits.values()) else {}
    sizes = {name: cost.bytes + shares.get(name, 0) for name, cost in zip(names, parsed.costs, strict=True)}
    graph = parsed.reader.ledger.get("graph", 0) - sum(
        cost.bytes for cost in parsed.costs if cost.part == "graph"
    )  # small tensors that are structure are initializers here
    return parsed.model, sizes, {"graph": graph, "header": len(data) - graph - sum(sizes.values())}


@dataclass(frozen=True)
class _Cost:
    """What one initializer takes: bytes of its own, and bits in the common stream."""

    part: str
    bytes: int
    bits: float


@dataclass(frozen=True)
class _Parsed:
    model: onnx.ModelProto
    reader: Reader
    contexts: ContextDecoder
    costs: list[_Cost]


def _parse(data: bytes, *, counts: bool = False, watch: Watch = SILENT) -> _Parsed:
    reader = Reader(_checked(data), BUDGET + EXPANSION * len(data))
    with reader.part("graph"):
        model = decompress_graph(reader)
    with reader.part("header"):
        length = reader.varint()
    with reader.part("stream"):
        contexts = ContextDecoder(reader, reader.take(length), counts=counts)
    parts = [_PARTS[role] for role in roles(model)] if counts else ["codes"] * len(model.graph.initializer)
    costs = _fill(model.graph.initializer, parts, reader, contexts, watch)
    try:
        model.SerializeToString(deterministic=True)
    except EncodeError as error:
        raise CorruptFile(f"The stored file's numbers make no model: {error}.") from error
    if reader.left:
        raise CorruptFile(f"{reader.left} bytes follow the end of the stored file.")
    return _Parsed(model, reader, contexts, costs)


_PARTS: Mapping[str, str] = {
    "weights": "codes",
    "codebooks": "codebooks",
    "scales": "scales",
    "rounding": "scales",
    "biases": "biases",
    "graph": "graph",
}
"""The part of the stored file to which an initializer belongs, by its role in the graph."""


def zipped_size(onnx_bytes: bytes) -> int:
    """Bytes of a zip archive (deflate, level 6, as common tools make it) that holds the runtime file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        file.writestr(zipfile.ZipInfo("model.onnx"), onnx_bytes, zipfile.ZIP_DEFLATED, compresslevel=6)
    return len(archive.getvalue())


# --- header and records ------------------------------------------------------------------------------------------


def _checked(data: bytes) -> memoryview:
    """What stands behind the header."""
    if len(data) < _HEADER or data[: len(MAGIC)] != MAGIC:
        raise CorruptFile("This is not a stored file of this program: its first bytes are others.")
    if data[len(MAGIC)] != VERSION:
        raise CorruptFile(f"This stored file has format version {data[len(MAGIC)]}; this program reads {VERSION}.")
    if zlib.crc32(data[_HEADER:]) != int.from_bytes(data[len(MAGIC) + 1 : _HEADER], "little"):
        raise CorruptFile("This stored file is damaged: its checksum does not fit. Make it again, or copy it again.")
    return memoryview(data)[_HEADER:]


@dataclass(frozen=True)
class _Part:
    """A tensor's elements, and how they can be written into the common stream, if they are to be and can."""

    values: Integers
    shape: tuple[int, ...]
    is_float: bool
    plan: Plan | None


def _part(tensor: onnx.TensorProto, *, is_planned: bool) -> bytes | _Part:
    """What can be known of a tensor before others are written: its record where nothing is left to say, or its part."""
    if not tensor.HasField("raw_data"):
        return bytes([Record.ABSENT])
    element = _ELEMENTS.get(tensor.data_type)
    count = math.prod(tensor.dims)
    if element is None or min(tensor.dims, default=0) < 0 or len(tensor.raw_data) != count * element.itemsize:
        return bytes([Record.OPAQUE]) + varint(len(tensor.raw_data)) + bytes(tensor.raw_data)
    values, shape = _elements(tensor), tuple(tensor.dims)
    exponent_bits = _EXPONENT_BITS.get(tensor.data_type, 0)
    return _Part(values, shape, exponent_bits > 0, plan_of(values, shape, exponent_bits) if is_planned else None)


def _ahead(thread: Executor, work: Callable[[S], T], things: Iterable[S]) -> Iterator[T]:
    """The work done for each thing, in order; a thread is up to `_AHEAD` things ahead."""
    waiting = deque[Future[T]]()
    for thing in things:
        waiting.append(thread.submit(work, thing))
        if len(waiting) > _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _packed(part: _Part) -> bytes:
    return bytes([Record.VECTOR]) + packed_vector(part.values)


def _huffman(part: _Part) -> bytes:
    rows = part.shape[0] if len(part.shape) > 1 and len(part.values) else 1
    return bytes([Record.VECTOR]) + encode_vector(part.values, is_float=part.is_float, rows=rows)


def _smallest(contexts: ContextEncoder, part: _Part) -> bytes:
    """Arithmetic codes, or Huffman codes where these are smaller: not below the entropy of single codes."""
    if part.plan is None:
        return _huffman(part)
    attempt = contexts.attempt(part.plan)
    if attempt.size > part.plan.single_code_bytes:
        plain = _huffman(part)
        if attempt.size >= len(plain) - 1:
            return plain
    return bytes([Record.CONTEXT]) + contexts.keep(attempt)


def _elements(tensor: onnx.TensorProto) -> NDArray[Any]:
    element = _ELEMENTS[tensor.data_type]
    return np.frombuffer(tensor.raw_data, element.newbyteorder("<")).astype(element, copy=False)


def _fill(
    tensors: Sequence[onnx.TensorProto],
    parts: Sequence[str],
    reader: Reader,
    contexts: ContextDecoder,
    watch: Watch,
) -> list[_Cost]:
    """Read the records into the graph's tensors; products last, when their factors are there. What each one takes."""
    products: dict[int, tuple[int, int]] = {}
    costs: list[_Cost] = []
    for index, (tensor, part) in enumerate(zip(watch.each(tensors), parts, strict=True)):
        left, bits = reader.left, sum(contexts.bits.values())
        with reader.part(part):
            reader.spend(_TENSOR_BYTES)
            kind = reader.byte()
            if kind == Record.OPAQUE:
                tensor.raw_data = bytes(reader.take(reader.varint()))
            elif kind in (Record.VECTOR, Record.CONTEXT):
                tensor.raw_data = _read_elements(tensor, reader, contexts if kind == Record.CONTEXT else None)
            elif kind == Record.PRODUCT:
                products[index] = (reader.varint(), reader.varint())
            elif kind != Record.ABSENT:
                raise CorruptFile(f"The stored file has a record of unknown kind {kind}.")
        costs.append(_Cost(part, left - reader.left, sum(contexts.bits.values()) - bits))
    for index in products:
        tensors[index].raw_data = _read_product(tensors, index, products, reader)
    return costs


def _read_elements(tensor: onnx.TensorProto, reader: Reader, contexts: ContextDecoder | None) -> bytes:
    element = _ELEMENTS.get(tensor.data_type)
    if element is None or min(tensor.dims, default=0) < 0:
        raise CorruptFile(f"The stored file has numbers of unknown type {tensor.data_type} or shape.")
    count = math.prod(tensor.dims)
    reader.spend(count * element.itemsize)  # what stays; coders take off what they need meanwhile
    if contexts is None:
        return little_endian(decode_vector(reader, count, element))
    return little_endian(contexts.decode(tensor.dims, element, _EXPONENT_BITS.get(tensor.data_type, 0)))


def _find_products(tensors: Sequence[onnx.TensorProto]) -> dict[int, tuple[int, int]]:
    """Float vectors that are a scalar times another vector: index to the indices of scalar and vector.

    Their first elements are compared first. No factor is itself written as a product.
    """
    floats = {index: _floats(tensor) for index, tensor in enumerate(tensors) if _is_small_float(tensor)}
    found: dict[int, tuple[int, int]] = {}
    factors: set[int] = set()
    for index in floats:
        pair = None if index in factors else _factors(index, floats, found)
        if pair:
            found[index] = pair
            factors.update(pair)
    return found


def _factors(
    index: int, floats: dict[int, NDArray[np.float32]], found: dict[int, tuple[int, int]]
) -> tuple[int, int] | None:
    values, usable = floats[index], {i: vector for i, vector in floats.items() if i not in found and i != index}
    scalars = [i for i, vector in usable.items() if len(vector) == 1]
    firsts = np.array([floats[i][0] for i in scalars], np.float32)
    for other, vector in usable.items():
        if len(vector) != len(values):
            continue
        with np.errstate(all="ignore"):
            for hit in np.flatnonzero(firsts * vector[0] == values[0]):
                if scalars[hit] != other and (firsts[hit] * vector).tobytes() == values.tobytes():
                    return scalars[hit], other
    return None


_SMALL = 1 << 14
"""Elements; scales have one for each output channel."""


def _is_small_float(tensor: onnx.TensorProto) -> bool:
    return (
        tensor.data_type == TensorProto.FLOAT
        and len(tensor.dims) <= 1
        and 0 < len(tensor.raw_data) <= 4 * _SMALL
        and len(tensor.raw_data) == 4 * math.prod(tensor.dims)
    )


def _floats(tensor: onnx.TensorProto) -> NDArray[np.float32]:
    return np.frombuffer(tensor.raw_data, np.dtype("<f4")).astype(np.float32, copy=False)


def _product(scalar: int, vector: int) -> bytes:
    return bytes([Record.PRODUCT]) + varint(scalar) + varint(vector)


def _read_product(
    tensors: Sequence[onnx.TensorProto], index: int, products: dict[int, tuple[int, int]], reader: Reader
) -> bytes:
    scalar, vector = products[index]
    there = all(i < len(tensors) and i not in products and _is_small_float(tensors[i]) for i in (scalar, vector))
    if not there or len(tensors[scalar].raw_data) != 4:
        raise CorruptFile(f"The stored file computes numbers {index} from others that are not there.")
    reader.spend(len(tensors[vector].raw_data))
    with np.errstate(all="ignore"):
        product = _floats(tensors[scalar])[0] * _floats(tensors[vector])
    return bytes(little_endian(product.view(np.uint32)))
