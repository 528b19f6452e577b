"""A Graphviz drawing that can be zoomed, moved and fitted into its place."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_BUTTONS = {
    "in": ("+", "Zoom in"),
    "out": ("−", "Zoom out"),
    "fit": ("Fit", "Show all"),
    "begin": ("100 %", "Real size"),
}
_zoom = st.components.v2.component(
    "graph_zoom",
    html='<div class="zoom" role="group" aria-label="Zoom">'
    + "".join(f'<button data-act="{act}" title="{says}">{sign}</button>' for act, (sign, says) in _BUTTONS.items())
    + "</div>",
    css=".zoom { display: flex; gap: .4rem; } .zoom button { font: inherit; min-width: 2.4rem; padding: .25rem .6rem;"
    " color: inherit; background: transparent; border: 1px solid #8886; border-radius: 8px; cursor: pointer; }"
    " .zoom button:hover { border-color: currentColor; }",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def show(dot: str, *, key: str, alt: str) -> None:
    """The drawing in the language of Graphviz, as wide as the page, from its left end on; buttons above."""
    buttons = st.container()
    with st.container(key=key):
        st.graphviz_chart(dot, alt=alt, width="stretch")
    with buttons:
        _zoom(key=f"{key}_zoom", data={"place": key})
