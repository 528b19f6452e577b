"""Class by class: the worst class, what share of each is recognized, and what is taken for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from compression import units
from compression.charts import compared
from compression.explain.presentation import recall_words
from compression.results import predictions
from compression.results.predictions import Answers
from pages.components.compare.contest import Contest, badge, class_names
from pages.components.frame import chart_view
from pages.components.shown import elements

_VIEW = "compare_confusion"
_COUNTS, _CHANGE = "Counts", "Change from A"
PER_ROW = 2


def show(contest: Contest) -> None:
    """Words first, then the two charts; nothing until the answers are there."""
    if contest.answers is None:
        st.caption("Class by class numbers need every network's answer to every test image: see above.")
        return
    answers = contest.answers
    names = class_names(contest.reference.result.model, answers[contest.reference.letter].n_classes)
    _show_words(contest, answers, names)
    st.header("What share of each class is recognized")
    recalls = [(contender, predictions.recalls(answers[contender.letter])) for contender in contest.contenders]
    chart_view.show(
        compared.draw_recalls(recalls, names),
        key="compare_recalls",
        alt="Share of each class that is recognized, with intervals",
    )
    _show_confusion(contest, answers, names)


def _show_words(contest: Contest, answers: Mapping[str, Answers], names: Sequence[str]) -> None:
    for contender in contest.contenders:
        found = predictions.recalls(answers[contender.letter])
        worst = predictions.worst(found)
        words = f"**Worst class: {names[worst.index]}**, {recall_words(worst)} recognized."
        if contender is not contest.reference:
            words += f" {_largest_loss(answers[contender.letter], answers['A'], names)}"
        with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
            st.html(badge(contender), width="content")
            st.markdown(words, width="stretch")


def _largest_loss(other: Answers, reference: Answers, names: Sequence[str]) -> str:
    """The class that lost most, and whether that is more than chance among so many classes."""
    most = predictions.class_changes(other, reference)[0]
    if most.difference.difference >= 0:
        return "No class lost anything against A."
    decimals = units.decimals_for(int((reference.labels == most.index).sum()))
    lost = units.points(most.difference.difference, decimals)
    low, high = (units.points(side, decimals) for side in (most.difference.low, most.difference.high))
    certain = (
        "a measurable loss" if most.p_value < 0.05 else "which may be chance, as there are many classes to look at"
    )
    return f"Compared with A, class “{names[most.index]}” lost most: {lost} points ({low} to {high}), {certain}."


def _show_confusion(contest: Contest, answers: Mapping[str, Answers], names: Sequence[str]) -> None:
    head, choice = st.columns([3, 2], vertical_alignment="bottom")
    with head:
        st.header("What is taken for what")
    with choice, st.container(horizontal=True, horizontal_alignment="right"):
        view = elements.switch("Confusion matrices show", (_COUNTS, _CHANGE), key=_VIEW, is_labelled=False)
    st.caption(
        "A row is a true class, a column the network's answer; the frame holds right answers. The more orange, the "
        "larger the share of the class that is mistaken."
        if view == _COUNTS
        else "Against A: orange is worse (right answers lost, mistakes added), blue is better."
    )
    matrices = {letter: predictions.confusion(found) for letter, found in answers.items()}
    reference = matrices["A"]
    worst = max(float(compared.mistakes(matrix).max()) for matrix in matrices.values())
    most = max(float(abs(compared.harm(matrix, reference)).max()) for matrix in matrices.values())
    for contender in elements.grid(contest.contenders if view == _COUNTS else contest.others, PER_ROW, gap="medium"):
        letter = contender.letter
        with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
            st.html(badge(contender), width="content")
            st.caption(contest.name(contender), width="stretch")
        if view == _COUNTS:
            kind, figure = "counts", compared.draw_confusion(matrices[letter], names, worst)
        else:
            kind, figure = "change", compared.draw_harm(matrices[letter], reference, names, most, f"A{letter}")
        alt = f"Confusion matrix of {letter}, {kind}"
        chart_view.show(figure, key=f"compare_confusion_{kind}_{letter}", alt=alt)
