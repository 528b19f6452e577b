"""The graph of a model in few bytes: names as distances, then deflate with a dictionary, or LZMA.

Format (integers are LEB128 varints): 1 byte method, length before, length after, the compressed bytes. The
method's lowest bit says whether names are written as distances, the next one whether it is LZMA.

Names that are whole numbers, as `compression.engine.files.export` gives them, are replaced in nodes by their distance
from the largest so far, and in the list of initializers from the one before: "a" is the next number, "b" the
last one, and so on to "z"; others are decimal. Any other name that looks like one of these gets a "=" in
front. Graphs of repeated blocks thereby repeat themselves, byte for byte.
"""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Callable

import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]

from compression.engine.files.codec.byte_reader import Reader, inflate, varint
from compression.engine.files.codec.graph_dictionary import DICTIONARY
from compression.errors import CorruptFile

_DISTANCES, _LZMA = 1, 2
_FILTERS = [{"id": lzma.FILTER_LZMA1, "preset": 6, "dict_size": 1 << 20}]
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_DISTANCE = re.compile(r"[a-z]|-?[1-9][0-9]{0,8}")
_LETTERS = 26
_OBJECT_BYTES = 160
"""Memory for each byte of a graph while it is read: an empty node is two bytes, and 320 as an object."""


def compress_graph(model: onnx.ModelProto) -> bytes:
    """The smallest coding of a model."""
    plain = model.SerializeToString(deterministic=True)
    renamed = onnx.ModelProto()
    renamed.CopyFrom(model)
    _rename(renamed, _Distances.shorten)
    short = renamed.SerializeToString(deterministic=True)
    _rename(renamed, _Distances.restore)
    names, text = (_DISTANCES, short) if renamed.SerializeToString(deterministic=True) == plain else (0, plain)
    packed = lzma.compress(text, format=lzma.FORMAT_RAW, filters=_FILTERS)
    method, coded = min(((names, _deflate(text)), (names | _LZMA, packed)), key=lambda pair: len(pair[1]))
    return bytes([method]) + varint(len(text)) + varint(len(coded)) + coded


def decompress_graph(reader: Reader) -> onnx.ModelProto:
    """The model that `compress_graph` was given; raises `CorruptFile`."""
    method, size, length = reader.byte(), reader.varint(), reader.varint()
    if method > (_DISTANCES | _LZMA):
        raise CorruptFile(f"The stored file's graph is compressed in an unknown way: {method}.")
    reader.spend(_OBJECT_BYTES * size)
    coded = reader.take(length)
    text = _unpack_lzma(coded, size) if method & _LZMA else inflate(coded, size, DICTIONARY)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(text)
        if method & _DISTANCES:
            _rename(model, _Distances.restore)  # a name that is no text comes as bytes: TypeError
        model.SerializeToString(deterministic=True)
    except (DecodeError, EncodeError, UnicodeError, TypeError) as error:
        raise CorruptFile(f"The graph in the stored file cannot be read: {error}.") from error
    return model


def _deflate(text: bytes) -> bytes:
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    return coder.compress(text) + coder.flush()


def _unpack_lzma(coded: memoryview, size: int) -> bytes:
    try:
        text = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS).decompress(coded, size + 1)
    except lzma.LZMAError as error:
        raise CorruptFile(f"The graph in the stored file is damaged: {error}.") from error
    if len(text) != size:
        raise CorruptFile("The graph in the stored file has another length than the file says.")
    return text


# --- names -------------------------------------------------------------------------------------------------------


class _Distances:
    """Turns names into distances and back, in the order in which they stand in the graph."""

    def __init__(self) -> None:
        self.largest = -1

    def shorten(self, name: str) -> str:
        if not _NUMBER.fullmatch(name):
            return "=" + name if _DISTANCE.fullmatch(name) or name.startswith("=") or name == "0" else name
        distance = self.largest + 1 - int(name)
        self.largest = max(self.largest, int(name))
        return chr(ord("a") + distance) if 0 <= distance < _LETTERS else str(distance)

    def restore(self, name: str) -> str:
        if name.startswith("="):
            return name[1:]
        if not _DISTANCE.fullmatch(name):
            return name
        distance = ord(name) - ord("a") if name.isalpha() else int(name)
        number = self.largest + 1 - distance
        self.largest = max(self.largest, number)
        return str(number)


def _rename(model: onnx.ModelProto, change: Callable[[_Distances, str], str]) -> None:
    names = _Distances()
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [change(names, value) for value in values]
    names = _Distances()
    for tensor in model.graph.initializer:
        tensor.name = change(names, tensor.name)
