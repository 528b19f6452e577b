"""Metrics as columns of a table: titles with units, formats, meanings, and the numbers in those units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from compression.results.metrics import Metric

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig


def column(metric: Metric, decimals: int) -> ColumnConfig:
    """How a metric's column looks; percentages have `decimals`."""
    unit = metric.unit
    title = f"{metric.title}, {unit.name}" if unit.name else metric.title
    return st.column_config.NumberColumn(title, format=unit.pattern.format(decimals=decimals), help=metric.meaning)


def amount(metric: Metric, value: float | None) -> float | None:
    """A number in its column's unit; None where it is not measured."""
    return None if value is None else value / metric.unit.one
