"""Tables of HTML. Streamlit's own hold plain values: no badge, no swatch, no second line in small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

import streamlit as st

from compression import units
from compression.charts.breakdown import Slice, change_in_words
from compression.explain.sizes import Part


def show(
    rows: Iterable[Sequence[str]], heads: Sequence[str] = (), *, label: str = "", kind: str = "", width_rem: float = 0
) -> None:
    """Rows of HTML, the first cell of each its head.

    The look is in `frame/page.css`: that of most tables, "even" with columns of one width, or "parts" of a sum. One
    with a `label`, which says to those who listen what it holds, may be wider than its place (`width_rem` at least):
    it scrolls by itself, with a shadow where more is, and keyboards reach it.
    """
    top = "".join(f'<th scope="col">{head}</th>' if head else "<td></td>" for head in heads)
    body = "".join(f'<tr><th scope="row">{first}</th>{"".join(map(_cell, rest))}</tr>' for first, *rest in rows)
    table = f'<table style="min-width:{width_rem}rem">{f"<tr>{top}</tr>" if heads else ""}{body}</table>'
    region = f'tabindex="0" role="region" aria-label="{escape(label)}"' if label else ""
    st.html(f'<div class="wide-table {kind}" {region}>{table}</div>')


def _cell(content: str) -> str:
    return f"<td>{content}</td>"


def small(text: str) -> str:
    """A second line in a cell (HTML)."""
    return f"<small>{escape(text)}</small>" if text else ""


def parts(slices: Sequence[Slice], words: Callable[[float], str]) -> None:
    """What a chart of parts shows: one line a part with its amount and share, and their sum."""
    rows = [
        (
            f'<i style="background:{piece.colour}"></i>{escape(piece.title)}{small(piece.meaning)}',
            escape(words(piece.amount)),
            units.share(piece.share, 1),
        )
        for piece in slices
    ]
    total = escape(words(sum(piece.amount for piece in slices)))
    show([*rows, ("<b>All together</b>", f"<b>{total}</b>", "<b>100 %</b>")], kind="parts")


def causes(sizes: Iterable[Part]) -> None:
    """Why each size differs from the one before, in the order of the waterfall."""
    rows = []
    for part in sizes:
        cell = "<b>{}</b>" if part.is_total else "{}"
        label, change = (cell.format(escape(words)) for words in (part.label, change_in_words(part)))
        rows.append((label + small(part.cause), change))
    show(rows, kind="parts")
