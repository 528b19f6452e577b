"""The stored file: a lossless code for an ONNX model, bit for bit. Needs neither torch nor ONNX Runtime.

Format (integers are LEB128 varints unless a size is given; see `compression.primitives.coders` for *vector*):

    4 bytes   magic: "CNN" and byte 0x1A
    1 byte    version: 1
    4 bytes   CRC-32 of everything behind it, little-endian
    skeleton  the ModelProto without the numbers of its initializers (`raw_data`), serialized and compressed:
              1 byte method (0 raw deflate, 1 raw LZMA), length before, length after, the compressed bytes
    records   one for each initializer, in the graph's order, of one of these kinds:
              0 ABSENT    no raw_data: its numbers, if any, stand in the skeleton
              1 OPAQUE    length and bytes, for element types without a whole number of bytes
              2 VECTOR    one vector; element type and count are those of the skeleton
              3 PRODUCT   indices i and j of two other initializers whose float32 product it is, bit for bit
                          (an integer bias has scale = input scale x weight scale)

Nothing may follow. Everything counts: graph, names, shapes, positions, codebooks, scales, biases.

`decode` trusts nothing: every length is compared with the bytes that are left, everything decoded together
may take up 64 MiB, or 1,000 times the stored file where that is more, and there is nothing to execute.
"""

from __future__ import annotations

import enum
import functools
import io
import lzma
import math
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import TensorProto

from compression.errors import CorruptFile
from compression.primitives.coders import Reader, decode_vector, encode_vector, inflate, little_endian, varint

MAGIC = b"CNN\x1a"
VERSION = 1
MIN_BUDGET = 64 << 20
MAX_EXPANSION = 1000
"""A layer of zeros shrinks to a few bytes, a real network at most about a hundredfold."""

_LZMA = [{"id": lzma.FILTER_LZMA1, "preset": 6, "dict_size": 1 << 20}]
_DEFLATE_SKELETON, _LZMA_SKELETON = 0, 1
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
_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}


class Record(enum.IntEnum):
    """First byte of an initializer's record. The numbers are part of the file format."""

    ABSENT = 0
    OPAQUE = 1
    VECTOR = 2
    PRODUCT = 3


def encode(model: onnx.ModelProto) -> bytes:
    """The stored file of a model. `decode` gives back an equal model."""
    skeleton = onnx.ModelProto()
    skeleton.CopyFrom(model)
    for tensor in skeleton.graph.initializer:
        tensor.ClearField("raw_data")
    products = _find_products(model.graph.initializer)
    body = [_compress(skeleton.SerializeToString(deterministic=True))]
    for index, tensor in enumerate(model.graph.initializer):
        body.append(_product(*products[index]) if index in products else _record(tensor))
    data = b"".join(body)
    return MAGIC + bytes([VERSION]) + zlib.crc32(data).to_bytes(4, "little") + data


def decode(data: bytes) -> onnx.ModelProto:
    """The model in a stored file; raises `CorruptFile` for anything that `encode` did not write."""
    reader = Reader(_checked(data), max(MIN_BUDGET, MAX_EXPANSION * len(data)))
    model = onnx.ModelProto()
    try:
        model.ParseFromString(_decompress(reader))
        _fill(model.graph.initializer, reader)
        model.SerializeToString(deterministic=True)
    except (DecodeError, EncodeError, UnicodeDecodeError) as error:
        raise CorruptFile(f"The graph in the stored file cannot be read: {error}.") from error
    if reader.left:
        raise CorruptFile(f"{reader.left} bytes follow the end of the stored file.")
    return model


def zipped_size(onnx_bytes: bytes) -> int:
    """Bytes of a zip archive (deflate, level 6, as common tools make it) that holds the runtime file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        file.writestr(zipfile.ZipInfo("model.onnx"), onnx_bytes, zipfile.ZIP_DEFLATED, compresslevel=6)
    return len(archive.getvalue())


# --- header and skeleton -----------------------------------------------------------------------------------------


def _checked(data: bytes) -> memoryview:
    """What stands behind the header."""
    if len(data) < _HEADER or data[: len(MAGIC)] != MAGIC:
        raise CorruptFile("This is not a stored file of this program: its first bytes are others.")
    if data[len(MAGIC)] != VERSION:
        raise CorruptFile(f"This stored file has format version {data[len(MAGIC)]}; this program reads {VERSION}.")
    if zlib.crc32(data[_HEADER:]) != int.from_bytes(data[len(MAGIC) + 1 : _HEADER], "little"):
        raise CorruptFile("This stored file is damaged: its checksum does not fit. Make it again, or copy it again.")
    return memoryview(data)[_HEADER:]


def _compress(plain: bytes) -> bytes:
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    deflated = coder.compress(plain) + coder.flush()
    packed = lzma.compress(plain, format=lzma.FORMAT_RAW, filters=_LZMA)
    method, coded = min(((_DEFLATE_SKELETON, deflated), (_LZMA_SKELETON, packed)), key=lambda pair: len(pair[1]))
    return bytes([method]) + varint(len(plain)) + varint(len(coded)) + coded


def _decompress(reader: Reader) -> bytes:
    method, size, length = reader.byte(), reader.varint(), reader.varint()
    reader.spend(size)
    coded = reader.take(length)
    if method == _DEFLATE_SKELETON:
        return inflate(coded, size)
    if method != _LZMA_SKELETON:
        raise CorruptFile(f"The stored file's graph is compressed in an unknown way: {method}.")
    try:
        plain = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA).decompress(coded, size + 1)
    except lzma.LZMAError as error:
        raise CorruptFile(f"The graph in the stored file is damaged: {error}.") from error
    if len(plain) != size:
        raise CorruptFile("The graph in the stored file has another length than the file says.")
    return plain


# --- initializers ------------------------------------------------------------------------------------------------


def _record(tensor: onnx.TensorProto) -> bytes:
    if not tensor.HasField("raw_data"):
        return bytes([Record.ABSENT])
    element = _ELEMENTS.get(tensor.data_type)
    count = math.prod(tensor.dims)
    if element is None or min(tensor.dims, default=0) < 0 or len(tensor.raw_data) != count * element.itemsize:
        return bytes([Record.OPAQUE]) + varint(len(tensor.raw_data)) + bytes(tensor.raw_data)
    rows = tensor.dims[0] if len(tensor.dims) > 1 and count else 1
    is_float = tensor.data_type in _FLOATS
    return bytes([Record.VECTOR]) + encode_vector(_elements(tensor), is_float=is_float, rows=rows)


def _elements(tensor: onnx.TensorProto) -> NDArray[Any]:
    element = _ELEMENTS[tensor.data_type]
    return np.frombuffer(tensor.raw_data, element.newbyteorder("<")).astype(element, copy=False)


def _fill(tensors: Sequence[onnx.TensorProto], reader: Reader) -> None:
    """Read the records into the skeleton's tensors; products last, when their factors are there."""
    products: dict[int, tuple[int, int]] = {}
    for index, tensor in enumerate(tensors):
        kind = reader.byte()
        if kind == Record.OPAQUE:
            tensor.raw_data = bytes(reader.take(reader.varint()))
        elif kind == Record.VECTOR:
            tensor.raw_data = _read_vector(tensor, reader)
        elif kind == Record.PRODUCT:
            products[index] = (reader.varint(), reader.varint())
        elif kind != Record.ABSENT:
            raise CorruptFile(f"The stored file has a record of unknown kind {kind}.")
    for index, factors in products.items():
        tensors[index].raw_data = _read_product(tensors, index, factors, products, reader)


def _read_vector(tensor: onnx.TensorProto, reader: Reader) -> bytes:
    element = _ELEMENTS.get(tensor.data_type)
    if element is None or min(tensor.dims, default=0) < 0:
        raise CorruptFile(f"The stored file has numbers of unknown type {tensor.data_type} or shape.")
    return little_endian(decode_vector(reader, math.prod(tensor.dims), element))


def _find_products(tensors: Sequence[onnx.TensorProto]) -> dict[int, tuple[int, int]]:
    """Float vectors that are a scalar times another vector: index to the indices of scalar and vector.

    Their first elements are compared first. No factor is itself written as a product.
    """
    floats = {index: _floats(tensor) for index, tensor in enumerate(tensors) if _is_small_float(tensor)}
    scalars = [index for index, values in floats.items() if len(values) == 1]
    found: dict[int, tuple[int, int]] = {}
    factors: set[int] = set()
    for index, values in floats.items():
        if index in factors:
            continue
        pair = _factors(index, values, scalars, floats, found)
        if pair:
            found[index] = pair
            factors.update(pair)
    return found


def _factors(
    index: int,
    values: NDArray[np.float32],
    scalars: Sequence[int],
    floats: dict[int, NDArray[np.float32]],
    found: dict[int, tuple[int, int]],
) -> tuple[int, int] | None:
    usable = [i for i in scalars if i not in found and i != index]
    firsts = np.array([floats[i][0] for i in usable], np.float32)
    for other, vector in floats.items():
        if other == index or other in found or len(vector) != len(values):
            continue
        with np.errstate(all="ignore"):
            hits = np.flatnonzero(firsts * vector[0] == values[0])
            for hit in hits:
                if usable[hit] != other and _same_bits(firsts[hit] * vector, values):
                    return usable[hit], other
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


def _same_bits(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return a.tobytes() == b.tobytes()


def _product(scalar: int, vector: int) -> bytes:
    return bytes([Record.PRODUCT]) + varint(scalar) + varint(vector)


def _read_product(
    tensors: Sequence[onnx.TensorProto],
    index: int,
    factors: tuple[int, int],
    products: dict[int, tuple[int, int]],
    reader: Reader,
) -> bytes:
    scalar, vector = factors
    usable = functools.partial(_is_factor, tensors, products)
    if not (usable(scalar) and usable(vector)) or len(tensors[scalar].raw_data) != 4:
        raise CorruptFile(f"The stored file computes numbers {index} from others that are not there.")
    reader.spend(len(tensors[vector].raw_data))
    with np.errstate(all="ignore"):
        product = _floats(tensors[scalar])[0] * _floats(tensors[vector])
    return bytes(little_endian(product.view(np.uint32)))


def _is_factor(tensors: Sequence[onnx.TensorProto], products: dict[int, tuple[int, int]], index: int) -> bool:
    return index < len(tensors) and index not in products and _is_small_float(tensors[index])
