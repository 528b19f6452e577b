"""Why is it not smaller, not faster? The rules that fired, each with its remedy, and those that did not."""

from __future__ import annotations

import streamlit as st

from compression.explain.reasons import Finding, Question, findings
from compression.explain.verdict import size_words, speed_words
from compression.recipe.words import recipe_in_words
from pages.components.frame import menu
from pages.components.inspect.position import Seen
from pages.components.shown import elements
from pages.components.view.link import parameters_of, view_of

_TITLES: dict[Question, str] = {"size": "What keeps it from being smaller", "speed": "What keeps it from being faster"}


def show(seen: Seen) -> None:
    """Size on the left, speed on the right."""
    st.caption(
        "Each rule was tried on what was measured of this very setting: its files, its layers, its nodes, this machine."
    )
    for question in elements.grid(list(_TITLES), 2, gap="large"):
        _question(seen, question, findings(question, seen.result, seen.anatomy))


def _question(seen: Seen, question: Question, found: list[Finding]) -> None:
    now = size_words(seen.result) if question == "size" else speed_words(seen.result)
    st.markdown(f"**{_TITLES[question]}** · {now}" if seen.recipe.steps else f"**{_TITLES[question]}**")
    fired = [one for one in found if one.fired]
    if not fired:
        st.caption("No rule names a cause.")
    for number, one in enumerate(fired):
        _finding(one, f"{question}_{number}")
    rest = [one for one in found if not one.fired]
    if rest:
        with st.expander(f"Checked, not the cause ({len(rest)})", icon=":material/rule:"):
            for one in rest:
                st.markdown(f"- **{one.title}?** No. {one.measured}")


def _finding(one: Finding, key: str) -> None:
    with st.container(border=True, key=f"cause_{key}"):
        st.markdown(f":material/lightbulb: **{one.title}**")
        st.markdown(f"*Measured:* {one.measured}")
        st.markdown(f"*Remedy:* {one.remedy}")
        if one.recipe is not None:
            words = f"Try it on Explore: {recipe_in_words(one.recipe)}"
            menu.link(menu.EXPLORE, words, parameters_of(view_of(one.recipe)))
