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
        st.metric(metric.title, MISSING, delta="not measured yet", delta_color="off", delta_arrow="off", help=about)
        return
    change = metric.change(known, baseline)
    st.metric(
        metric.title, metric.said(known), delta=change.words or None, delta_color=_COLOURS[change.effect],
        delta_arrow="off", help=about,
    )  # fmt: skip
