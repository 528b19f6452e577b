"""Why the four sizes of a network differ: step by step from one to the next. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from compression.recipe.steps import WeightPruning
from compression.results.metrics import METRICS
from compression.results.record import Measures, Result

PARTS = {
    "codes": ("Weights", "values of the weights, or the codes that stand for them"),
    "weights": ("Weights", "weights that are not zero, as the runtime holds them"),
    "positions": ("Positions", "where the weights are that are not zero"),
    "zeros": ("Zeros", "zeros that are written out like any other weight"),
    "codebooks": ("Codebooks", "the values that codes stand for"),
    "scales": ("Scales", "the size of a step on the grid, for each channel or layer"),
    "biases": ("Biases", "biases, and what batch norm left behind"),
    "rounding": ("Rounding nodes", "nodes that turn numbers into integers and back"),
    "graph": ("Structure", "layers, how they are connected, their shapes and names"),
    "header": ("Header", "what kind of file it is, its version and checksum"),
}
"""What the parts of a file are called, and what they are."""


@dataclass(frozen=True)
class Part:
    """One bar of the waterfall: a size (`is_total`), or what makes the next size larger or smaller (signed bytes)."""

    label: str
    bytes: int
    cause: str
    is_total: bool = False


def stored_parts(measures: Measures) -> dict[str, int]:
    """The stored file's ledger; its bytes say where zeros are only if somebody pruned.

    In a network that was not pruned, zero is a code like any other, however the file tells it from the rest.
    """
    return _as_codes(measures, measures.ledger, "positions", "codes")


def runtime_parts(measures: Measures) -> dict[str, int]:
    """The runtime file's ledger; the same of zeros that are written out."""
    return _as_codes(measures, measures.runtime_ledger, "zeros", "weights")


def _as_codes(measures: Measures, ledger: Mapping[str, int], part: str, codes: str) -> dict[str, int]:
    found = dict(ledger)
    if found and not is_pruned(measures):
        found[codes] = found.get(codes, 0) + found.get(part, 0)
        found[part] = 0
    return found


def is_pruned(measures: Measures) -> bool:
    """Whether a step of its recipe sets single weights to zero."""
    steps = measures.parsed_recipe.steps if isinstance(measures, Result) else ()
    return any(isinstance(step, WeightPruning) for step in steps)


def waterfall(measures: Measures) -> tuple[Part, ...]:
    """From the theoretical size by way of the stored and the runtime file to the zipped runtime file.

    The changes between two sizes add up to their difference. Empty where a result has no ledgers.
    """
    stored, runtime = stored_parts(measures), runtime_parts(measures)
    if not stored or not runtime:
        return ()
    return (
        _total("theoretical", measures),
        *_changes(_writing_down(measures, stored)),
        _total("stored", measures),
        *_changes(_unpacking(stored, runtime, measures.params)),
        _total("runtime", measures),
        *_changes([("Zip", measures.zipped_bytes - measures.onnx_bytes, _ZIP)]),
        _total("zipped", measures),
    )


Row = tuple[str, int, str]
"""What makes a size larger or smaller, by how many bytes, and why."""


def _total(key: str, measures: Measures) -> Part:
    metric = METRICS[key]
    return Part(metric.title, int(metric.read(measures) or 0), metric.meaning, is_total=True)


_ZIP = "zip finds bytes that repeat, zeros most of all, but knows nothing of weights"


def _writing_down(measures: Measures, stored: Mapping[str, int]) -> Iterator[Row]:
    values = stored["codes"] + stored["biases"] - measures.theoretical_bytes
    saved = "frequent values take fewer bits than rare ones"
    spent = "values take more bits than the theory counts, as zeros have a code too or codes fill whole bytes"
    yield "Weights and biases", values, saved if values < 0 else spent
    for part in ("positions", "codebooks", "scales", "graph", "header"):
        yield _as_it_is(part, stored)


def _as_it_is(part: str, ledger: Mapping[str, int]) -> Row:
    title, meaning = PARTS[part]
    return title, ledger[part], meaning


def _unpacking(stored: Mapping[str, int], runtime: Mapping[str, int], params: int) -> Iterator[Row]:
    held = (runtime["weights"] + runtime["zeros"]) / max(1, params)
    whole = "each code takes whole bytes again, however few bits it has"
    floats = "weights are floats of four bytes: layers left in float, or codes that count for nothing at run time"
    small = sum(runtime[part] - stored[part] for part in ("codebooks", "scales", "biases"))
    yield "Weights", runtime["weights"] - stored["codes"], floats if held > _FLOAT_BYTES else whole
    yield "Zeros", runtime["zeros"], "zeros are kept like any other weight: the runtime computes with them"
    yield "Positions", -stored["positions"], "every weight has its place, so that positions need not be told"
    yield "Scales and biases", small, "scales, biases and codebooks are written out in full"
    yield _as_it_is("rounding", runtime)
    yield "Structure", runtime["graph"] - stored["graph"] - stored["header"], "layers, names and shapes, uncompressed"


_FLOAT_BYTES = 3.0
"""Bytes a weight from which most weights must be 32-bit floats."""


def _changes(rows: Iterable[Row]) -> list[Part]:
    return [Part(label, size, cause) for label, size, cause in rows if size]
