"""The network as a drawing: boxes and arrows in the language of Graphviz, which the browser lays out."""

from __future__ import annotations

from dataclasses import dataclass

from compression import units
from compression.inquiries.anatomy import Anatomy, LayerRow


@dataclass(frozen=True)
class Fill:
    """The colour of a box, with dark text on it, and what it means."""

    title: str
    colour: str
    border: str


FILLS = {
    "integer": Fill("codes, computed in integers", "#9fdcc7", "#0a9b76"),
    "codes": Fill("codes, turned into floats first", "#f3cf95", "#d98200"),
    "shared": Fill("shared values, turned into floats first", "#cdc4fb", "#6f56f0"),
    "half": Fill("16-bit floats, turned into 32 bits first", "#eac2dc", "#b95f9f"),
    "float": Fill("32-bit floats", "#b5d6ee", "#2b83c4"),
    "other": Fill("no weights", "#e3e3e3", "#8a8a8a"),
}
EDGE, TEXT = "#8a8a8a", "#16181d"


def kind_of(row: LayerRow) -> str:
    """Which of `FILLS` a layer has."""
    if row.format == "codes":
        return "integer" if row.integer else "codes"
    return {"codebook": "shared", "float32": "float"}.get(row.format, "half")


def kinds_in(anatomy: Anatomy) -> list[str]:
    """The fills that the drawing of this network uses, for its legend."""
    used = {kind_of(row) for row in anatomy.subject.layers} | {"other"}
    return [kind for kind in FILLS if kind in used]


def dot_of(anatomy: Anatomy, chosen: str = "") -> str:
    """The drawing from left to right. Arrows say to how many bits numbers are rounded on the way."""
    rows = {row.name: row for row in anatomy.subject.layers}
    lines = [
        'digraph network { bgcolor="transparent"; rankdir=LR; nodesep=0.25; ranksep=0.35;',
        f'node [shape=box style="filled,rounded" fontname="Helvetica" fontsize=11 fontcolor="{TEXT}"];',
        'node [margin="0.12,0.06"];',
        f'edge [color="{EDGE}" fontcolor="{EDGE}" fontname="Helvetica" fontsize=10 arrowsize=0.7];',
    ]
    for number, box in enumerate(anatomy.boxes):
        row = rows.get(box.layer)
        fill = FILLS[kind_of(row) if row else "other"]
        label = _label(row, box.label) if row else box.label
        width = 3 if row and row.name == chosen else 1
        lines.append(
            f'n{number} [label="{_quoted(label)}" fillcolor="{fill.colour}" color="{fill.border}" penwidth={width}];'
        )
    for arrow in anatomy.arrows:
        bits = f' [label=" {arrow.bits} bit"]' if arrow.bits else ""
        lines.append(f"n{arrow.source} -> n{arrow.target}{bits};")
    return "\n".join([*lines, "}"])


def _label(row: LayerRow, activation: str) -> str:
    shape = " × ".join(map(str, row.shape))
    written = f"{row.bits} bit · {units.size(row.stored_bytes)} stored"
    return "\n".join(filter(None, [row.name, f"{row.kind} · {shape}", written, activation]))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
