"""What to do first on Explore: three steps, until somebody closes them."""

from __future__ import annotations

import streamlit as st

from pages.components.frame import browser
from pages.components.shown import glossary

_KEPT = "hint"
STEPS = (
    "**Move** a slider: pruning, bits, or the size of a student.",
    "**Read** the sentence above the charts: what it wins, what it costs, and how sure that is.",
    "**Wish** for the smallest or fastest one that is still good enough, and have it found.",
)


def show() -> None:
    """Nothing for a browser in which it was closed once."""
    if browser.read(_KEPT):
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="hint"):
        st.markdown("  \n".join(f"{number}. {step}" for number, step in enumerate(STEPS, 1)))
        glossary.show()
        st.button("Close", icon=":material/close:", key="hint_close", on_click=browser.keep, args=(_KEPT, "closed"))
