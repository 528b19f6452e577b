"""Choice of the model, and what is known of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from compression import units
from compression.errors import CompressionError
from compression.models.data import is_local
from compression.models.facts import MODELS, SampleModel
from compression.recipe.settings import fitted_to
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.results.significance import wilson_interval
from compression.search.estimate import Known
from compression.search.limits import NO_LIMITS
from pages.components.view import picture, state
from pages.components.view.link import View

_KEY = state.SETTING + "model"


def choose(view: View) -> None:
    """The model select."""
    state.place(_KEY, view.model)
    st.selectbox(
        "Model",
        tuple(MODELS),
        format_func=lambda name: MODELS[name].title,
        key=_KEY,
        help="A trained sample network; everything on this page is about it.",
        on_change=_chosen,
    )


def _chosen() -> None:
    """Settings stay when the model changes, but for what the new one does not have."""
    view, name = state.current(), st.session_state[_KEY]
    if name == view.model:
        return
    state.show(
        replace(view, model=name, settings=fitted_to(view.settings, name, view.model), custom=None, limits=NO_LIMITS)
    )


def card_of(model: str) -> dict[str, Any] | None:
    """The model's card, or None where it is missing or damaged."""
    try:
        return MODELS[model].card
    except CompressionError:
        return None


def known_of(model: str, baseline: Result | None) -> Known:
    """What estimates start from: the measured baseline, or else the card (32-bit weights, no latency)."""
    card = card_of(model) or {}
    chance = 1 / len(card.get("classes", range(10)))
    if baseline:
        return Known(baseline.accuracy, baseline.stored_bytes, baseline.latency_p50_ms, chance)
    size = 4.0 * card["params"] if "params" in card else None
    return Known(card.get("accuracy"), size, None, chance)


def show(model: str, baseline: Result | None) -> bool:
    """Picture and numbers; False where the model's card is missing, which is said."""
    entry = MODELS[model]
    try:
        card = entry.card
    except CompressionError as error:
        st.error(str(error), icon=":material/broken_image:")
        return False
    if entry.picture_path.is_file():
        picture.show(picture.of_file(entry.picture_path), picture_words(entry))
    st.caption(f"{entry.task}: {len(card['classes'])} classes. {entry.about}")
    st.markdown(_facts(card, baseline), help=_FACTS_HELP)
    download_note(entry)
    return True


_FACTS_HELP = (
    f"{METRICS['macs'].meaning} In brackets: the 95 % interval of the accuracy, from n test images. "
    "Size is the stored file, latency the median time of one image."
)


def picture_words(entry: SampleModel) -> str:
    """What the model's picture shows, for those who do not see it."""
    return f"Images that it classifies. {entry.task}"


def _facts(card: dict[str, Any], baseline: Result | None) -> str:
    """Two lines of numbers: the measured ones where they exist."""
    first = f"**{units.count(card['params'])}** parameters · **{units.count(card['macs'])}** MACs"
    n_test = card["n_test"]
    accuracy = baseline.accuracy if baseline else card["accuracy"]
    low, high = wilson_interval(round(accuracy * n_test), n_test)
    digits = units.decimals_for(n_test)
    second = (
        f"accuracy **{units.percent(accuracy, digits)} %** "
        f"({units.percent(low, digits)}–{units.percent(high, digits)}, n = {n_test:,})"
    )
    if baseline is None:
        return f"{first}  \n{second}  \nsize and latency are being measured …"
    latency = units.milliseconds(baseline.latency_p50_ms)
    return f"{first}  \n{second}  \n**{units.size(baseline.stored_bytes)}** · **{latency}** for one image"


def download_note(entry: SampleModel) -> None:
    """Say so before data has to be downloaded."""
    if not is_local(entry.dataset):
        st.info(
            f"The data set {entry.dataset} is downloaded when the first point is measured.", icon=":material/download:"
        )


def summary(entry: SampleModel) -> str:
    """One line for galleries."""
    card = card_of(entry.name)
    if card is None:
        return "Its card cannot be read: open it for the reason."
    digits = units.decimals_for(card["n_test"])
    return (
        f"{units.percent(card['accuracy'], digits)} % on {card['n_test']:,} test images · "
        f"{units.count(card['params'])} parameters · {units.count(card['macs'])} MACs"
    )
