"""The network drawn as boxes and arrows."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from compression import units
from compression.charts.network import FILLS, TEXT, dot_of, kinds_in
from compression.explain.layers import Line, lines_of
from pages.components.inspect import spot
from pages.components.inspect.spot import Seen

_CHIP = "display:inline-block;padding:.1rem .5rem;margin:0 .4rem .3rem 0;border-radius:6px;font-size:.8rem"


def _facts(line: Line) -> None:
    """The chosen layer in numbers."""
    rows = {
        "Kind": f"{line.kind}, {line.shape}",
        "Parameters": _was(units.count(line.parameters), line.before_parameters, units.count),
        "Weights": f"{line.written}, {line.bits} bit",
        "Stored": _was(units.size(line.stored_bytes), line.before_stored_bytes, units.size),
        "Operations": _was(f"{units.count(line.macs)} MACs", line.before_macs, units.count),
        "Computed in": "integers" if line.integer else "32-bit floats",
        "Time": _was(f"{1000 * line.ms:.1f} µs", line.before_ms, lambda ms: f"{1000 * ms:.1f} µs"),
    }
    st.markdown(f"**{line.layer}**")
    st.markdown("\n".join(f"- {name}: **{text}" + ("" if "**" in text else "**") for name, text in rows.items()))


def _was(now: str, before: float | None, words: Callable[[float], str]) -> str:
    return now if before is None else f"{now}** (before: {words(before)})"


def show(seen: Seen) -> None:
    """Legend and drawing; the chosen layer has a thick border."""
    spot.choose_layer(seen)
    chips = "".join(
        f'<span style="{_CHIP};background:{FILLS[kind].colour};border:1px solid {FILLS[kind].border};color:{TEXT}">'
        f"{escape(FILLS[kind].title)}</span>"
        for kind in kinds_in(seen.anatomy)
    )
    st.html(f"<div>{chips}</div>")
    drawing, facts = st.columns([3, 2], gap="large")
    with drawing:
        st.graphviz_chart(dot_of(seen.anatomy, seen.layer), alt="The network's layers and how they are connected")
    with facts:
        _facts(next(line for line in lines_of(seen.anatomy) if line.layer == seen.layer))
    st.caption(
        "Read from the runtime file, from the image at the top to the classes at the bottom. Nodes that only rearrange "
        "or round numbers are not drawn; “8 bit” at an arrow says that numbers are rounded on the way."
    )
