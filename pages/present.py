"""Present: one page about one result for people who decide, and everything to take away."""

from __future__ import annotations

import streamlit as st

from pages.components.frame import menu

menu.frame("Present", reads_link=True)

from compression.explain import presentation
from compression.results.record import Result
from pages.components.asking import pick, waiting
from pages.components.compare import contest
from pages.components.present import assume, beside, export, full_screen, stage, start
from pages.components.shown import against
from pages.components.view import spacing


def draw(picked: pick.Picked, result: Result, others: tuple[Result, ...]) -> None:
    """The page from top to bottom."""
    if full:
        full_screen.hide_the_rest()
    recipe = picked.recipe
    known = contest.ask_answers([recipe, recipe.baseline()], key="present")
    if not full:
        with st.container(horizontal=True, horizontal_alignment="right", key="present_enter"):
            full_screen.button(full)
    measured = picked.results.values()
    judged = against.judge(result, measured)
    stage.show_head(result, judged)
    stage.show_numbers(result)
    stage.show_why(result, judged, measured, alone=full)
    if not full:
        spacing.choose()
    stage.show_charts(result, picked.results, others)
    risks = presentation.risks(result)
    if known is not None:
        names = contest.class_names(recipe.model, known[0].n_classes)
        risks = presentation.risks(result, known[0], known[1], names)
    left, right = st.columns(2, gap="large")
    with left:
        stage.show_meaning(result, assumed)
    with right:
        stage.show_risk(risks, judged)
    if others:
        stage.show_options(presentation.options(result, others, measured))
    if full:
        full_screen.button(full)
        return
    assume.controls(assumed)
    export.show(export.Export(result, picked.results, assumed, risks, others))


assumed, full = assume.current(), full_screen.is_on()
also = beside.parameters() | presentation.parameters_of(assumed) | ({full_screen.FULL: "1"} if full else {})
with st.container(key="present_choice"):
    picked = pick.one(also)
    others = beside.choose(picked) if picked and picked.result and not picked.recipe.is_baseline else ()
assume.show_problem()
if picked is not None and picked.recipe.is_baseline:
    start.show(picked.recipe.model, picked.results)
elif picked is not None and picked.result is not None:
    draw(picked, picked.result, others)
elif picked is not None:
    waiting.measure([picked.recipe], "picked", key="present")
