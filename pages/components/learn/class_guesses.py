"""What a class guesses, as bars."""

from __future__ import annotations

import streamlit as st

from compression.charts.figure import bars
from compression.charts.palette import ACCENT, BLUE, ROW_HEIGHT
from compression.explain.quiz import Question
from compression.store import guesses
from pages.components.asking import desk, notices
from pages.components.frame import chart_view
from pages.components.learn.chapters.figures import figure

POLL_SECONDS = 1.5
"""How often guesses are counted while they come in."""


def watch(question: Question, name: str, *, only_counted: bool = False) -> None:
    """The guesses of the class so far, growing by themselves; or only how many there are."""
    st.fragment(run_every=POLL_SECONDS)(_count if only_counted else show)(question, name)


@notices.told
def _count(question: Question, name: str) -> None:
    total = guesses.counts(desk.store(), name).total()
    st.markdown(f"**{total}** guess{'' if total == 1 else 'es'} {'is' if total == 1 else 'are'} in.")


@notices.told
def show(question: Question, name: str, *, true: str | None = None) -> None:
    """A bar for each choice, and the `true` one marked."""
    found = guesses.counts(desk.store(), name)
    counts = [found[choice] for choice in question.choices]
    words = [f"{'✓ ' if choice == true else ''}{said}" for choice, said in question.choices.items()]
    drawn = bars(
        "",
        counts,
        [_short(said) for said in words],
        ACCENT if true is None else [ACCENT if choice == true else BLUE for choice in question.choices],
        "%{y}: %{x}",
        orientation="h",
        text=[str(count) for count in counts],
        textposition="outside",
        cliponaxis=False,
    )
    most = max(1, *counts)
    drawing = figure(
        [drawn],
        10 + ROW_HEIGHT * len(counts),
        "",
        "",
        margin={"l": 10, "r": 10, "t": 5, "b": 5},
        xaxis={"range": [0, 1.15 * most], "showticklabels": False, "showgrid": False},
        yaxis={"autorange": "reversed", "type": "category", "ticksuffix": " ", "automargin": True},
        showlegend=False,
    )
    said = "; ".join(f"{word}: {count}" for word, count in zip(words, counts, strict=True))
    chart_view.show(drawing, key=f"chart_guesses_{name}", alt=f"What the class guesses. {said}")
    st.caption(f"What the class guesses: {sum(counts)} so far.")


def _short(words: str) -> str:
    """As much as stands beside a bar."""
    return words if len(words) <= 34 else f"{words[:33]}…"
