"""The models as cards that lead to the Explore page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from compression.errors import CompressionError
from compression.models.subject import Subject, known_models, subject_of
from compression.results.metrics import METRICS
from pages.components.frame import menu
from pages.components.shown import elements
from pages.components.view import model_card, picture

PER_ROW = 3


def show() -> None:
    """All models and how to bring another, three a row, one a row on narrow screens."""
    st.header("Pick a model")
    _show([*map(_card_named, known_models()), _invitation])


def show_cards(names: Sequence[str]) -> None:
    """A card for each of these models."""
    _show([_card_named(name) for name in names])


def _show(cards: Sequence[Callable[[], None]]) -> None:
    for card in elements.grid(cards, PER_ROW):
        with st.container(border=True, height="stretch"):
            card()


def _card_named(name: str) -> Callable[[], None]:
    def card() -> None:
        try:
            _card(subject_of(name))
        except CompressionError as error:  # one of a person's own, whose files are damaged
            st.error(str(error), icon=":material/broken_image:")

    return card


def _invitation() -> None:
    st.markdown("**Your own network**  \nAn ONNX file, or one of torchvision's and timm's, with your own images.")
    st.caption("It is checked first: is it the same network here, and is it as accurate as you know it?")
    menu.link("Models", "Bring your own")


def _card(subject: Subject) -> None:
    entry = subject.entry
    if entry.picture_path.is_file():
        picture.show(picture.of_file(entry.picture_path), model_card.picture_words(subject))
    st.markdown(f"**{entry.title}**  \n{entry.about}")
    st.caption(f"{entry.task}. {model_card.summary(subject)}", help=METRICS["macs"].meaning)
    menu.link(menu.EXPLORE, query={"model": entry.name})
