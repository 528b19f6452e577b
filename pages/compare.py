"""Compare: two to four results side by side."""

from __future__ import annotations

import streamlit as st

from pages.components import menu

menu.frame(menu.COMPARE, reads_link=True)

from pages.components import (  # noqa: E402  (only now, see `menu`)
    compare_classes,
    compare_curves,
    compare_images,
    compare_layers,
    compare_numbers,
    compare_start,
    contest,
    pick,
)

PARTS = {
    "Numbers": compare_numbers.show,
    "Curves": compare_curves.show,
    "Classes": compare_classes.show,
    "Changed images": compare_images.show,
    "Layers": compare_layers.show,
}
TAB, PART = "compare_part", "part"

if not menu.has_arrived() and st.query_params.get(PART) in PARTS:
    st.session_state[TAB] = st.query_params[PART]
open_part = st.session_state.get(TAB, next(iter(PARTS)))
chosen = pick.several(also={PART: open_part} if open_part != next(iter(PARTS)) else {})
if len(chosen) < 2:
    compare_start.show(chosen)
else:
    held = contest.hold(chosen)
    compare_numbers.show_sentences(held)
    contest.choose_reference(held)
    for tab, show in zip(st.tabs(list(PARTS), key=TAB, on_change="rerun"), PARTS.values(), strict=True):
        with tab:
            if tab.open:
                show(held)
