"""What a presentation says before there is something to present."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from compression import units
from compression.explain import presentation
from compression.recipe.recipe import make_recipe
from compression.results.record import Result
from pages.components.frame import menu
from pages.components.view import state
from pages.components.view.link import view_of


def show(model: str, results: Mapping[str, Result]) -> None:
    """The original is chosen: offer the best that is measured, or something to measure."""
    st.info(
        "**This is the original: nothing is compressed yet.** Choose a compressed setting above, and this page says "
        "what it brings, what it means and what the risk is.",
        icon=":material/slideshow:",
    )
    best = presentation.best_of(results.values())
    if best is not None:
        words = f"{best.words} · {units.size(best.stored_bytes)}"
        label, icon, key = f"Present the smallest without a loss on validation images: {words}", "star", "present_best"
        recipe = best.parsed_recipe
    else:
        label, icon, key = "Measure 8-bit weights and present them", "play_arrow", "present_first"
        recipe = make_recipe(model, [{"technique": "quantization", "weight_bits": 8}])
    st.button(label, icon=f":material/{icon}:", key=key, on_click=state.show, args=(view_of(recipe),))
    menu.link(menu.EXPLORE, "Find one on Explore")
