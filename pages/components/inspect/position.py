"""Where on the Inspect page one is: the open tab and the chosen layer, in session state and in the address."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import streamlit as st

from compression.inquiries.anatomy import Anatomy
from compression.recipe.recipe import Recipe
from compression.results.record import Result
from pages.components.frame import menu
from pages.components.view import state

TAB = "inspect_tabs"
_TAB, _LAYER, _LAYER_KEY = "inspect_tab", "inspect_layer", "inspect_layer_select"


@dataclass(frozen=True)
class Seen:
    """What all parts of the page show."""

    recipe: Recipe
    result: Result
    anatomy: Anatomy

    @property
    def layers(self) -> list[str]:
        """Names of the network's layers, in the order in which it calls them."""
        return [row.name for row in self.anatomy.subject.layers]

    @property
    def layer(self) -> str:
        """The chosen layer; where there is none of that name, the one that takes most of the stored file."""
        chosen = st.session_state.get(_LAYER, "")
        if chosen in self.layers:
            return str(chosen)
        return max(self.anatomy.subject.layers, key=lambda row: row.stored_bytes).name


def arrive() -> None:
    """Read the address, when somebody arrives at the page; before `pick.one`."""
    if menu.has_arrived():
        return
    for name, key in (("tab", _TAB), ("layer", _LAYER)):
        if name in st.query_params or menu.goes_back():
            st.session_state[key] = st.query_params.get(name, "")
    if menu.goes_back() and st.session_state[_TAB]:
        st.session_state[TAB] = st.session_state[_TAB]


def parameters() -> dict[str, str]:
    """What the address says of it."""
    found = {"tab": st.session_state.get(_TAB, ""), "layer": st.session_state.get(_LAYER, "")}
    return {name: value for name, value in found.items() if value}


def tab(titles: Collection[str]) -> str | None:
    """The tab to open first; None for the usual one."""
    wanted = st.session_state.get(_TAB)
    return wanted if wanted in titles else None


def turned() -> None:
    """Another tab was opened."""
    st.session_state[_TAB] = st.session_state[TAB]


def choose(layer: str) -> None:
    """Another layer; only before the choice is drawn, or in a callback."""
    st.session_state[_LAYER] = layer


def choose_layer(seen: Seen) -> str:
    """The choice of a layer, the same for all tabs."""
    st.session_state[_LAYER_KEY] = seen.layer
    kinds = {row.name: row.kind for row in seen.anatomy.subject.layers}
    st.selectbox(
        "Layer",
        seen.layers,
        format_func=lambda name: f"{name} · {kinds.get(name, '')}",
        key=_LAYER_KEY,
        on_change=lambda: state.follow(_LAYER_KEY, choose),
        width=420,
    )
    return seen.layer
