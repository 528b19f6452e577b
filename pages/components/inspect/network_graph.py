"""The network drawn as boxes and arrows."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from compression import units
from compression.charts.network import FILLS, TEXT, dot_of, kinds_in
from compression.explain.layers import Line, lines_of
from pages.components.inspect import graph_zoom, position
from pages.components.inspect.position import Seen

_CHIP = "display:inline-block;padding:.1rem .5rem;margin:0 .4rem .3rem 0;border-radius:6px;font-size:.8rem"


def _facts(line: Line) -> None:
    """The chosen layer in numbers."""
    found = line.numbers()

    def was(name: str, words: Callable[[float], str]) -> str:
        before = found[f"before_{name}"]
        return words(found[name]) if before is None else f"{words(found[name])}** (before: {words(before)})"

    rows = {
        "Kind": f"{line.kind}, {found['shape']}",
        "Parameters": was("parameters", units.count),
        "Weights": f"{found['written']}, {line.row.bits} bit",
        "Stored": was("stored_bytes", units.size),
        "Operations": was("macs", lambda macs: f"{units.count(macs)} MACs"),
        "Computed in": "integers" if line.row.integer else "32-bit floats",
        "Time": was("ms", units.short_time),
    }
    st.markdown(f"**{line.row.name}**")
    st.markdown("\n".join(f"- {name}: **{text}" + ("" if "**" in text else "**") for name, text in rows.items()))


def show(seen: Seen) -> None:
    """Legend and drawing; the chosen layer has a thick border."""
    position.choose_layer(seen)
    chips = "".join(
        f'<span style="{_CHIP};background:{FILLS[kind].colour};border:1px solid {FILLS[kind].border};color:{TEXT}">'
        f"{escape(FILLS[kind].title)}</span>"
        for kind in kinds_in(seen.anatomy)
    )
    st.html(f"<div>{chips}</div>")
    alt = "The network's layers and how they are connected"
    graph_zoom.show(dot_of(seen.anatomy, seen.layer), key="model_graph", alt=alt)
    _facts(next(line for line in lines_of(seen.anatomy) if line.row.name == seen.layer))
    st.caption(
        "Read from the runtime file, from the image at the left to the classes at the right; drag it to see more. "
        "Nodes that only rearrange or round numbers are not drawn; “8 bit” at an arrow says that numbers are rounded "
        "on the way."
    )
