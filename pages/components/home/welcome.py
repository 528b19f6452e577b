"""The top of the home page: what this is, and the default model being compressed live."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from compression.errors import CompressionError
from compression.models.subject import known_models, model_title
from compression.recipe.words import recipe_in_words
from compression.work import dispatcher
from pages.components.asking import notices, work
from pages.components.explore import charts, progress
from pages.components.frame import menu
from pages.components.shown import elements
from pages.components.view import state
from pages.components.view.link import View, parameters_of, view_of

CHART_HEIGHT = 340


def introduction() -> None:
    """What this is, in a few lines."""
    st.title("How small can a network get?", anchor=False)
    st.markdown(
        "Prune it, quantize it, or train a smaller student, and see what that costs. Every point is **measured**: "
        "the bytes of a file that decodes to the network, its accuracy on images that chose nothing, "
        "and the time ONNX Runtime takes, each with its uncertainty."
    )


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

_LOOKED_AT = 50
"""So many of the newest jobs are searched for a setting to go on with."""


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
    """A link back to what was looked at last, in this browser session or before."""
    view = state.last() or _last_asked()
    if view is None or view == View():
        return
    words = f"Continue where you left off: {model_title(view.model)}"
    menu.link(menu.EXPLORE, words, parameters_of(view), ":material/history:")
    st.caption(f":material/conversion_path: {recipe_in_words(view.recipe)}")


def _last_asked() -> View | None:
    """The newest setting that anybody measured by hand on this machine."""
    try:
        recent = [job.recipe for job in dispatcher.get_dispatcher().store.queue.last_asked(_LOOKED_AT)]
    except CompressionError:
        return None
    chosen = (recipe for recipe in recent if not recipe.is_baseline and recipe.model in known_models())
    return next(map(view_of, chosen), None)
