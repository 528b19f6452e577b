"""The presentation itself: verdict, three numbers, why this one, two charts, what it means, the risk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape

import streamlit as st

from compression import units
from compression.charts import compared
from compression.charts.figure import Figure
from compression.charts.palette import ACCENT, contenders
from compression.explain import latency, presentation
from compression.explain.presentation import Assumptions, Meaning, Option, Risk
from compression.explain.rivals import why_this_one
from compression.explain.verdict import Tone, Verdict
from compression.models.subject import model_title
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.results.score import said
from pages.components.frame import chart_view
from pages.components.shown import against, elements, html_table
from pages.components.shown.html_table import small
from pages.components.view import spacing, state
from pages.components.view.link import view_of

_COLOURS: dict[Tone, str] = {
    "good": "var(--good)",
    "mixed": "var(--mixed)",
    "bad": "var(--bad)",
    "neutral": "inherit",
}
_CARD = "border:1px solid #8884;border-radius:12px;padding:1rem 1.2rem"
_GRID = "display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:1rem"
_BIG = "font-size:clamp(1.6rem,3vw,2.3rem);font-weight:700;line-height:1.2"
_SOFT = "opacity:.7;font-size:.9rem"


def show_head(result: Result, judged: Verdict) -> None:
    """Two words for everyone, and the sentence behind them."""
    st.html(
        f'<div style="{_SOFT}">{escape(model_title(result.model))}: '
        f"{escape(result.words)}</div>"
        f'<div role="heading" aria-level="1" style="font-size:clamp(2rem,5vw,3.4rem);font-weight:700;line-height:1.15;'
        f'color:{_COLOURS[judged.tone]}"><span aria-hidden="true">{judged.sign}</span> {escape(judged.title)}</div>'
        f'<div style="font-size:clamp(1.05rem,2vw,1.4rem);line-height:1.4">{escape(judged.plain)}</div>'
    )


def show_numbers(result: Result) -> None:
    """The three that stay in memory."""
    numbers = presentation.big_numbers(result)
    _cards((one.title, f"{_BIG};color:{_COLOURS[one.tone]}", one.value, one.before) for one in numbers)
    if words := latency.of_the_call(result):
        st.caption(f":material/timer: {words}")


def _cards(found: Iterable[tuple[str, str, str, str]]) -> None:
    """Side by side: a title, the style of the words in the middle and these, and small ones below."""
    cards = "".join(
        f'<div style="{_CARD}"><div style="{_SOFT}">{escape(title)}</div>'
        f'<div style="{style}">{escape(value)}</div><div style="{_SOFT}">{escape(text)}</div></div>'
        for title, style, value, text in found
    )
    st.html(f'<div style="{_GRID}">{cards}</div>')


def figure(result: Result, results: Mapping[str, Result], cost: str, others: Sequence[Result] = ()) -> Figure:
    """The original, this result and its alternatives among everything that is measured of the model."""
    baseline = results.get(result.parsed_recipe.baseline().recipe_id)
    before = [baseline] if baseline else []
    shown = [
        replace(each, colour=ACCENT) if each.result is result else each
        for each in contenders([*before, result, *others])
    ]
    names = [*(["before"] if baseline else []), *presentation.names_on_charts(len(others))]
    labels = {each.letter: name for each, name in zip(shown, names, strict=True)}
    return compared.draw_curves(shown, list(results.values()), cost, labels, is_even=spacing.is_even())


def show_options(found: Sequence[Option]) -> None:
    """The presented setting and its alternatives, line by line."""
    st.markdown("## The alternatives")
    titles = ("setting", "verdict", *(number.title.lower() for number in found[0].numbers))
    html_table.show(map(_option, found), [*map(escape, titles)], label="The alternatives", width_rem=34)


def _option(option: Option) -> list[str]:
    verdict_words = _coloured(f"{option.verdict.sign} {option.verdict.title}", option.verdict.tone)
    numbers = (_coloured(number.value, number.tone) + small(number.before) for number in option.numbers)
    return [f"{escape(option.name)}{small(option.setting)}", verdict_words, *numbers]


def _coloured(words: str, tone: Tone) -> str:
    return f'<b style="color:{_COLOURS[tone]}">{escape(words)}</b>'


CHARTS = {"stored": "Accuracy against size", "latency": "Accuracy against time"}
"""The costs that it is drawn against."""


def show_charts(result: Result, results: Mapping[str, Result], others: Sequence[Result] = ()) -> None:
    """Accuracy against size, and against time."""
    for cost in elements.grid(list(CHARTS), 2, gap="large"):
        st.markdown(f"## {said(CHARTS[cost])}")
        drawn = figure(result, results, cost, others)
        chart_view.show(
            drawn,
            key=f"present_chart_{cost}",
            alt=said(f"Accuracy against {METRICS[cost].words}: before and after, among all measured settings"),
        )
    st.caption(
        f"Grey points are the others of {len(results):,} measured settings; nothing measured beats those on the line. "
        "Bars are 95 % intervals."
    )


def show_why(result: Result, judged: Verdict, measured: Collection[Result], *, alone: bool) -> None:
    """Why this one and not the others; what speaks against it with a way there, if the page is not shown `alone`."""
    st.markdown("## Why this one")
    st.markdown(why_this_one(result, measured))
    against.show(result, judged, measured, None if alone else ("Present it", _present))


def _present(other: Result) -> None:
    state.show(view_of(other.parsed_recipe))


def show_meaning(result: Result, assumed: Assumptions) -> None:
    """Before and after in units of everyday life."""
    st.markdown("## What it means")
    rows = map(_meaning, presentation.meanings(result, assumed))
    html_table.show(rows, ["", "before", "after"], label="What it means")


def _meaning(one: Meaning) -> tuple[str, str, str]:
    label = "<b>A model, not a measurement:</b> " if one.is_model else ""
    truth = f' <b style="color:{_COLOURS["bad"]}">{escape(units.capital(one.against))}.</b>' if one.against else ""
    what = f"{escape(one.title)}<small>{label}{escape(one.how)}.{truth}</small>"
    return what, escape(one.before), f"<b>{escape(one.after)}</b>"


def show_risk(found: Sequence[Risk], judged: Verdict) -> None:
    """What may go wrong, and what did not get better."""
    st.markdown("## The risk")
    _cards((risk.title, "font-size:1.4rem;font-weight:700", risk.value, risk.text) for risk in found)
    for reason in judged.reasons:
        st.caption(f":material/lightbulb: {reason}")
