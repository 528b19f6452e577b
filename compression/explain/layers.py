"""One row for each layer, and what is left over: the rows add up to the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compression.explain import bundle
from compression.inquiries.anatomy import Anatomy, FileAnatomy, LayerRow
from compression.inquiries.layer_tables import LayerTable, Tables

WRITTEN = {"float32": "float", "float16": "float16", "bfloat16": "bfloat16", "codes": "codes", "codebook": "shared"}
"""How weights are written, in a word."""

OPERATORS = {
    "rounding": {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"},
    "ranges": {"ReduceMax", "ReduceMin", "Max", "Div"},  # anew for each image; nothing else here uses these
    "layout": {"Transpose", "ReorderInput", "ReorderOutput", "Reshape", "Flatten", "DepthToSpace", "SpaceToDepth"},
}
"""What nodes outside of layers do, by their operators."""


@dataclass(frozen=True)
class Line:
    """One layer for the table; `before` is the same layer of the uncompressed network, where there is one.

    A part of a layer has no number of its own to compare with. `share` is that of the stored file, `sensitivity` what
    the uncompressed network loses when that layer alone gets 4 bits, in percentage points.
    """

    row: LayerRow
    before: LayerRow | None
    share: float
    sensitivity: float | None

    @property
    def kind(self) -> str:
        """What kind of layer it is, and how often it runs."""
        return self.row.kind + (f", runs {self.row.calls} times" if self.row.calls > 1 else "")

    def numbers(self) -> dict[str, Any]:
        """Everything by its column; `kept` is the share of the layer's weights that are left and not zero."""
        row, before = self.row, self.before
        return {
            "layer": row.name,
            "kind": self.kind,
            "shape": " × ".join(map(str, row.shape)),
            "original": row.original,
            "parameters": row.parameters,
            "before_parameters": before and before.parameters,
            "not_zero": row.nonzero,
            "kept": before and row.nonzero / before.weights,
            "written": WRITTEN[row.format],
            "bits": row.bits,
            "stored_bytes": row.stored_bytes,
            "before_stored_bytes": before and before.stored_bytes,
            "share": self.share,
            "runtime_bytes": row.runtime_bytes,
            "macs": row.macs,
            "before_macs": before and before.macs,
            "integer": row.integer,
            "ms": row.ms,
            "before_ms": before and before.ms,
            "sensitivity": self.sensitivity,
        }


SENSITIVE_BITS = 4
"""Bits at which the table says how sensitive a layer is."""


def lines_of(anatomy: Anatomy, tables: Tables | None = None) -> list[Line]:
    """The table, in the order in which the network calls its layers."""
    before = {row.name: row for row in anatomy.baseline.layers}
    known = {layer.name: layer for layer in tables.layers} if tables else {}
    whole = tables.accuracy if tables else 0.0
    return [
        Line(
            row,
            before.get(row.name) if row.name == row.original else None,
            row.stored_bytes / anatomy.subject.stored_bytes,
            _lost(known.get(row.original), whole),
        )
        for row in anatomy.subject.layers
    ]


def _lost(layer: LayerTable | None, whole: float) -> float | None:
    cells = () if layer is None else layer.of("quantization")
    return next((100 * (whole - cell.accuracy) for cell in cells if cell.level == SENSITIVE_BITS), None)


def csv_of(lines: Sequence[Line]) -> str:
    """All lines with every number."""
    return bundle.csv_file([line.numbers() for line in lines])


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
    """Milliseconds of one run in layers, in `OPERATORS` and in others, all nodes together; they make up `nodes_ms`."""
    found = dict.fromkeys(("layers", *OPERATORS, "others"), 0.0)
    for node in file.nodes:
        found[_kind(node.operator, node.layer)] += node.ms
    return found


def _kind(operator: str, layer: str) -> str:
    if layer:
        return "layers"
    return next((kind for kind, operators in OPERATORS.items() if operator in operators), "others")


def unmatched(anatomy: Anatomy) -> list[str]:
    """Layers of the uncompressed network that nothing was made from."""
    used = {row.original for row in anatomy.subject.layers}
    return [row.name for row in anatomy.baseline.layers if row.name not in used]
