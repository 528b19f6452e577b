"""Small tables beside a chart of parts: what each one is, how much, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import streamlit as st

from compression.charts.breakdown import Slice, change_in_words
from compression.explain.sizes import Part

_TABLE = "width:100%;border-collapse:collapse;font-size:.875rem;line-height:1.35"
_NUMBER = "text-align:right;white-space:nowrap;vertical-align:top;padding:.2rem 0 .2rem .75rem"
_SWATCH = "display:inline-block;width:.7rem;height:.7rem;border-radius:2px;margin-right:.5rem"


def table(slices: Sequence[Slice], words: Callable[[float], str]) -> None:
    """One line a part with its amount and share, and their sum."""
    total = sum(piece.amount for piece in slices)
    rows = "".join(_row(piece, words) for piece in slices)
    last = f'<td style="padding:.35rem 0">All together</td>{_numbers(words(total), "100 %")}'
    st.html(
        f'<table style="{_TABLE}">{rows}'
        f'<tr style="border-top:1px solid #8886;font-weight:600">{last}</tr></table>'
    )  # fmt: skip


def causes(parts: Sequence[Part]) -> None:
    """Why each size differs from the one before, in the order of the waterfall."""
    rows = "".join(_cause(part) for part in parts)
    st.html(f'<table style="{_TABLE}">{rows}</table>')


def _cause(part: Part) -> str:
    weight = "600" if part.is_total else "400"
    meaning = f'<div style="opacity:.75;font-size:.8rem;font-weight:400">{escape(part.cause)}</div>'
    amount = f'<td style="{_NUMBER}">{escape(change_in_words(part))}</td>'
    return (
        f'<tr style="font-weight:{weight}"><td style="padding:.2rem 0">{escape(part.label)}{meaning}</td>{amount}</tr>'
    )


def _row(piece: Slice, words: Callable[[float], str]) -> str:
    swatch = f'<span style="{_SWATCH};background:{piece.colour}"></span>'
    meaning = f'<div style="opacity:.75;padding-left:1.2rem;font-size:.8rem">{escape(piece.meaning)}</div>'
    numbers = _numbers(words(piece.amount), f"{100 * piece.share:.1f} %")
    return f'<tr><td style="padding:.2rem 0">{swatch}{escape(piece.title)}{meaning}</td>{numbers}</tr>'


def _numbers(amount: str, share: str) -> str:
    return f'<td style="{_NUMBER}">{escape(amount)}</td><td style="{_NUMBER}">{share}</td>'
