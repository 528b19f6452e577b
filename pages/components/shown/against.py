"""What else was measured and speaks against a setting, and what the next point of accuracy costs, with a way there."""

from __future__ import annotations

from collections.abc import Callable, Collection

import streamlit as st

from compression.explain import verdict
from compression.explain.differences import paired_gap
from compression.explain.rivals import next_point, why_this_one
from compression.explain.verdict import Verdict
from compression.results.record import Result
from pages.components.shown import elements

Go = tuple[str, Callable[[Result], None]]
"""What a button says, and what it does with the other setting."""


_gap = paired_gap(elements.artifact)


def judge(result: Result, measured: Collection[Result]) -> Verdict:
    """The verdict, with accuracies of two settings compared image by image where the files are there."""
    return verdict.judge(result, measured, _gap)


def lines(result: Result, judged: Verdict, measured: Collection[Result]) -> list[tuple[str, Result]]:
    """A sentence for each of them; nothing where nothing speaks against it and nothing is more accurate."""
    found = [(f"{rival.title}, {rival.about}.", rival.result) for rival in judged.rivals]
    following = next_point(result, measured, _gap)
    if following is not None and following.result not in [other for _, other in found]:
        found.append((f"{following.words}.", following.result))
    return found


def told(result: Result, judged: Verdict, measured: Collection[Result]) -> list[str]:
    """Why this one and not the others, and those sentences."""
    return [why_this_one(result, measured), *(words for words, _ in lines(result, judged, measured))]


def show(result: Result, judged: Verdict, measured: Collection[Result], go: Go | None) -> None:
    """The sentences, each with its button."""
    for words, other in lines(result, judged, measured):
        said = f":material/compare_arrows: {words}"
        if go is None:
            st.caption(said)
            continue
        told, way = st.columns([7, 1], vertical_alignment="center")
        with told:
            st.caption(said)
        with way:
            label, take = go
            st.button(label, key=f"against_{other.recipe_id}", on_click=take, args=(other,))
