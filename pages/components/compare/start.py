"""What to compare, where nothing is chosen yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from compression.recipe.recipe import Recipe, make_recipe
from compression.results.record import Result
from pages.components.asking import pick
from pages.components.view import state
from pages.components.view.link import View

IDEAS: dict[str, list[list[dict[str, Any]]]] = {
    "What do fewer bits cost? 8, 4 and 2 bits a weight": [
        [{"technique": "quantization", "weight_bits": 8}],
        [{"technique": "quantization", "weight_bits": 4}],
        [{"technique": "quantization", "weight_bits": 2}],
    ],
    "Half the channels, or four of five weights zero?": [
        [{"technique": "channel_pruning", "pruning_ratio": 0.5}],
        [{"technique": "magnitude_pruning", "sparsity": 0.8}],
    ],
    "One technique or both? Pruning, 8 bits, and pruning with 8 bits": [
        [{"technique": "channel_pruning", "pruning_ratio": 0.3}],
        [{"technique": "quantization", "weight_bits": 8}],
        [{"technique": "channel_pruning", "pruning_ratio": 0.3}, {"technique": "quantization", "weight_bits": 8}],
    ],
}
"""Questions with the steps of the settings that answer them; the baseline goes first."""


def show(chosen: Sequence[Result]) -> None:
    """Say what to do, and offer comparisons that are measured on a click."""
    if len(pick.wanted()) > 1 and pick.is_waiting():
        st.info("**Being measured.** The comparison appears as soon as two are.", icon=":material/hourglass_top:")
        return
    more = "one more measured setting" if chosen else "two measured settings"
    st.info(
        f"**Choose {more} above.** Then you see both side by side: numbers with their differences, classes, the images "
        "whose answer changed, and where they lie on the curves.",
        icon=":material/compare_arrows:",
    )
    model = str(chosen[0].recipe["model"]) if chosen else (state.last() or View()).model
    st.caption("Or start with a question. What is not measured yet is measured now, which takes seconds:")
    for question, settings in IDEAS.items():
        recipes = [Recipe(model=model), *(make_recipe(model, steps) for steps in settings)]
        st.button(
            question, icon=":material/help:", key=f"compare_idea_{question}", on_click=pick.choose_several,
            args=(recipes,),
        )  # fmt: skip
