"""Explore: three sliders, real measurements, live curves."""

from __future__ import annotations

import streamlit as st

from compression.errors import CompressionError
from compression.links import View
from pages.components import charts, controls, insight, menu, model_card, notices, outcome, progress, state, work
from pages.components.work import Snapshot

menu.frame("Explore")
left, right = st.columns([1, 3], gap="medium")
with left:
    side = st.container(key="controls")
with right:
    head, pair, below = st.container(), st.container(), st.container()


def measured(view: View) -> Snapshot:
    """Ask for the view's measurement, and draw in the charts what is known by now."""
    with pair:
        try:
            work.want(view)
            seen = work.snapshot(view)
        except CompressionError as error:
            notices.show_error(error)
            st.stop()
        charts.show_pair(seen)
    return seen


# The charts are sent first wherever it is known what the controls will say: they are what the person waits for.
view = state.current()
expected = controls.foreseen(view)
seen = measured(expected) if expected else None

with side:
    view = model_card.choose(view)
    card = st.container()
    view = controls.show(view)
state.keep(view)
if seen is not None and seen.view != view:
    st.rerun()

seen = seen or measured(view)
with head:
    notices.show_link(view)
    notices.show_engine(seen)
    outcome.show_verdict(seen)
with below:
    sizes, live = st.columns([3, 2], gap="medium")
    with sizes:
        outcome.show_sizes(seen)
    with live:
        progress.show(seen)
    outcome.show_details(seen)
    outcome.show_failures(seen)
    insight.show(seen)
with card:
    model_card.show(view.model, seen.baseline)
