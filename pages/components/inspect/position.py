"""What the parts of the Inspect page show, and the layer that is chosen, in session state and in the address."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from compression.inquiries.anatomy import Anatomy
from compression.recipe.recipe import Recipe
from compression.results.record import Result
from pages.components.frame import menu
from pages.components.view import state

_LAYER, _LAYER_KEY = "inspect_layer", "inspect_layer_select"


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


def parameters() -> dict[str, str]:
    """What the address says of the layer; read from it on arrival at the page."""
    if ("layer" in st.query_params or menu.goes_back()) and not menu.has_arrived():
        choose(st.query_params.get("layer", ""))
    layer = st.session_state.get(_LAYER)
    return {"layer": layer} if layer else {}


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
