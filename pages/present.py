"""Present: one page about one result for people who decide, and everything to take away."""

from __future__ import annotations

import streamlit as st

from pages.components import menu

menu.frame(menu.PRESENT, reads_link=True)

from compression import presentation  # noqa: E402  (only now, see `menu`)
from compression.result import Result  # noqa: E402
from pages.components import (  # noqa: E402
    assume,
    contest,
    export,
    full_screen,
    pick,
    present_start,
    stage,
)

AWAITED = "present_awaited"


def draw(picked: pick.Picked, result: Result) -> None:
    """The page from top to bottom."""
    recipe = picked.recipe
    known = contest.ask_answers([recipe, recipe.baseline()], key="present")
    if not full:
        with st.container(horizontal=True, horizontal_alignment="right", key="present_enter"):
            full_screen.button(full)
    stage.show_head(result)
    stage.show_numbers(result)
    left, right = st.columns(2, gap="large")
    with left:
        stage.show_chart(result, picked.results)
    with right:
        stage.show_meaning(result, assumed)
    risks = presentation.risks(result)
    if known is not None:
        names = contest.class_names(recipe.model, known[0].n_classes)
        risks = presentation.risks(result, known[0], known[1], names)
    stage.show_risk(risks, result)
    if full:
        full_screen.button(full)
        return
    assume.controls(assumed)
    export.show(export.Export(result, picked.results, assumed, risks))


assumed, full = assume.current(), full_screen.is_on()
also = presentation.parameters_of(assumed) | ({full_screen.FULL: "1"} if full else {})
if full:
    full_screen.hide_the_rest()
with st.container(key="present_choice"):
    picked = pick.one(also)
    assume.show_problem()
if picked is not None and picked.recipe.is_baseline:
    present_start.show(picked.recipe.model, picked.results)
elif picked is not None and picked.result is not None:
    draw(picked, picked.result)
elif picked is not None and contest.ask_answers([picked.recipe, picked.recipe.baseline()], key="present"):
    if st.session_state.get(AWAITED) == picked.recipe:
        st.error("Its measurement is gone from the store. Open it on Explore to measure it again.")
    else:
        st.session_state[AWAITED] = picked.recipe
        st.rerun()  # it was measured meanwhile, to be asked
