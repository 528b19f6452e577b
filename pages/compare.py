"""Compare: two to four results side by side."""

from __future__ import annotations

import streamlit as st

from pages.components.frame import menu

menu.frame("Compare", reads_link=True)

from pages.components.asking import pick
from pages.components.compare import classes, contest, curves, images, layers, numbers, start
from pages.components.shown import elements

PARTS = {
    "Numbers": numbers.show,
    "Curves": curves.show,
    "Classes": classes.show,
    "Changed images": images.show,
    "Layers": layers.show,
}
TAB, PART = "compare_part", "part"

wanted = st.query_params.get(PART, next(iter(PARTS)) if menu.goes_back() else "")
if not menu.has_arrived() and wanted in PARTS:
    st.session_state[TAB] = wanted
open_part = st.session_state.get(TAB, next(iter(PARTS)))
chosen = pick.several({PART: open_part} if open_part != next(iter(PARTS)) else {}) or ()
if len(chosen) < 2:
    start.show(chosen)
else:
    held = contest.hold(chosen)
    numbers.show_sentences(held)
    contest.choose_reference(held)
    elements.tabs(PARTS, held, key=TAB)
