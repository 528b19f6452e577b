"""Alternatives: up to two more settings on the page, in the address too."""

from __future__ import annotations

import json
from collections.abc import Mapping

import streamlit as st

from compression.errors import CompressionError, InvalidRecipe
from compression.explain.alternatives import AT_MOST
from compression.recipe.recipe import Recipe
from compression.results.record import Result
from pages.components.asking import notices, pick
from pages.components.frame import menu
from pages.components.view import state
from pages.components.view.link import recipe_from

_KEPT, _PROBLEM, _PICKER = "present_beside", "present_beside_problem", "present_beside_picker"
PARAMETER = "beside"


def parameters() -> dict[str, str]:
    """What the address says of them; read from it on arrival at the page."""
    if (PARAMETER in st.query_params or menu.goes_back()) and not menu.has_arrived():
        _open_link(st.query_params.get(PARAMETER, "[]"), st.query_params.get("model"))
    content = [json.loads(recipe.to_short_json()) for recipe in _kept()]
    for part in content:
        del part["model"]
    return {PARAMETER: json.dumps(content, separators=(",", ":"))} if content else {}


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
    st.session_state[_KEPT] = tuple(Recipe.model_validate(results[name].recipe) for name in names)
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
        content = json.loads(text)
        if not isinstance(content, list) or len(content) > AT_MOST:
            raise InvalidRecipe(f"Its `{PARAMETER}` must be a list of at most {AT_MOST} recipes.")
        st.session_state[_KEPT] = tuple(recipe_from(json.dumps(part), model) for part in content)
    except (ValueError, RecursionError) as error:
        st.session_state[_PROBLEM] = f"Its `{PARAMETER}` cannot be read as JSON ({error}). Copy the whole link again."
    except CompressionError as error:
        st.session_state[_PROBLEM] = str(error)
