"""The network drawn as boxes and arrows."""

from __future__ import annotations

from html import escape

import streamlit as st

from compression.inspection.graph import FILLS, TEXT, dot_of, kinds_in
from pages.components import spot
from pages.components.spot import Seen

_CHIP = "display:inline-block;padding:.1rem .5rem;margin:0 .4rem .3rem 0;border-radius:6px;font-size:.8rem"


def show(seen: Seen) -> None:
    """Legend and drawing; the chosen layer has a thick border."""
    spot.choose_layer(seen)
    chips = "".join(
        f'<span style="{_CHIP};background:{FILLS[kind].colour};border:1px solid {FILLS[kind].border};color:{TEXT}">'
        f"{escape(FILLS[kind].title)}</span>"
        for kind in kinds_in(seen.anatomy)
    )
    st.html(f"<div>{chips}</div>")
    st.graphviz_chart(dot_of(seen.anatomy, seen.layer), alt="The network's layers and how they are connected")
    st.caption(
        "Read from the runtime file, from the image at the top to the classes at the bottom. Nodes that only rearrange "
        "or round numbers are not drawn; “8 bit” at an arrow says that numbers are rounded on the way."
    )
