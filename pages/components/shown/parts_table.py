"""Small tables beside a chart of parts: what each one is, how much, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from compression.charts.breakdown import Slice, change_in_words
from compression.explain.sizes import Part
from pages.components.shown import html_table
from pages.components.shown.html_table import small


def table(slices: Sequence[Slice], words: Callable[[float], str]) -> None:
    """One line a part with its amount and share, and their sum."""
    rows = [
        (
            f'<i style="background:{piece.colour}"></i>{escape(piece.title)}{small(piece.meaning)}',
            escape(words(piece.amount)),
            f"{100 * piece.share:.1f} %",
        )
        for piece in slices
    ]
    total = words(sum(piece.amount for piece in slices))
    html_table.show([*rows, _strong("All together", escape(total), "100 %")], kind="parts")


def causes(parts: Sequence[Part]) -> None:
    """Why each size differs from the one before, in the order of the waterfall."""
    rows = [(escape(part.label), escape(change_in_words(part))) for part in parts]
    shown = [_strong(*row) if part.is_total else row for part, row in zip(parts, rows, strict=True)]
    explained = [(first + small(part.cause), *rest) for part, (first, *rest) in zip(parts, shown, strict=True)]
    html_table.show(explained, kind="parts")


def _strong(*cells: str) -> tuple[str, ...]:
    return tuple(f"<b>{cell}</b>" for cell in cells)
