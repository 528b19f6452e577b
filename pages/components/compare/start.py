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

_EIGHT, _FOUR, _TWO = ({"technique": "quantization", "weight_bits": bits} for bits in (8, 4, 2))
_FEWER, _HALF = ({"technique": "channel_pruning", "pruning_ratio": share} for share in (0.3, 0.5))
_ZEROS = {"technique": "magnitude_pruning", "sparsity": 0.8}
IDEAS: dict[str, list[list[dict[str, Any]]]] = {
    "What do fewer bits cost? 8, 4 and 2 bits a weight": [[_EIGHT], [_FOUR], [_TWO]],
    "Half the channels, or four of five weights zero?": [[_HALF], [_ZEROS]],
    "One technique or both? Pruning, 8 bits, and pruning with 8 bits": [[_FEWER], [_EIGHT], [_FEWER, _EIGHT]],
}
"""Questions with the steps of the settings that answer them; the baseline goes first."""


def show(chosen: Sequence[Result]) -> None:
    """Say what to do, and offer comparisons that are measured on a click."""
    if pick.is_waiting():
        st.info("**Being measured.** The comparison appears as soon as two are.", icon=":material/hourglass_top:")
        return
    more = "one more measured setting" if chosen else "two measured settings"
    st.info(
        f"**Choose {more} above.** Then you see both side by side: numbers with their differences, classes, the images "
        "whose answer changed, and where they lie on the curves.",
        icon=":material/compare_arrows:",
    )
    model = chosen[0].model if chosen else (state.last() or View()).model
    st.caption("Or start with a question. What is not measured yet is measured now, which takes seconds:")
    for question, settings in IDEAS.items():
        recipes = [Recipe(model=model), *(make_recipe(model, steps) for steps in settings)]
        st.button(
            question,
            icon=":material/help:",
            key=f"compare_idea_{question}",
            on_click=pick.choose_several,
            args=(recipes,),
        )
