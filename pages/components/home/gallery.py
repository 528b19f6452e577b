"""The sample models as cards that lead to the Explore page."""

from __future__ import annotations

import streamlit as st

from compression.models.subject import Subject, known_models, subject_of
from compression.results.metrics import METRICS
from pages.components.frame import menu
from pages.components.shown import elements
from pages.components.view import model_card, picture

PER_ROW = 3


def show() -> None:
    """All sample models, three a row, one a row on narrow screens."""
    st.header("Pick a model")
    for name in elements.grid(known_models(), PER_ROW):
        with st.container(border=True, height="stretch"):
            _card(subject_of(name))


def _card(subject: Subject) -> None:
    entry = subject.entry
    if entry.picture_path.is_file():
        picture.show(picture.of_file(entry.picture_path), model_card.picture_words(subject))
    st.markdown(f"**{entry.title}**  \n{entry.about}")
    st.caption(f"{entry.task}. {model_card.summary(subject)}", help=METRICS["macs"].meaning)
    menu.link(menu.EXPLORE, query={"model": entry.name})
