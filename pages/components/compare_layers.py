"""Layer by layer, side by side: shapes, parameters and operations of the decoded networks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from compression import layer_comparison, wording
from compression.comparison import Contender
from compression.layer_comparison import MEASURES, LayerRow
from compression.recipe import Recipe
from compression.studies.layers import Layer, Layers, LayerStudy
from pages.components import chart_view, inquiry
from pages.components.contest import Contest, badge

_MEASURE = "compare_layer_measure"
_TABLE = "width:100%;border-collapse:collapse;font-size:.88rem;line-height:1.35"
_CELL = "vertical-align:top;text-align:left;padding:.4rem .9rem .4rem 0;border-top:1px solid #8884"
_SOFT = "opacity:.7;font-size:.8rem"


def show(contest: Contest) -> None:
    """A chart of one measure, and the table of all."""
    recipes = [Recipe.model_validate(contender.result.recipe) for contender in contest.contenders]
    found = inquiry.ask_all([LayerStudy(recipe=recipe) for recipe in recipes], Layers, key="layers")
    if found is None:
        return
    networks = [answer.layers for answer in found]
    table = layer_comparison.rows(networks)
    if not layer_comparison.are_alike(networks):
        st.info("These networks do not have the same layers: only those of the same name stand beside each other.")
    measure = st.segmented_control(
        "Show", list(MEASURES), default=next(iter(MEASURES)), required=True, format_func=MEASURES.__getitem__,
        key=_MEASURE,
    )  # fmt: skip
    chart_view.show(
        layer_comparison.draw(contest.contenders, table, measure),
        key="compare_layers",
        alt=f"{MEASURES[measure]} of each layer, side by side",
    )
    st.html(_table(contest.contenders, table))
    st.caption(
        "Weights' shapes are outputs × inputs, and for convolutions × height × width of a filter. *Values an output*: "
        "how many different numbers the weights of one output are at most; n bits allow 2ⁿ."
    )


def _table(found: Sequence[Contender], table: Sequence[LayerRow]) -> str:
    heads = "".join(f'<th style="{_CELL};border:0">{badge(contender)}</th>' for contender in found)
    body = "".join(
        f'<tr><th scope="row" style="{_CELL};font-weight:600">{escape(row.title)}</th>'
        f"{''.join(_cell(layer) for layer in row.cells)}</tr>"
        for row in table
    )
    width = 8 + 11 * len(found)
    return (
        f'<div style="overflow-x:auto" tabindex="0" role="region" aria-label="All layers">'
        f'<table style="{_TABLE};min-width:{width}rem"><tr><td></td>{heads}</tr>{body}</table></div>'
    )


def _cell(layer: Layer | None) -> str:
    if layer is None:
        return f'<td style="{_CELL}">–</td>'
    return (
        f'<td style="{_CELL}"><span style="white-space:nowrap">{layer_comparison.shape_words(layer)}</span>'
        f'<div style="{_SOFT}">{layer_comparison.weight_words(layer)}<br>{wording.count(layer.macs)} MACs</div></td>'
    )
