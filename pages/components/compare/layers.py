"""Layer by layer, side by side: what each has in the stored file, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from compression.charts import layers_compared
from compression.charts.layer_bars import MEASURES
from compression.charts.layers_compared import Line
from compression.explain.comparison import Contender
from compression.inquiries.anatomy import Anatomy, AnatomyInquiry, LayerRow
from pages.components.asking import waiting
from pages.components.compare.contest import Contest, badge
from pages.components.frame import chart_view
from pages.components.shown import elements, html_table

_MEASURE = "compare_layer_measure"
_MEASURES = ("stored", "ms", "macs", "nonzero")


def show(contest: Contest) -> None:
    """A chart of one measure, and the table of all."""
    recipes = [contender.result.parsed_recipe for contender in contest.contenders]
    found = waiting.ask_all([AnatomyInquiry(recipe=recipe) for recipe in recipes], Anatomy, key="layers")
    if found is None:
        return
    networks = [answer.subject.layers for answer in found]
    lines = layers_compared.lines_of(networks)
    if not layers_compared.are_alike(networks):
        st.info("These networks do not have the same layers: only those of the same name stand beside each other.")
    titles = {name: MEASURES[name].title for name in _MEASURES}
    measure = MEASURES[elements.switch("Show", titles, key=_MEASURE)]
    chart_view.show(
        layers_compared.draw(contest.contenders, lines, measure),
        key="compare_layers",
        alt=f"{measure.title} of each layer, side by side",
    )
    _table(contest.contenders, lines)
    st.caption(
        "Weights' shapes are outputs × inputs, and for convolutions × height × width of a filter. Times are measured "
        "one network after the other, for one image; a few microseconds more or less are noise. **Inspect** shows "
        "one network's layers in detail."
    )


def _table(found: Sequence[Contender], lines: Sequence[Line]) -> None:
    rows = [(escape(line.title), *map(_cell, line.cells)) for line in lines]
    html_table.show(rows, ["", *map(badge, found)], label="All layers", width_rem=8 + 11 * len(found))


def _cell(row: LayerRow | None) -> str:
    if row is None:
        return "–"
    more = f"{layers_compared.weight_words(row)}<br>{layers_compared.cost_words(row)}"
    return f"<span>{layers_compared.shape_words(row)}</span><small>{more}</small>"
