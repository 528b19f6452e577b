"""Where a student is in the course: chapter, model, layer and the chapter's controls, in the session and in the URL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compression.errors import CompressionError
from compression.models.layers import usual_layer
from compression.models.subject import DEFAULT_MODEL, known_models, model_title, subject_of
from compression.results import score
from compression.store import guesses
from compression.store.guesses import Guess
from pages.components.asking import desk, notices
from pages.components.frame import browser, classroom, menu
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.shown import elements
from pages.components.view import state

T = TypeVar("T")

_COURSE = "course"
_WRONG = {
    "model": "There is no model {said}. Choose one of: {options}.",
    "layer": "This model has no layer {said}. Choose one of: {options}.",
}
"""What is said of a link's value that does not exist, where it is no position of a chapter's own control."""


@dataclass
class Course:
    """What is kept of this visit.

    `settings` has where controls are, by what they belong to (a chapter, a model, or "" for all) and their names;
    `asked` is what a link says of controls that are not drawn yet, and `shown` what the next link says.
    `guesses` are by question, with the choices' names, and `revealed` the questions whose answer may be seen: those of
    the class (or of none) called `room`. `question_place` is where the page that is being drawn has its question.
    """

    chapter: str = ""
    settings: dict[tuple[str, str], object] = field(default_factory=lambda: {("", "model"): DEFAULT_MODEL})
    asked: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    room: str | None = None
    guesses: dict[str, Guess] = field(default_factory=dict)
    revealed: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    question_place: DeltaGenerator | None = None


def current() -> Course:
    """The course of this visit."""
    course: Course = st.session_state.setdefault(_COURSE, Course())
    return course


def arrive(chapters: Mapping[str, Chapter]) -> Chapter:
    """The chapter to show: what the URL asks for on arrival at the page, else where the student was."""
    course = current()
    asked = {name: said for name, said in st.query_params.to_dict().items() if name not in classroom.PARAMETERS}
    if asked and not menu.has_arrived():
        name = asked.pop("chapter", "")
        go(name if name in chapters else "")
        course.asked = asked
        if name and name not in chapters:
            course.problems.append(f"There is no chapter {name[:80]!r}. Choose from: {', '.join(chapters)}.")
    menu.arrive()
    recall()
    course.chapter = course.chapter or next(iter(chapters))
    course.shown = {"chapter": course.chapter}
    return chapters[course.chapter]


def go(chapter: str) -> None:
    """Open another chapter; in a callback."""
    course = current()
    course.chapter, course.asked, course.problems = chapter, {}, []


def recall() -> None:
    """Know what this browser guessed in earlier visits, in the class where it is now; a teacher begins anew."""
    course, room = current(), classroom.here()
    if course.room == room.name:
        return
    course.room, course.guesses = room.name, {}
    if not room.is_taught:
        with contextlib.suppress(CompressionError):  # what is drawn next meets the same, and says it
            course.guesses = guesses.of_visitor(desk.store(), browser.visitor())
    course.revealed = {question for question, guess in course.guesses.items() if guess.is_answered}
    course.finished = {_chapter_of(question) for question in course.revealed}


def _chapter_of(question: str) -> str:
    return question.partition("-")[0]


def guessed(question: str, choice: str) -> None:
    """In a callback: note a guess, here and for the next visit."""
    current().guesses[question] = Guess(choice)
    with contextlib.suppress(CompressionError):  # it counts in this visit all the same
        guesses.give(desk.store(), browser.visitor(), question, choice)


def revealed(question: str, choice: str | None) -> None:
    """In a callback: the answer may be seen; `choice` is the guess, None where a teacher asks."""
    if choice is not None and question not in current().guesses:
        guessed(question, choice)
    current().revealed.add(question)


def finish(chapter: str) -> None:
    """Note that a chapter's question was answered by a measurement; the first time the outline is drawn anew."""
    done = current().finished
    if chapter not in done:
        done.add(chapter)
        st.rerun()


def show_problems() -> None:
    """What was wrong with the link, until something is changed."""
    if said := classroom.problem():
        notices.show_problem(said)
    for problem in current().problems:
        notices.show_problem(f"This link is not quite right, so you see the usual choice. {problem}")


def write_link() -> None:
    """Write into the URL what was drawn."""
    menu.write_address(current().shown)


def choose_lesson(chapter: Chapter) -> Lesson:
    """Choose the model and, where the chapter is about one, the layer. Raises `CorruptFile` without the weights."""
    with st.container(key="course_lesson", horizontal=True, gap="medium", vertical_alignment="bottom"):
        model = _select(
            "model",
            "",
            chapter.models,
            {name: model_title(name) for name in known_models()},
            chapter.models[0],
            label="Network",
            width=250,
            help="A small trained network. Everything in this chapter is computed and measured on it.",
        )
        subject = subject_of(model)
        score.judge_by(subject.data.has_labels)
        layers = {layer.name: layer for layer in chapter.layers(subject)}
        usual = usual_layer(tuple(layers.values()))
        if not chapter.uses_layer:
            return Lesson(subject, usual)
        name = _select(
            "layer",
            model,
            list(layers),
            {layer.name: layer.title for layer in subject.layers},
            usual.name,
            label="Layer",
            width=300,
            help="One part of the network, with its own weights. Large layers take some seconds the first time.",
        )
    return Lesson(subject, layers[name])


def _select(
    name: str,
    of: str,
    options: Sequence[str],
    titles: Mapping[str, str],
    usual: str,
    **look: Any,  # noqa: ANN401  (of Streamlit's control)
) -> str:
    """A choice that chapters share, kept for `of`; some of the `titles` may be no options here."""
    value, key, chosen = _control(name, options, usual, of, titles)
    place = options.index(value)
    st.selectbox(options=options, index=place, format_func=titles.__getitem__, key=key, on_change=chosen, **look)
    return value


def slider(
    name: str, label: str, options: Sequence[T], usual: T, *, words: Callable[[T], str] = str, help_text: str = ""
) -> T:
    """A control of the chapter with these positions, at its own place in the session and in the URL."""
    value, key, chosen = _control(name, options, usual)
    st.select_slider(label, options, value, format_func=words, key=key, help=help_text or None, on_change=chosen)
    return value


def switch(name: str, label: str, options: Mapping[str, str], usual: str, help_text: str = "") -> str:
    """A choice of a few things; `options` has the words for each."""
    value, key, chosen = _control(name, list(options), usual)
    elements.switch(label, options, usual=value, key=key, help=help_text or None, on_change=chosen)
    return value


def beside_question() -> DeltaGenerator:
    """Where controls belong that only the question is about."""
    place = current().question_place
    assert place is not None  # the page makes it before it shows the chapter
    return place


def _control(
    name: str, options: Sequence[T], usual: T, of: str | None = None, known: Mapping[T, str] | None = None
) -> tuple[T, str, Callable[[], None]]:
    """Where a control is, its widget's key, and what to do when it moves; it is the chapter's own, or kept for `of`.

    A link may say any of the `known` ones, or else of the options. Widgets are told their position twice, as their
    default too: where two runs of the page follow each other closely, a browser may miss the first and would start a
    control at its beginning.
    """
    course = current()
    place = (course.chapter if of is None else of, name)
    if name in course.asked:
        _take_from_link(course, place, known or options)
    kept = course.settings.get(place)
    value = next((option for option in options if option == kept), usual)
    key = "_".join(part for part in (_COURSE, course.chapter, of, name) if part)
    if st.session_state.get(key) != value:
        st.session_state[key] = value

    def chosen(position: object) -> None:
        course.settings[place] = position
        course.problems = []

    course.shown[name] = str(value)
    return value, key, lambda: state.follow(key, chosen)


def _take_from_link(course: Course, place: tuple[str, str], options: Collection[object]) -> None:
    _, name = place
    said = course.asked.pop(name)
    found = [option for option in options if str(option) == said]
    if found:
        course.settings[place] = found[0]
    else:
        wrong = _WRONG.get(name, "Its {name} must be one of {options}, but is {said}.")
        course.problems.append(wrong.format(name=name, options=", ".join(map(str, options)), said=repr(said[:80])))
