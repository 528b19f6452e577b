"""How the axis up of all trade-off charts is spaced: a part of the view, and of every link."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from compression.results.score import said
from pages.components.frame import menu
from pages.components.shown import elements
from pages.components.view import state
from pages.components.view.link import EVEN, SCALE, View

_KEY = state.SETTING + "scale"
_WORDS = {False: "by the error", True: "evenly"}
_HELP = (
    "**By the error:** each halving of the mistakes is the same step up, so that 99.0 and 99.3 % stand apart and 50 % "
    "is still on the picture (the logarithm of the error).  \n**Evenly:** each percent is the same step."
)


def choose() -> None:
    """The choice between the two."""
    state.place(_KEY, is_even())
    elements.switch(said("Accuracy spaced"), _WORDS, usual=is_even(), key=_KEY, help=_HELP, on_change=_chosen)


def is_even() -> bool:
    """Whether the last view's is."""
    return (state.last() or View()).axes.is_even


def in_link() -> dict[str, str]:
    """What the address of a page says that shows no view; read from it on arrival at the page."""
    if SCALE in st.query_params and not menu.has_arrived():
        view = state.last() or View()
        state.show(replace(view, axes=replace(view.axes, is_even=st.query_params[SCALE] == EVEN)))
    return {SCALE: EVEN} if is_even() else {}


def _chosen() -> None:
    def act(even: bool) -> None:
        state.choose(axes=replace(state.current().axes, is_even=even))

    state.follow(_KEY, act)
