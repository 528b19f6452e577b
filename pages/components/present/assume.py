"""The assumptions of a presentation: visible, editable, in the address."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from compression.errors import InvalidRecipe
from compression.explain import presentation
from compression.explain.presentation import ASSUMED, LIMITS, Assumptions
from compression.results.energy import PLACES
from pages.components.asking import notices
from pages.components.frame import menu
from pages.components.shown import elements

_KEPT, _PROBLEM, _PREFIX = "present_assumed", "present_assumed_problem", "present_"
_STEPS = {"mbits": 1.0, "flash_mb": 0.25, "inferences": 100.0, "hour_price": 0.01, "kwh_price": 0.05, "intensity": 10.0}
_ONE = {"inferences": 1e6}
"""What a field counts in, where that is not one: nobody reads nine zeros."""
_FORMATS = {"flash_mb": "%.3f", "inferences": "%g", "intensity": "%.0f", "hour_price": "%.3f"}


def current() -> Assumptions:
    """What the link assumes on arrival at the page, else what was last assumed."""
    asked = {name: st.query_params[name] for name in ASSUMED if name in st.query_params}
    if (asked or menu.goes_back()) and not menu.has_arrived():
        st.session_state.pop(_PROBLEM, None)
        try:
            _take(presentation.assumptions_from(asked))
        except InvalidRecipe as error:
            st.session_state[_PROBLEM] = str(error)
            _take(Assumptions())
    found: Assumptions = st.session_state.setdefault(_KEPT, Assumptions())
    return found


def _take(assumed: Assumptions) -> None:
    st.session_state[_KEPT] = assumed
    for name in ASSUMED:
        st.session_state.pop(_PREFIX + name, None)


def show_problem() -> None:
    """What was wrong with the link's assumptions."""
    if problem := st.session_state.get(_PROBLEM):
        notices.show_problem(f"This link's assumptions cannot be read, so you see the usual ones. {problem}")


def controls(assumed: Assumptions) -> None:
    """One field for each; the page is drawn anew with what they say.

    Each is told its position twice, as on Explore: a browser may miss the first of two runs that follow closely.
    """
    st.markdown(
        "**Assumptions**, not measurements: change them to yours",
        help="What the numbers under *What it means* are computed from, together with the measured sizes and times.",
    )
    for name in elements.grid(list(ASSUMED), 4):
        title, explanation = ASSUMED[name]
        key, kept = _PREFIX + name, getattr(assumed, name)
        common: dict[str, Any] = {"key": key, "help": explanation, "on_change": _changed, "args": (name,)}
        if name in LIMITS:
            one = _ONE.get(name, 1.0)
            value = st.session_state.setdefault(key, kept / one)
            least, most = (end / one for end in LIMITS[name])
            look = _FORMATS.get(name, "%.2f")
            st.number_input(title, least, most, value=value, step=_STEPS[name], format=look, **common)
        else:
            st.session_state.setdefault(key, kept)
            elements.switch(title, PLACES, usual=kept, **common)
    if assumed != Assumptions():
        st.button("Usual assumptions", icon=":material/undo:", on_click=_take, args=(Assumptions(),))


def _changed(name: str) -> None:
    value = st.session_state.get(_PREFIX + name)
    if value is not None:
        value = value * _ONE[name] if name in _ONE else value
        st.session_state[_KEPT] = replace(st.session_state[_KEPT], **{name: value})
    st.session_state.pop(_PROBLEM, None)
