"""Layer by layer, side by side: what each has in the stored file, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from compression.charts import layers_compared
from compression.charts.layers_compared import MEASURES, Line
from compression.explain.comparison import Contender
from compression.inquiries.anatomy import Anatomy, AnatomyInquiry, LayerRow
from compression.recipe.recipe import Recipe
from pages.components.asking import waiting
from pages.components.compare.contest import Contest, badge
from pages.components.frame import chart_view
from pages.components.shown import elements
from pages.components.shown.wide_table import scrolling

_MEASURE = "compare_layer_measure"
_TABLE = "width:100%;border-collapse:collapse;font-size:.88rem;line-height:1.35"
_CELL = "vertical-align:top;text-align:left;padding:.4rem .9rem .4rem 0;border-top:1px solid #8884"
_SOFT = "opacity:.7;font-size:.8rem"


def show(contest: Contest) -> None:
    """A chart of one measure, and the table of all."""
    recipes = [Recipe.model_validate(contender.result.recipe) for contender in contest.contenders]
    found = waiting.ask_all([AnatomyInquiry(recipe=recipe) for recipe in recipes], Anatomy, key="layers")
    if found is None:
        return
    networks = [answer.subject.layers for answer in found]
    lines = layers_compared.lines_of(networks)
    if not layers_compared.are_alike(networks):
        st.info("These networks do not have the same layers: only those of the same name stand beside each other.")
    titles = {name: measure.title for name, measure in MEASURES.items()}
    measure = MEASURES[elements.switch("Show", titles, key=_MEASURE)]
    chart_view.show(
        layers_compared.draw(contest.contenders, lines, measure),
        key="compare_layers",
        alt=f"{measure.title} of each layer, side by side",
    )
    st.html(_table(contest.contenders, lines))
    st.caption(
        "Weights' shapes are outputs × inputs, and for convolutions × height × width of a filter. Times are measured "
        "one network after the other, for one image; a few microseconds more or less are noise. **Inspect** shows "
        "one network's layers in detail."
    )


def _table(found: Sequence[Contender], lines: Sequence[Line]) -> str:
    heads = "".join(f'<th style="{_CELL};border:0">{badge(contender)}</th>' for contender in found)
    body = "".join(
        f'<tr><th scope="row" style="{_CELL};font-weight:600">{escape(line.title)}</th>'
        f"{''.join(_cell(row) for row in line.cells)}</tr>"
        for line in lines
    )
    width = 8 + 11 * len(found)
    return scrolling(
        f'<table style="{_TABLE};min-width:{width}rem"><tr><td></td>{heads}</tr>{body}</table>', "All layers"
    )


def _cell(row: LayerRow | None) -> str:
    if row is None:
        return f'<td style="{_CELL}">–</td>'
    return (
        f'<td style="{_CELL}"><span style="white-space:nowrap">{layers_compared.shape_words(row)}</span>'
        f'<div style="{_SOFT}">{layers_compared.weight_words(row)}<br>{layers_compared.cost_words(row)}</div></td>'
    )
