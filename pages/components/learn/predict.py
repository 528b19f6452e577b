"""Predict, then reveal: a guess first, then a real measurement judges it."""

from __future__ import annotations

import contextlib

import streamlit as st

from compression.errors import CompressionError
from compression.explain.quiz import Question, judge
from compression.models.subject import subject_of
from compression.recipe.budgets import training_seconds
from compression.store import guesses
from compression.units import duration
from pages.components.asking import desk, waiting
from pages.components.compare import contest
from pages.components.frame import browser, classroom
from pages.components.learn import class_guesses, course

LONG_SECONDS = 5
"""A measurement that trains longer than this is announced."""


def show(chapter: str, question: Question) -> None:
    """The question about the chapter's setting. Guesses and answers stay, also for the next visit of this browser."""
    name = "-".join([chapter, *(recipe.recipe_id for recipe in question.recipes)])
    with st.container(border=True, key="predict"):
        st.header(":material/psychology_alt: Predict, then measure", anchor=False)
        st.markdown(question.text)
        if classroom.here().is_taught:
            _teach(chapter, question, name)
        else:
            _ask(chapter, question, name)


def _ask(chapter: str, question: Question, name: str) -> None:
    """One chooses, then sees what the class thinks, if there is one, and what was measured."""
    kept, room = course.current(), classroom.here()
    key = f"predict_choice_{room.name}_{name}"
    words, sent = question.choices, kept.guesses.get(name)
    if sent is not None and sent.choice in words:
        st.session_state.setdefault(key, words[sent.choice])
    revealed, is_sent = name in kept.revealed, sent is not None
    guess = st.radio(
        "Your prediction",
        list(words.values()),
        index=None,
        key=key,
        disabled=revealed or (bool(room.name) and is_sent),
        persist_state="session",
    )
    choice = next((one for one, said in words.items() if said == guess), None)
    if revealed and choice is not None:
        _reveal(chapter, question, name, guess)
        return
    if room.name and is_sent:
        class_guesses.watch(question, name)
    if room.name and not is_sent:
        label, icon, act = "Send my guess", "send", course.guessed
    else:
        label, icon, act = "Reveal: measure it now", "visibility", course.revealed
    st.button(
        label,
        type="primary",
        icon=f":material/{icon}:",
        disabled=choice is None,
        key="predict_reveal" if act is course.revealed else "predict_send",
        help=None if choice else "Choose an answer first.",
        on_click=act,
        args=(name, choice),
    )
    _announce(question)


def _teach(chapter: str, question: Question, name: str) -> None:
    """Nothing is given away: how many have guessed, what they guess, what was measured, each when the teacher says."""
    if name in course.current().revealed:
        _reveal(chapter, question, name, None)
        return
    key = f"class_show_{name}"
    if not st.session_state.get(key):  # else they stand beside the bars
        st.markdown("\n".join(f"- {words}" for words in question.choices.values()))
    shown = st.toggle("Show the guesses", key=key)
    class_guesses.watch(question, name, only_counted=not shown)
    st.button(
        "Reveal: measure it now",
        type="primary",
        icon=":material/visibility:",
        key="predict_reveal",
        on_click=course.revealed,
        args=(name, None),
    )
    _announce(question)


def _announce(question: Question) -> None:
    """What the measurement will take, where somebody might wonder."""
    seconds = sum(training_seconds(subject_of(recipe.model), recipe) for recipe in question.recipes)
    words = "The engine compresses the network, writes the file, decodes it, and measures what it decoded."
    if seconds > LONG_SECONDS:
        words += f" It trains for this: about {duration(seconds)}."
    st.caption(words)


def _reveal(chapter: str, question: Question, name: str, guess: str | None) -> None:
    found = waiting.measure(question.recipes, "learn", key="predict")
    results = [result for result in found if result is not None]
    if len(results) < len(found):
        return
    answers = contest.ask_answers(question.recipes, key="predict_answers") if question.needs_answers else []
    if answers is None:
        return
    if guess is not None:
        with contextlib.suppress(CompressionError):  # the next visit asks again then
            guesses.answer(desk.store(), browser.visitor(), name)
        course.finish(chapter)
    judged = judge(question, guess, results, answers)
    with st.container(key="answer"):
        if guess is None:
            st.info(f"**Measured.** {judged.said}", icon=":material/visibility:")
        elif judged.is_right:
            st.success(f"**Well predicted.** {judged.said}", icon=":material/check_circle:")
        else:
            st.info(f"**A surprise.** {judged.said}", icon=":material/lightbulb:")
        if classroom.here().name:
            class_guesses.show(question, name, true=judged.choice)
        st.markdown(judged.explanation)
