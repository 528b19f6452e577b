"""Inspect: one measured setting, taken apart layer by layer."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.components.frame import menu

menu.frame("Inspect", reads_link=True)

from compression.inquiries.anatomy import Anatomy, AnatomyInquiry
from pages.components.asking import pick, waiting
from pages.components.explore import outcome
from pages.components.inspect import (
    activation_ranges,
    causes,
    layer_table,
    layer_weights,
    network_graph,
    position,
    sensitivity,
)
from pages.components.shown import against, elements, ledger

PARTS: dict[str, Callable[[position.Seen], None]] = {
    "Layers": layer_table.show,
    "Why not better?": causes.show,
    "Sensitivity": sensitivity.show,
    "Weights": layer_weights.show,
    "Activations": activation_ranges.show,
    "Model graph": network_graph.show,
    "Where bytes go": lambda seen: ledger.show_ledger(seen.result),
}
"""What each tab shows; only the open one is drawn."""
TAB = "inspect_tab"


def show_parts(picked: pick.Picked) -> None:
    """The tabs; all but the last one need the network taken apart, which is done once for each setting."""
    if picked.result is None:
        st.info(
            "**This setting is not measured yet.** It is being measured now; then it is taken apart.",
            icon=":material/hourglass_top:",
        )
    else:
        outcome.show_judged(against.judge(picked.result, picked.results.values()))
    anatomy = waiting.ask(AnatomyInquiry(recipe=picked.recipe), Anatomy, key="anatomy")
    if picked.result is None or anatomy is None:
        return
    seen = position.Seen(picked.recipe, picked.result, anatomy)
    elements.tabs(PARTS, seen, key=TAB)


found = pick.one(elements.tab_in_link(PARTS, "tab", key=TAB) | position.parameters())
if found is not None:
    show_parts(found)
