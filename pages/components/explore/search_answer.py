"""What a search found: the best, how it stands to each limit, who is beside it, and what loosening would buy."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from compression import units
from compression.explain.presentation import AT_MOST
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.results.score import said
from compression.search.answer import Answer, Beside, sentences
from compression.search.limits import State
from pages.components.asking import pick
from pages.components.asking.work import Snapshot
from pages.components.explore import parts
from pages.components.frame import menu
from pages.components.present import beside
from pages.components.shown import elements
from pages.components.view import state
from pages.components.view.link import View, parameters_of, text_of, view_of

_NUMBERS = ("stored", "runtime", "accuracy", "difference", "ratio", "memory")
_SIGNS: dict[State, str] = {
    "kept": ":green[:material/check_circle:] kept",
    "perhaps": ":orange[:material/help:] perhaps",
    "not kept": ":red[:material/cancel:] not kept",
}


def title(found: Answer) -> str:
    """On one line, for what is closed."""
    return said(f"**The answer:** {found.wish.words}")


def show(seen: Snapshot, found: Answer) -> None:
    """Everything, the most important first."""
    first, *_ = sentences(found)
    box = st.error if found.best is None else st.success if found.is_met else st.warning
    box(f"**{first}**", icon=":material/flag:")
    shown = found.shown
    if shown is None:
        return
    for one in found.limits:
        st.markdown(f"{_SIGNS[one.state]}: {one.words}")
    st.caption(" · ".join(f"{METRICS[key].words} **{METRICS[key].said(shown)}**" for key in _NUMBERS))
    _ways(seen, found, shown)
    _why_not(found)
    for other in found.others:
        _other(other, found)
    for price in found.prices:
        _line(f":material/lock_open: {units.capital(price.words)}.", price.result, found)


def _why_not(found: Answer) -> None:
    """What is in the way, and what was left out."""
    if found.passed_over:
        settings = units.counted(found.passed_over, "setting")
        st.caption(f"{units.capital(settings)} looked better on validation images and did not hold on test images.")
    for one in found.needed:
        st.markdown(f":material/lock_open: If only this limit gave way: {one.words}.")
    if found.wish.limits.are_set and found.best is not None and not found.prices:
        st.caption(":material/lock: No limit is in the way: loosening one a little brings nothing measured.")


def _ways(seen: Snapshot, found: Answer, shown: Result) -> None:
    """Where to take the best from here."""
    view = _view_of(shown, found)
    parameters = parameters_of(view)
    others = [one.result.parsed_recipe for one in found.others]
    compared = list(dict.fromkeys([view.recipe.baseline(), view.recipe, *others]))[: pick.AT_MOST]
    alternatives = [one for one in others if one != view.recipe and not one.is_baseline][:AT_MOST]
    also = {beside.PARAMETER: text_of(alternatives, with_model=False)} if alternatives else {}
    with st.container(horizontal=True, vertical_alignment="center", key="search_ways"):
        is_shown = (seen.view.recipe, seen.view.limits) == (view.recipe, view.limits)
        st.button(
            "Shown on this page" if is_shown else "Show it",
            icon=":material/my_location:",
            type="primary",
            disabled=is_shown,
            key="show_found",
            on_click=parts.show,
            args=(view,),
        )
        menu.link("Inspect", query=parameters)
        menu.link("Compare", query={"recipes": text_of(compared)})
        menu.link("Present", query=parameters | also)
        elements.download_files(shown, key="found")


def _view_of(result: Result, found: Answer) -> View:
    """The setting under the wish that it was found for."""
    view = view_of(result.parsed_recipe, state.current())
    return replace(view, limits=found.wish.limits, target=found.wish.target)


def _other(other: Beside, found: Answer) -> None:
    numbers = ", ".join(METRICS[key].said(other.result) for key in ("stored", "accuracy", "ratio"))
    why = units.capital(said(other.why))
    _line(f":material/compare_arrows: **{why}:** {other.result.words}: {numbers} of the time", other.result, found)


def _line(words: str, result: Result, found: Answer) -> None:
    """A sentence about a setting, and the way there."""
    told, way = st.columns([7, 1], vertical_alignment="center")
    told.markdown(words)
    with way:
        key = f"found_{result.recipe_id}_{len(words)}"
        st.button("Show it", key=key, on_click=parts.show, args=(_view_of(result, found),))
