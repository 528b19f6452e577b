"""One metric of a setting in a box, with its change against the baseline."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from compression.results.metrics import MISSING, Effect, Metric
from compression.results.record import Preview

_COLOURS: dict[Effect, Literal["green", "red", "gray"]] = {"better": "green", "worse": "red", "same": "gray"}


def show(metric: Metric, known: Preview | None, baseline: Preview | None, more: str = "") -> None:
    """A dash until it is measured, so that nothing moves; `more` is added to what the metric means."""
    about = f"{metric.meaning} {more}".strip()
    if known is None or baseline is None:
        st.metric(metric.title, MISSING, "not measured yet", "off", help=about, delta_arrow="off")
        return
    words, effect = metric.change(known, baseline)
    st.metric(metric.title, metric.said(known), words or None, _COLOURS[effect], help=about, delta_arrow="off")
