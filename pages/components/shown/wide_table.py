"""Tables of many columns: on narrow screens they scroll by themselves, with a shadow where more is."""

from __future__ import annotations

from html import escape


def scrolling(table: str, label: str) -> str:
    """HTML of a table that keyboards reach too; `label` says to those who listen what it holds."""
    return f'<div class="wide-table" tabindex="0" role="region" aria-label="{escape(label)}">{table}</div>'
