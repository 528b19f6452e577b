"""Choice of the model, and what is known of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from compression import units
from compression.errors import CompressionError
from compression.models.subject import Subject, known_models, model_title, subject_of
from compression.recipe.settings import fitted_to
from compression.results.metrics import METRICS, Value
from compression.results.record import Result
from compression.results.score import said
from compression.results.significance import wilson_interval
from compression.search.estimate import Known
from pages.components.view import picture, state
from pages.components.view.link import View

_KEY = state.SETTING + "model"


def choose(view: View) -> None:
    """The model select."""
    state.place(_KEY, view.model)
    st.selectbox(
        "Model",
        known_models(),
        format_func=model_title,
        key=_KEY,
        help="A trained sample network; everything on this page is about it.",
        on_change=_chosen,
    )


def _chosen() -> None:
    """Settings and limits stay when the model changes, but for what the new one does not have."""
    view, name = state.current(), st.session_state[_KEY]
    if name == view.model:
        return
    settings = fitted_to(view.settings, subject_of(name), view.subject)
    state.show(replace(view, model=name, settings=settings, custom=None))


def _card_of(subject: Subject) -> dict[str, Any]:
    """The model's card; nothing where it is missing or damaged."""
    try:
        return subject.card
    except CompressionError:
        return {}


def accuracy_of(subject: Subject) -> Value | None:
    """What its card says of its accuracy, in percent, with the interval."""
    card = _card_of(subject)
    if not {"accuracy", "n_test"} <= card.keys():
        return None
    low, high = wilson_interval(round(card["accuracy"] * card["n_test"]), card["n_test"])
    return Value(100 * card["accuracy"], 100 * low, 100 * high)


def known_of(subject: Subject, baseline: Result | None) -> Known:
    """What estimates start from: the measured baseline, or else the card (32-bit weights, no latency)."""
    if baseline:
        return Known(subject, baseline.accuracy, baseline.stored_bytes, baseline.latency_p50_ms)
    card = _card_of(subject)
    size = 4.0 * card["params"] if "params" in card else None
    return Known(subject, card.get("accuracy"), size)


def show(subject: Subject, baseline: Result | None) -> None:
    """Picture and numbers, and whether data has to be downloaded first; says so where the model's card is missing."""
    entry = subject.entry
    try:
        card = subject.card
    except CompressionError as error:
        st.error(str(error), icon=":material/broken_image:")
        return
    if entry.picture_path.is_file():
        picture.show(picture.of_file(entry.picture_path), picture_words(subject))
    st.caption(f"{entry.task}: {len(subject.data.classes)} classes. {entry.about}")
    origin = f" {units.capital(card['origin'])}." if "origin" in card else ""
    st.markdown(_facts(card, baseline), help=f"{_FACTS_HELP}{origin}")
    if not subject.data.is_local:
        words = f"The data set {subject.data.name} is downloaded when the first point is measured."
        st.info(words, icon=":material/download:")


_FACTS_HELP = (
    f"{METRICS['macs'].meaning} In brackets: the 95 % interval of the accuracy, from n test images. "
    "Size is the stored file, latency the median time of one image."
)


def picture_words(subject: Subject) -> str:
    """What the model's picture shows, for those who do not see it."""
    return f"Images that it classifies. {subject.entry.task}"


def _facts(card: dict[str, Any], baseline: Result | None) -> str:
    """Two lines of numbers: the measured ones where they exist."""
    first = f"**{units.count(card['params'])}** parameters · **{units.count(card['macs'])}** MACs"
    n_test = card["n_test"]
    accuracy = baseline.accuracy if baseline else card["accuracy"]
    low, high = wilson_interval(round(accuracy * n_test), n_test)
    digits = units.decimals_for(n_test)
    second = (
        f"{said('accuracy')} **{units.percent(accuracy, digits)} %** "
        f"({units.percent(low, digits)}–{units.percent(high, digits)}, n = {n_test:,})"
    )
    if baseline is None:
        return f"{first}  \n{second}  \nsize and latency are being measured …"
    latency = units.milliseconds(baseline.latency_p50_ms)
    return f"{first}  \n{second}  \n**{units.size(baseline.stored_bytes)}** · **{latency}** for one image"


def summary(subject: Subject) -> str:
    """One line for galleries."""
    card = _card_of(subject)
    if not card:
        return "Its card cannot be read: open it for the reason."
    digits = units.decimals_for(card["n_test"])
    return (
        f"{units.percent(card['accuracy'], digits)} % on {card['n_test']:,} test images · "
        f"{units.count(card['params'])} parameters · {units.count(card['macs'])} MACs"
    )
