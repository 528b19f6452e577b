"""Arrays inside answers: as JSON they are compressed bytes with type and shape. Torch-free."""

from __future__ import annotations

import base64
import zlib
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator

KINDS = {"bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "float16", "float32", "float64"}
"""Types of numbers that an array may have: plain ones only, never objects."""


def _write(array: NDArray[Any]) -> dict[str, Any]:
    packed = zlib.compress(np.ascontiguousarray(array).tobytes(), 6)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "zlib": base64.b64encode(packed).decode()}


def _read(value: object) -> NDArray[Any]:
    if isinstance(value, dict):
        raw = zlib.decompress(base64.b64decode(value["zlib"]))
        value = np.frombuffer(raw, dtype=_checked(str(value["dtype"]))).reshape(value["shape"])
    array = np.asarray(value)
    _checked(array.dtype.name)
    return array


def _checked(name: str) -> str:
    if name not in KINDS:
        raise ValueError(f"arrays of {name} cannot be written")
    return name


Array = Annotated[Any, PlainValidator(_read), PlainSerializer(_write)]
"""A numpy array as a field of an answer; lists of numbers are taken too."""
