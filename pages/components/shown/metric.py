"""A metric on a page: in a box with its change against the baseline, or as a column of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from compression.results.metrics import MISSING, Effect, Metric
from compression.results.record import Preview

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

_COLOURS: dict[Effect, Literal["green", "red", "gray"]] = {"better": "green", "worse": "red", "same": "gray"}


def metric_box(metric: Metric, known: Preview | None, baseline: Preview | None, more: str = "") -> None:
    """A dash until it is measured, so that nothing moves; `more` is added to what the metric means."""
    about = f"{metric.meaning} {more}".strip()
    if known is None or baseline is None:
        st.metric(metric.title, MISSING, "not measured yet", "off", help=about, delta_arrow="off")
        return
    words, effect = metric.change(known, baseline)
    st.metric(metric.title, metric.said(known), words or None, _COLOURS[effect], help=about, delta_arrow="off")


def column(metric: Metric, decimals: int) -> ColumnConfig:
    """How a metric's column looks: title with unit, format, meaning; percentages have `decimals`."""
    unit = metric.unit
    title = f"{metric.title}, {unit.name}" if unit.name else metric.title
    return st.column_config.NumberColumn(title, format=unit.pattern.format(decimals=decimals), help=metric.meaning)


def amount(metric: Metric, value: float | None) -> float | None:
    """A number in its column's unit, with the digits that words have; None where it is not measured."""
    if value is None:
        return None
    inside = value / metric.unit.one
    return float(f"{inside:.{metric.unit.digits}g}") if metric.unit.digits else inside
