"""Full screen: nothing but the page's content. `?full=1` in the address opens it so."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.components.frame import menu

FULL = "full"
_KEPT, _KEY = "present_full", "full_screen"
_button = st.components.v2.component(
    "full_screen",
    html='<button type="button"></button>',
    css="button { font: inherit; color: var(--st-text-color); background: transparent; padding: .35rem .8rem;"
    " border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius, 8px); cursor: pointer; }"
    " button:hover, button:focus-visible { border-color: var(--st-primary-color); color: var(--st-primary-color); }",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)
_STYLE = """
<style>
.st-key-menu, .st-key-present_choice, [data-testid="stHeader"] { display: none; }
[data-testid="stLayoutWrapper"]:has(> .st-key-menu, > .st-key-present_choice) { display: none; }
.block-container { max-width: 1400px; padding-top: 2.5rem; }
</style>
"""


def is_on() -> bool:
    """Whether the page is shown alone: as the link says on arrival, later as the button does."""
    if not menu.has_arrived():
        st.session_state[_KEPT] = st.query_params.get(FULL) == "1"
    return bool(st.session_state.get(_KEPT, False))


def hide_the_rest() -> None:
    """No menu, no controls."""
    st.html(_STYLE)


def button(full: bool) -> None:
    """The way in and out."""
    _button(key=_KEY, data={"full": full}, on_wanted_change=_toggled)


def _toggled() -> None:
    wanted = st.session_state[_KEY].get("wanted")
    if wanted is not None:
        st.session_state[_KEPT] = wanted == "on"
