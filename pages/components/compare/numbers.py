"""Results side by side: what it means to take one instead of another, and all numbers with their differences."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape

import streamlit as st

from compression.explain import comparison
from compression.explain.comparison import Cell, Row
from compression.results.metrics import Effect
from compression.results.score import said
from pages.components.compare.contest import Contest, badge
from pages.components.shown import elements, html_table

_SIGNS: dict[Effect, tuple[str, str]] = {
    "better": ("▲", "var(--good)"),
    "worse": ("▼", "var(--bad)"),
    "same": ("", "inherit"),
}
_TITLES, _COLUMN = 8.5, 10.5
"""Widths in rem: of the measures' names, and of a result's column at least; narrow screens scroll sideways."""


def show_sentences(contest: Contest) -> None:
    """Who is who, and one sentence for each of the others, for everyone."""
    reference = contest.reference
    said = {reference.letter: "The others are compared with this one."} | {
        other.letter: comparison.sentence(other, reference, contest.pair(other)) for other in contest.others
    }
    lines = "".join(
        f'<div style="display:flex;gap:.6rem;align-items:flex-start;padding:.2rem 0">{badge(each)}<span>'
        f"<b>{escape(contest.name(each))}.</b> {escape(said[each.letter])}</span></div>"
        for each in contest.contenders
    )
    st.html(f'<div style="font-size:1.02rem;line-height:1.45">{lines}</div>')


def show(contest: Contest) -> None:
    """The table, and how to read it."""
    rows = comparison.table(contest.contenders, {other.letter: contest.pair(other) for other in contest.others})
    _table(contest, rows)
    st.caption(
        f"▲ better and ▼ worse than {contest.reference.letter}. Sizes and counts are exact. {said('Accuracy')} and "
        "time are called different only where the measurement shows it (95 %). A difference in time is *indirect* when "
        "the two were never timed in turns with each other, but each with the baseline: trust it less."
    )
    if contest.has_models:
        st.caption("Different models have different baselines, so their times are not compared beyond the clock's.")
    with st.expander("What the rows mean", icon=":material/help:"):
        st.markdown("\n".join(f"- **{row.title}**: {row.meaning}" for row in rows))
    elements.download("These numbers (.csv)", lambda: csv_of(contest, rows), "comparison.csv")


def csv_of(contest: Contest, rows: Sequence[Row]) -> str:
    """The table as people see it, three columns a result, with the recipes on top."""
    sink = io.StringIO()
    writer = csv.writer(sink)
    letters = [contender.letter for contender in contest.contenders]
    writer.writerow(["", *(f"{letter}{kind}" for letter in letters for kind in ("", " detail", " difference"))])
    writer.writerow(["Setting", *(part for c in contest.contenders for part in (contest.name(c), "", ""))])
    for row in rows:
        writer.writerow([row.title, *(part for cell in row.cells for part in (cell.value, cell.detail, cell.change))])
    return sink.getvalue()


def _table(contest: Contest, rows: Sequence[Row]) -> None:
    heads = [
        f'<div style="display:flex;gap:.5rem;align-items:flex-start">{badge(contender)}'
        f"<span>{escape(contest.name(contender))}</span></div>"
        for contender in contest.contenders
    ]
    body = [(f'<span title="{escape(row.meaning)}">{escape(row.title)}</span>', *map(_cell, row.cells)) for row in rows]
    width = _TITLES + _COLUMN * len(contest.contenders)
    html_table.show(body, ["", *heads], label="Numbers of all results", kind="even", width_rem=width)


def _cell(cell: Cell) -> str:
    sign, colour = _SIGNS[cell.tone]
    mark = f'<span style="color:{colour}">{sign}</span> ' if sign and cell.change else ""
    detail = f' <span style="opacity:.7;font-size:.8rem">{escape(cell.detail)}</span>' if cell.detail else ""
    return f"<b>{escape(cell.value)}</b>{detail}{f'<small>{mark}{escape(cell.change)}</small>' if cell.change else ''}"
