"""Predict, then reveal: a guess first, then a real measurement judges it."""

from __future__ import annotations

import streamlit as st

from compression.explain.quiz import Question, judge
from compression.models.subject import subject_of
from compression.recipe.budgets import training_seconds
from compression.units import duration
from pages.components.asking import waiting
from pages.components.learn import course

LONG_SECONDS = 5
"""A measurement that trains longer than this is announced."""


def show(chapter: str, question: Question) -> None:
    """The question about the chapter's setting. Guesses and answers stay while the visit lasts."""
    name = "-".join([chapter, *(recipe.recipe_id for recipe in question.recipes)])
    revealed = course.current().revealed
    with st.container(border=True, key="predict"):
        st.header(":material/psychology_alt: Predict, then measure", anchor=False)
        st.markdown(question.text)
        guess = st.radio(
            "Your prediction",
            list(question.choices.values()),
            index=None,
            key=f"predict_choice_{name}",
            disabled=name in revealed,
            persist_state="session",
        )
        if name in revealed and guess is not None:
            _reveal(chapter, question, guess)
            return
        st.button(
            "Reveal: measure it now",
            type="primary",
            icon=":material/visibility:",
            disabled=guess is None,
            key="predict_reveal",
            help=None if guess else "Choose an answer first.",
            on_click=revealed.add,
            args=(name,),
        )
        _announce(question)


def _announce(question: Question) -> None:
    """What the measurement will take, where somebody might wonder."""
    seconds = sum(training_seconds(subject_of(recipe.model), recipe) for recipe in question.recipes)
    words = "The engine compresses the network, writes the file, decodes it, and measures what it decoded."
    if seconds > LONG_SECONDS:
        words += f" It trains for this: about {duration(seconds)}."
    st.caption(words)


def _reveal(chapter: str, question: Question, guess: str) -> None:
    found = waiting.measure(question.recipes, "learn", key="predict")
    results = [result for result in found if result is not None]
    if len(results) < len(found):
        return
    course.finish(chapter)
    judged = judge(question, guess, results)
    if judged.is_right:
        st.success(f"**Well predicted.** {judged.said}", icon=":material/check_circle:")
    else:
        st.info(f"**A surprise.** {judged.said}", icon=":material/lightbulb:")
    st.markdown(judged.explanation)
