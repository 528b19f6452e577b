"""Where a student is in the course: chapter, model, layer and the chapter's controls, in the session and in the URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import streamlit as st

from compression.errors import CompressionError
from compression.models.layers import LayerInfo, usual_layer
from compression.models.subject import DEFAULT_MODEL, known_models, model_title, subject_of
from pages.components.asking import notices
from pages.components.frame import menu
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.shown import elements
from pages.components.view import state

T = TypeVar("T")

_COURSE, _WIDGET = "course", "course_"
_OWN = ("chapter", "model", "layer")


@dataclass
class Course:
    """What is kept of this visit. `asked` is what a link says of controls that are not drawn yet."""

    chapter: str = ""
    model: str = DEFAULT_MODEL
    layers: dict[str, str] = field(default_factory=dict)
    settings: dict[tuple[str, str], object] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)


def current() -> Course:
    """The course of this visit."""
    course: Course = st.session_state.setdefault(_COURSE, Course())
    return course


def arrive(chapters: Mapping[str, Chapter]) -> Chapter:
    """The chapter to show: what the URL asks for on arrival at the page, else where the student was."""
    course = current()
    asked = st.query_params.to_dict()
    if asked and not menu.has_arrived():
        _open_link(asked, chapters)
    menu.arrive()
    course.chapter = course.chapter or next(iter(chapters))
    course.shown = {}
    return chapters[course.chapter]


def _open_link(asked: Mapping[str, str], chapters: Mapping[str, Chapter]) -> None:
    course = current()
    course.problems = []
    name, model = asked.get("chapter", ""), asked.get("model", "")
    if name and name not in chapters:
        course.problems.append(f"There is no chapter {name[:80]!r}. Choose from: {', '.join(chapters)}.")
    course.chapter = name if name in chapters else next(iter(chapters))
    if model and model not in known_models():
        course.problems.append(f"There is no model {model[:80]!r}. Choose one of: {', '.join(known_models())}.")
    elif model:
        course.model = model
    if "layer" in asked and (not model or model in known_models()):
        _ask_for_layer(course, asked["layer"])
    course.asked = {key: value for key, value in asked.items() if key not in _OWN}
    _forget_widgets()


def _ask_for_layer(course: Course, layer: str) -> None:
    try:
        names = [info.name for info in subject_of(course.model).layers]
    except CompressionError:  # said where the layer is chosen
        return
    if layer in names:
        course.layers[course.model] = layer
    else:
        course.problems.append(f"This model has no layer {layer[:80]!r}. Choose one of: {', '.join(names)}.")


def _forget_widgets() -> None:
    """Controls are put anew where the course says."""
    for key in [key for key in st.session_state if str(key).startswith(_WIDGET)]:
        del st.session_state[key]


def go(chapter: str) -> None:
    """Open another chapter; in a callback."""
    course = current()
    course.chapter, course.asked, course.problems = chapter, {}, []


def finish(chapter: str) -> None:
    """Note that a chapter's question was answered by a measurement; the first time the outline is drawn anew."""
    done = current().done
    if chapter not in done:
        done.add(chapter)
        st.rerun()


def show_problems() -> None:
    """What was wrong with the link, until something is changed."""
    for problem in current().problems:
        notices.show_problem(f"This link is not quite right, so you see the usual choice. {problem}")


def write_link() -> None:
    """Write into the URL what was drawn."""
    course = current()
    parameters = {"chapter": course.chapter, **course.shown}
    menu.write_address(parameters)


def choose_lesson(chapter: Chapter) -> Lesson:
    """Choose the model and, where the chapter is about one, the layer. Raises `CorruptFile` without the weights."""
    course = current()
    with st.container(key="course_lesson", horizontal=True, gap="medium", vertical_alignment="bottom"):
        model = _choose_model(course, chapter)
        subject = subject_of(model)
        layers = tuple(layer for layer in subject.layers if chapter.fits(layer))
        usual = usual_layer(layers)
        if not chapter.uses_layer:
            return Lesson(subject, usual)
        by_name = {layer.name: layer for layer in layers}
        name = course.layers.get(model, "")
        name = name if name in by_name else usual.name
        layer = _choose_layer(course, model, by_name, name)
    course.shown |= {"layer": layer.name}
    return Lesson(subject, layer)


def _choose_model(course: Course, chapter: Chapter) -> str:
    models = chapter.models
    model = course.model if course.model in models else models[0]
    key = _place(f"{chapter.name}_model", model)
    st.selectbox(
        "Network",
        models,
        index=models.index(model),
        format_func=model_title,
        key=key,
        width=300,
        help="A small trained network. Everything in this chapter is computed and measured on it.",
        on_change=lambda: state.follow(key, _set_model),
    )
    course.shown |= {"model": model}
    return model


def _set_model(model: str) -> None:
    course = current()
    course.model, course.asked, course.problems = model, {}, []
    _forget_widgets()


def _choose_layer(course: Course, model: str, layers: Mapping[str, LayerInfo], name: str) -> LayerInfo:
    key = _place(f"{course.chapter}_{model}_layer", name)

    def chosen(layer: str) -> None:
        course.layers[model] = layer
        course.asked, course.problems = {}, []

    st.selectbox(
        "Layer",
        list(layers),
        index=list(layers).index(name),
        format_func=lambda name: layers[name].title,
        key=key,
        width=340,
        help="One part of the network, with its own weights. Large layers take some seconds the first time.",
        on_change=lambda: state.follow(key, chosen),
    )
    return layers[name]


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


def _control(name: str, options: Sequence[T], usual: T) -> tuple[T, str, Callable[[], None]]:
    """Where a control is, its widget's key, and what to do when it moves."""
    course = current()
    place = (course.chapter, name)
    if name in course.asked:
        _take_from_link(course, name, options)
    value = course.settings.get(place, usual)
    if value not in options:
        value = usual
    key = _place(f"{course.chapter}_{name}", value)

    def chosen(position: object) -> None:
        course.settings[place] = position
        course.problems = []

    course.shown |= {name: str(value)}
    return value, key, lambda: state.follow(key, chosen)  # type: ignore[return-value]


def _take_from_link(course: Course, name: str, options: Sequence[object]) -> None:
    text = course.asked.pop(name)
    found = [option for option in options if str(option) == text]
    if found:
        course.settings[course.chapter, name] = found[0]
    else:
        shown = ", ".join(map(str, options))
        course.problems.append(f"Its {name} must be one of {shown}, but is {text[:80]!r}.")


def _place(name: str, value: object) -> str:
    """The key of a widget, which stands at `value`.

    Widgets are told that as their default too: where two runs of the page follow each other closely, a browser may
    miss the first and would start a control at its beginning.
    """
    key = f"{_WIDGET}{name}"
    if st.session_state.get(key, None) != value:
        st.session_state[key] = value
    return key
