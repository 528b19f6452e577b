"""Present: one page about one result for people who decide, and everything to take away."""

from __future__ import annotations

import streamlit as st

from pages.components import menu

menu.frame(menu.PRESENT, reads_link=True)

from compression import presentation  # noqa: E402  (only now, see `menu`)
from compression.classes import Answers  # noqa: E402
from compression.recipe import Recipe  # noqa: E402
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


def answers_of(recipe: Recipe) -> tuple[Answers, Answers] | None:
    """What the result and the original answer to each test image, as soon as that is known."""
    found = contest.ask_answers([recipe, recipe.baseline()], key="present")
    return (found[0], found[1]) if found else None


def draw(result: Result, results: dict[str, Result], answers: tuple[Answers, Answers] | None) -> None:
    """The page from top to bottom."""
    stage.show_head(result)
    stage.show_numbers(result)
    left, right = st.columns([3, 3], gap="large")
    with left:
        stage.show_chart(result, results)
    with right:
        stage.show_meaning(result, assumed)
    names = contest.class_names(picked.recipe.model, answers[0].n_classes) if answers else ()
    risks = presentation.risks(result, *(answers or ()), names=names)
    stage.show_risk(risks, result)
    with st.container(key="present_controls"):
        assume.controls(assumed)
        if not full:
            export.show(export.Export(result, results, assumed, risks))
    full_screen.button(full)


assumed, full = assume.current(), full_screen.is_on()
also = presentation.parameters_of(assumed) | ({full_screen.FULL: "1"} if full else {})
if full:
    full_screen.hide_the_rest()
with st.container(key="present_choice"):
    picked = pick.one(also)
    assume.show_problem()
if picked is not None:
    known = answers_of(picked.recipe)
    if picked.recipe.is_baseline:
        present_start.show(picked.recipe.model, picked.results)
    elif picked.result is not None:
        draw(picked.result, dict(picked.results), known)
