"""The top of the home page: what this is, and the default model being compressed live."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from urllib.parse import parse_qsl, unquote

import streamlit as st

from compression import units
from compression.errors import CompressionError
from compression.models.subject import DEFAULT_MODEL, Subject, model_title, subject_of
from compression.recipe.words import recipe_in_words
from pages.components.asking import notices, work
from pages.components.explore import charts, progress
from pages.components.frame import browser, menu
from pages.components.shown import elements, glossary
from pages.components.view import state
from pages.components.view.link import View, parameters_of, view_from

CHART_HEIGHT = 340


def introduction() -> None:
    """What this is, in a few lines, and one way to begin."""
    st.title("How small can a neural network get?", anchor=False)
    with contextlib.suppress(CompressionError):  # a card that cannot be read is told below, on the model's own
        st.markdown(_question(subject_of(DEFAULT_MODEL)))
    st.markdown(
        "Make its numbers coarser, leave some out, or train a smaller network in its place, and see what that costs. "
        "Every point is **measured**: the bytes of a file that decodes to the network, its accuracy on images that it "
        "never saw, and the time it takes, each with its uncertainty."
    )
    with st.container(horizontal=True, vertical_alignment="center", key="start"):
        menu.link(menu.EXPLORE, "Try it: make it smaller", {"model": DEFAULT_MODEL}, ":material/play_arrow:")
        glossary.show()


def _question(subject: Subject) -> str:
    """In plain words, with the model's own numbers."""
    whole = FLOAT_BYTES * subject.card["params"]
    task, wish = subject.entry.task.partition(",")[0].lower(), float(f"{whole / WISH:.0e}")
    return (
        f"A small neural network that has learned to {task} takes **{units.size(whole)}**. "
        f"Can it be **{units.size(wish).replace('.0 ', ' ')}**, and still be right as often?"
    )


FLOAT_BYTES = 4
"""Of a number as networks are trained with."""

WISH = 35
"""About so many times smaller is asked for: as much as people hope, and more than any one slider gives."""


WAYS = {
    "Tune": (
        "Move sliders, set limits, and find the smallest or fastest setting that is still good enough.",
        menu.EXPLORE,
        "Explore a model",
    ),
    "Learn or teach": (
        "Nine short chapters with live pictures. You guess first, then the measurement answers.",
        "Learn",
        "Open the course",
    ),
    "Convince": (
        "One page for people who decide: what is won, what it means, what is at risk. With files to hand out.",
        "Present",
        "Present a result",
    ),
}
"""Why people come: a sentence, the page for it, and what the link to that says."""


def ways() -> None:
    """Where to go, for each of the three kinds of people who come."""
    for title, (about, page, label) in elements.grid(tuple(WAYS.items()), len(WAYS)):
        with st.container(border=True, height="stretch", gap="small"):
            st.markdown(f"**{title}**  \n{about}")
            menu.link(page, label)


@notices.told
def live() -> None:
    """The default model's curves, growing without a click."""
    if charts.was_clicked():
        st.switch_page("pages/explore.py", query_params=parameters_of(state.last() or View()))
    view = View()
    work.want(view)
    seen = work.snapshot(view)
    notices.show_dispatcher(seen)
    st.header(f"Live: {model_title(view.model)}", anchor=False)
    data = replace(charts.numbers(seen), current=None, guess=None)
    charts.show_legend(data, with_setting=False)
    for side in elements.grid(charts.SIDES, 2):
        charts.show(seen, data, side, height=CHART_HEIGHT)
    progress.show(seen, with_setting=False)


def resume() -> None:
    """A link back to what was looked at last, in this visit or in an earlier one of this browser."""
    view = state.last() or _last_seen()
    if view is None or view == View():
        return
    words = f"Continue where you left off: {model_title(view.model)}"
    menu.link(menu.EXPLORE, words, parameters_of(view), ":material/history:")
    st.caption(f":material/conversion_path: {recipe_in_words(view.recipe)}")


def _last_seen() -> View | None:
    """What Explore's address said when this browser saw it last."""
    try:
        return view_from(dict(parse_qsl(unquote(browser.read(browser.LAST_VIEW)))))
    except CompressionError:
        return None
