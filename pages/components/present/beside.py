"""Alternatives: up to two more settings on the page, in the address too."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from compression.errors import CompressionError
from compression.explain.presentation import AT_MOST
from compression.recipe.recipe import Recipe
from compression.results.record import Result
from pages.components.asking import notices, pick
from pages.components.frame import menu
from pages.components.view import state
from pages.components.view.link import recipes_from, text_of

_KEPT, _PROBLEM, _PICKER = "present_beside", "present_beside_problem", "present_beside_picker"
PARAMETER = "beside"


def parameters() -> dict[str, str]:
    """What the address says of them; read from it on arrival at the page."""
    if (PARAMETER in st.query_params or menu.goes_back()) and not menu.has_arrived():
        _open_link(st.query_params.get(PARAMETER, "[]"), st.query_params.get("model"))
    return {PARAMETER: text_of(kept, with_model=False)} if (kept := _kept()) else {}


def choose(picked: pick.Picked) -> tuple[Result, ...]:
    """Pick them among the measured settings; those that are measured, in the order chosen."""
    if problem := st.session_state.get(_PROBLEM):
        notices.show_problem(f"This link's alternatives cannot be read. {problem}")
    offered = {
        name: words
        for name, words in pick.labels(picked.results, _kept()).items()
        if name in picked.results and name not in (picked.recipe.recipe_id, picked.recipe.baseline().recipe_id)
    }
    key = f"{_PICKER}_{picked.recipe.recipe_id}"
    chosen = [recipe.recipe_id for recipe in _kept() if recipe.recipe_id in offered]
    state.place(key, chosen)
    st.multiselect(
        f"Alternatives beside it (up to {AT_MOST})",
        list(offered),
        default=chosen,
        format_func=lambda name: offered.get(name, name),
        key=key,
        max_selections=AT_MOST,
        placeholder="None",
        help="More settings of this model for the chart, the table of alternatives and the report.",
        on_change=_chosen,
        args=(key, picked.results),
    )
    return tuple(picked.results[name] for name in chosen)


def _chosen(key: str, results: Mapping[str, Result]) -> None:
    if key not in st.session_state:
        return
    names = [name for name in st.session_state[key] if name in results]
    st.session_state[_KEPT] = tuple(results[name].parsed_recipe for name in names)
    st.session_state.pop(_PROBLEM, None)


def _kept() -> tuple[Recipe, ...]:
    """Those of the model that is shown."""
    found: tuple[Recipe, ...] = st.session_state.get(_KEPT, ())
    model = state.current().model
    return tuple(recipe for recipe in found if recipe.model == model)


def _open_link(text: str, model: str | None) -> None:
    st.session_state.pop(_PROBLEM, None)
    st.session_state[_KEPT] = ()
    try:
        st.session_state[_KEPT] = recipes_from(text, PARAMETER, AT_MOST, model)
    except CompressionError as error:
        st.session_state[_PROBLEM] = str(error)
