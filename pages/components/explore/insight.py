"""Below the charts: all points, and where bytes, energy and zeros go. Only what is open is drawn."""

from __future__ import annotations

from pages.components.asking.work import Snapshot
from pages.components.explore import costs, parts, steps, surface, zeros
from pages.components.shown import elements, ledger, table
from pages.components.view import state

PARTS = {
    "All settings": table.show,
    "Two sliders": surface.show,
    parts.STEP_BY_STEP: steps.show,
    "Where bytes go": ledger.show,
    "Running costs": costs.show,
    "Skipping zeros": zeros.show,
}


def show(seen: Snapshot) -> None:
    """Tabs, the table first."""
    state.keep(parts.INSIGHT_TAB, next(iter(PARTS)))
    elements.tabs(PARTS, seen, key=parts.INSIGHT_TAB)
