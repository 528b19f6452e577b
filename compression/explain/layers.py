"""One row for each layer, and what is left over: the rows add up to the files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from compression.inquiries.anatomy import Anatomy, FileAnatomy, LayerRow
from compression.inquiries.sensitivity import BITS, LayerSensitivity, Sensitivities

WRITTEN = {"float32": "float", "float16": "float16", "bfloat16": "bfloat16", "codes": "codes", "codebook": "shared"}
"""How weights are written, in a word."""

ROUNDING = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
RANGES = {"ReduceMax", "ReduceMin", "Max", "Div"}
"""What finds ranges anew for each image; nothing else here uses these operators."""
LAYOUT = {"Transpose", "ReorderInput", "ReorderOutput", "Reshape", "Flatten"}

WHERE = {
    "layers": "Layers with weights",
    "rounding": "Rounding to integers and back",
    "ranges": "Finding ranges for each image",
    "layout": "Rearranging numbers in memory",
    "others": "Pooling, additions and the rest",
}
"""What a run's time is spent on."""


@dataclass(frozen=True)
class Line:
    """One layer for the table; `before` fields belong to the layer it was made from, where there is one.

    `kept` is the share of that layer's weights that are still there and not zero. `share` is that of the stored file,
    `sensitivity` what the uncompressed network loses when that layer alone gets 4 bits, in percentage points.
    """

    layer: str
    kind: str
    shape: str
    original: str
    parameters: int
    before_parameters: int | None
    not_zero: int
    kept: float | None
    written: str
    bits: int
    stored_bytes: int
    before_stored_bytes: int | None
    share: float
    runtime_bytes: int
    macs: int
    before_macs: int | None
    integer: bool
    ms: float
    before_ms: float | None
    sensitivity: float | None


SENSITIVE_BITS = 4
"""Bits at which the table says how sensitive a layer is."""


def lines_of(anatomy: Anatomy, sensitivities: Sensitivities | None = None) -> list[Line]:
    """The table, in the order in which the network calls its layers."""
    before = {row.name: row for row in anatomy.baseline.layers}
    known = {layer.name: layer for layer in sensitivities.layers} if sensitivities else {}
    whole = sensitivities.accuracy if sensitivities else 0.0
    return [
        _line(row, anatomy, before.get(row.original), _lost(known.get(row.original), whole)) for row in _rows(anatomy)
    ]


def _rows(anatomy: Anatomy) -> Sequence[LayerRow]:
    return anatomy.subject.layers


def _lost(layer: LayerSensitivity | None, whole: float) -> float | None:
    return None if layer is None else 100 * (whole - layer.by_bits[BITS.index(SENSITIVE_BITS)])


def _line(row: LayerRow, anatomy: Anatomy, before: LayerRow | None, lost: float | None) -> Line:
    same = before is not None and row.name == before.name  # a part of a layer has no number of its own to compare with
    return Line(
        layer=row.name,
        kind=row.kind + (f", runs {row.calls} times" if row.calls > 1 else ""),
        shape=" × ".join(map(str, row.shape)),
        original=row.original,
        parameters=row.parameters,
        before_parameters=before.parameters if before and same else None,
        not_zero=row.nonzero,
        kept=row.nonzero / before.weights if before and same else None,
        written=WRITTEN[row.format],
        bits=row.bits,
        stored_bytes=row.stored_bytes,
        before_stored_bytes=before.stored_bytes if before and same else None,
        share=row.stored_bytes / anatomy.subject.stored_bytes,
        runtime_bytes=row.runtime_bytes,
        macs=row.macs,
        before_macs=before.macs if before and same else None,
        integer=row.integer,
        ms=row.ms,
        before_ms=before.ms if before and same else None,
        sensitivity=lost,
    )


def csv_of(lines: Sequence[Line]) -> str:
    """All lines with every number."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Line.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    return text.getvalue()


REST = {
    "shared": "Numbers that several layers share",
    "others": "Ranges of activations, shapes, and numbers of no layer",
    "graph": "Structure: layers and connections",
    "header": "Header",
}
"""Bytes of the stored file that belong to no single layer."""


def rest_of(file: FileAnatomy) -> dict[str, int]:
    """Those bytes in words, without what there is none of; with the layers' they add up to the file."""
    return {words: file.rest[name] for name, words in REST.items() if file.rest.get(name, 0)}


def time_by_kind(file: FileAnatomy) -> dict[str, float]:
    """Milliseconds of one run for each of `WHERE`, all nodes together; they add up to `nodes_ms`."""
    found = dict.fromkeys(WHERE, 0.0)
    for node in file.nodes:
        found[_kind(node.operator, node.layer)] += node.ms
    return found


def _kind(operator: str, layer: str) -> str:
    kinds: Mapping[str, set[str]] = {"rounding": ROUNDING, "ranges": RANGES, "layout": LAYOUT}
    if layer:
        return "layers"
    return next((kind for kind, operators in kinds.items() if operator in operators), "others")


def unmatched(anatomy: Anatomy) -> list[str]:
    """Layers of the uncompressed network that nothing was made from."""
    used = {row.original for row in anatomy.subject.layers}
    return [row.name for row in anatomy.baseline.layers if row.name not in used]
