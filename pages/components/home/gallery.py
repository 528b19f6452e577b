"""The models as cards that lead to the Explore page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from compression.errors import CompressionError
from compression.models.subject import Subject, known_models, subject_of
from compression.results.metrics import METRICS
from pages.components.frame import menu
from pages.components.shown import elements
from pages.components.view import model_card, picture

PER_ROW = 3


def show() -> None:
    """All models, three a row, one a row on narrow screens."""
    st.header("Pick a model")
    show_cards(known_models())
    menu.link("Models", "Bring your own network and images")


def show_cards(names: Sequence[str]) -> None:
    """A card for each of these models."""
    for name in elements.grid(names, PER_ROW):
        with st.container(border=True, height="stretch"):
            try:
                _card(subject_of(name))
            except CompressionError as error:  # one of a person's own, whose files are damaged
                st.error(str(error), icon=":material/broken_image:")


def _card(subject: Subject) -> None:
    entry = subject.entry
    if entry.picture_path.is_file():
        picture.show(picture.of_file(entry.picture_path), model_card.picture_words(subject))
    st.markdown(f"**{entry.title}**  \n{entry.about}")
    st.caption(f"{entry.task}. {model_card.summary(subject)}", help=METRICS["macs"].meaning)
    menu.link(menu.EXPLORE, query={"model": entry.name})
