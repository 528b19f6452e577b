"""The charts answer a slider at once: the browser is told beforehand where the mark is at each of its positions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streamlit as st

from compression.charts import drawing, tradeoff
from compression.charts.tradeoff import Tradeoff
from compression.search.foresight import Place, foresee
from pages.components.asking.work import Snapshot
from pages.components.explore import charts, widgets

LOOK_MS = 800
"""How often the browser asks for more while settings are being measured ahead."""

_marks = st.components.v2.component("foresight", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"))


def show(seen: Snapshot) -> None:
    """Send what is known of all settings that one slider away."""
    rows = {} if seen.view.custom else _rows(seen)
    waits = seen.result is not None and bool(seen.ahead)  # until then the page looks for its own measurement anyway
    data = {"rows": json.dumps(rows), "again_ms": LOOK_MS if waits else None}
    _marks(key="foresight", data=data, on_again_change=_look_again)


def _look_again() -> None:
    """Some of what is measured ahead may be measured by now: this part alone runs again, after what runs already.

    (Asking for it by its key would cut short what is being drawn after a move.)
    """


def _rows(seen: Snapshot) -> dict[str, Any]:
    """For each slider where it stands, and the marks of both charts at all its positions."""
    view, curves = seen.view, seen.measured_curves
    asked = view.axes.metrics
    rows = foresee(view.settings, seen.results, seen.known, curves, asked=asked, lessons=seen.lessons, width=seen.width)
    planes = {side: charts.plane(view, side) for side in charts.SIDES}
    baseline = tradeoff.point_of(seen.baseline) if seen.baseline else None

    def mark(place: Place) -> dict[str, Any]:
        current = tradeoff.point_of(place.result) if place.result else None
        there = Tradeoff(baseline=baseline, current=current, guess=place.guess)
        marks: dict[str, Any] = {side: drawing.mark(there, plane) for side, plane in planes.items()}
        return {"setting": place.recipe_id} | marks

    return {
        widgets.key(slider): {"at": row.at, "marks": [mark(place) for place in row.places]}
        for slider, row in rows.items()
    }
