"""Explore: three sliders, real measurements, live curves."""

from __future__ import annotations

import streamlit as st

from compression.errors import CompressionError
from pages.components import charts, controls, insight, menu, model_card, notices, outcome, progress, state, work

menu.frame("Explore")
left, right = st.columns([1, 3], gap="medium")

with left, st.container(key="controls"):
    view = model_card.choose(state.current())
    card = st.container()
    view = controls.show(view)
state.keep(view)

with right:
    notices.show_link(view)
    try:
        work.want(view)
        seen = work.snapshot(view)
    except CompressionError as error:
        notices.show_error(error)
        st.stop()
    notices.show_engine(seen)
    outcome.show_verdict(seen)
    charts.show_pair(seen)
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
