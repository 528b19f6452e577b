"""The presentation itself: verdict, three numbers, one chart, what it means, the risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

import streamlit as st

from compression import comparison, comparison_plots, presentation, verdict
from compression.axes import Cost
from compression.drawing import Figure
from compression.plots import ACCENT, setting_in_words
from compression.presentation import Assumptions, BigNumber, Meaning, Risk, Tone
from compression.recipe import Recipe
from compression.result import Result
from pages.components import chart_view
from sample_models.catalogue import MODELS

_COLOURS: dict[Tone, str] = {"good": "#0a9b76", "mixed": "#c07000", "bad": "#d1480f", "neutral": "inherit"}
_ICONS: dict[Tone, str] = {"good": "✓", "mixed": "⇄", "bad": "✕", "neutral": "•"}
_CARD = "border:1px solid #8884;border-radius:12px;padding:1rem 1.2rem"
_GRID = "display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:1rem"
_BIG = "font-size:clamp(1.6rem,3vw,2.3rem);font-weight:700;line-height:1.2"
_SOFT = "opacity:.7;font-size:.9rem"


def show_head(result: Result) -> None:
    """Two words for everyone, and the sentence behind them."""
    found = presentation.headline(result)
    colour = _COLOURS[found.tone]
    st.html(
        f'<div style="{_SOFT}">{escape(MODELS[str(result.recipe["model"])].title)}: '
        f"{escape(setting_in_words(result))}</div>"
        f'<div role="heading" aria-level="1" style="font-size:clamp(2rem,5vw,3.4rem);font-weight:700;line-height:1.15;'
        f'color:{colour}"><span aria-hidden="true">{_ICONS[found.tone]}</span> {escape(found.title)}</div>'
        f'<div style="font-size:clamp(1.05rem,2vw,1.4rem);line-height:1.4">{escape(found.text)}</div>'
    )


def show_numbers(result: Result) -> None:
    """The three that stay in memory."""
    cards = "".join(map(_number, presentation.big_numbers(result)))
    st.html(f'<div style="{_GRID}">{cards}</div>')


def _number(number: BigNumber) -> str:
    return (
        f'<div style="{_CARD}"><div style="{_SOFT}">{escape(number.title)}</div>'
        f'<div style="{_BIG};color:{_COLOURS[number.tone]}">{escape(number.value)}</div>'
        f'<div style="{_SOFT}">{escape(number.before)}</div></div>'
    )


def figure(result: Result, results: Mapping[str, Result], cost: Cost) -> Figure:
    """The original and this result among everything that is measured of the model."""
    baseline = results.get(Recipe.model_validate(result.recipe).baseline().recipe_id)
    first, *rest = comparison.contenders([*([baseline] if baseline else []), result])
    shown = [first, *rest] if not rest else [first, replace(rest[0], colour=ACCENT)]
    return comparison_plots.draw_curves(shown, list(results.values()), cost, {"A": "before", "B": "now"})


def show_chart(result: Result, results: Mapping[str, Result]) -> None:
    """Accuracy against size."""
    st.markdown("#### Smaller is to the left, better is up")
    chart_view.show(
        figure(result, results, "stored"),
        key="present_chart",
        alt="Accuracy against the size of the stored file: before and now, among all measured settings",
    )
    st.caption(
        f"Each grey point is another of {len(results):,} measured settings; nothing measured beats the dotted line. "
        "Bars are 95 % intervals."
    )


def show_meaning(result: Result, assumed: Assumptions) -> None:
    """Before and now in units of everyday life."""
    st.markdown("#### What it means")
    rows = "".join(map(_meaning, presentation.meanings(result, assumed)))
    head = "".join(
        f'<th style="text-align:left;font-weight:400;{_SOFT};padding:0 .8rem .3rem 0">{word}</th>'
        for word in ("", "before", "now")
    )
    st.html(
        f'<div style="overflow-x:auto"><table style="width:100%;border-collapse:collapse;line-height:1.35">'
        f"<tr>{head}</tr>{rows}</table></div>"
    )


def _meaning(one: Meaning) -> str:
    cell = "padding:.5rem .8rem .5rem 0;border-top:1px solid #8884;vertical-align:top;text-align:left"
    label = "<b>A model, not a measurement:</b> " if one.is_model else ""
    return (
        f'<tr><th style="{cell};font-weight:600">{escape(one.title)}'
        f'<div style="{_SOFT};font-weight:400;font-size:.8rem">{label}{escape(one.how)}</div></th>'
        f'<td style="{cell}">{escape(one.before)}</td><td style="{cell};font-weight:700">{escape(one.after)}</td></tr>'
    )


def show_risk(found: Sequence[Risk], result: Result) -> None:
    """What may go wrong, and what did not get better."""
    st.markdown("#### The risk")
    st.html(f'<div style="{_GRID}">{"".join(map(_risk, found))}</div>')
    for reason in verdict.judge(result).reasons:
        st.caption(f":material/lightbulb: {reason}")


def _risk(risk: Risk) -> str:
    return (
        f'<div style="{_CARD}"><div style="{_SOFT}">{escape(risk.title)}</div>'
        f'<div style="font-size:1.4rem;font-weight:700">{escape(risk.value)}</div>'
        f'<div style="{_SOFT}">{escape(risk.text)}</div></div>'
    )
