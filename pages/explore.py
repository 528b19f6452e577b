"""Explore: three sliders, real measurements, live curves."""

from __future__ import annotations

import streamlit as st

from pages.components.frame import menu

menu.frame(menu.EXPLORE, reads_link=True)

from pages.components.asking import notices
from pages.components.explore import (
    charts,
    controls,
    foresight,
    hint,
    insight,
    live_search,
    outcome,
    parts,
    pinned,
    progress,
    wish_box,
)
from pages.components.view import model_card, state

left, right = st.columns([1, 3], gap="medium")
with left:
    side = st.container(key="controls")
with right:
    head, legend, pair, below = (st.container() for _ in range(4))


@st.fragment(key=parts.CHARTS)
def draw_charts() -> None:
    """What is known by now."""
    seen = parts.look(state.current())
    if seen is not None:
        charts.show_pair(seen)


@st.fragment(key=parts.VERDICT)
def draw_verdict() -> None:
    """Ask for the view's measurement; what the setting is, in words and in the address, and what it brings."""
    view = state.current()
    state.write_link(view)
    seen = parts.ask(view)
    notices.show_link()
    notices.show_setting(view)
    if seen is not None:
        notices.show_dispatcher(seen)
        outcome.show_verdict(seen)


@st.fragment(key=parts.WISH)
def draw_wish() -> None:
    """What the best may cost, and the search for it."""
    seen = parts.seen()
    wish_box.show(seen, state.current())
    if seen is not None:
        live_search.show(seen)


@st.fragment(key=parts.CONTROLS)
def draw_controls() -> None:
    """Everything that can be moved, where the view says."""
    controls.show(state.current())


@st.fragment(key=parts.OUTCOME)
def draw_outcome() -> None:
    """The setting's numbers, and what is still being measured."""
    seen = parts.seen()
    if seen is None:
        return
    sizes, live = st.columns([3, 2], gap="medium")
    with sizes:
        outcome.show_sizes(seen)
    with live:
        progress.show(seen)
    outcome.show_details(seen)
    outcome.show_failures(seen)


@st.fragment(key=parts.INSIGHT)
def draw_insight() -> None:
    """All points, and where bytes, energy and zeros go."""
    seen = parts.seen()
    if seen is not None:
        insight.show(seen)


@st.fragment(key=parts.FORESIGHT)
def draw_foresight() -> None:
    """What the charts show when a slider moves, before the server knows of it."""
    seen = parts.look(state.current())
    if seen is not None:
        foresight.show(seen)


view = state.current()
with head:
    hint.show()
    wish = st.container(key="wish")
with pair:
    draw_charts()
with side:
    model_card.choose(view)
    card = st.container()
    draw_controls()
with head:
    draw_verdict()
with wish:
    draw_wish()
with legend:
    charts.show_head(view)
with below:
    draw_outcome()
    draw_insight()
with st.container(key="foresight_hidden"):
    draw_foresight()
    pinned.show()
with card:
    seen = parts.seen()
    model_card.show(view.subject, seen.baseline if seen else None)
