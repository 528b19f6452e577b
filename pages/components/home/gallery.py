"""The sample models as cards that lead to the Explore page."""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st

from compression.models.facts import MODELS, SampleModel
from compression.results.metrics import METRICS
from pages.components.frame import menu
from pages.components.view import model_card, picture

PER_ROW = 3


def show() -> None:
    """All sample models, three a row, one a row on narrow screens."""
    st.header("Pick a model")
    for row in _rows():
        for column, entry in zip(st.columns(PER_ROW), row, strict=False):
            with column, st.container(border=True, height="stretch"):
                _card(entry)


def _card(entry: SampleModel) -> None:
    if entry.picture_path.is_file():
        picture.show(picture.of_file(entry.picture_path), model_card.picture_words(entry))
    st.markdown(f"**{entry.title}**  \n{entry.about}")
    st.caption(f"{entry.task}. {model_card.summary(entry)}", help=METRICS["macs"].meaning)
    menu.link(menu.EXPLORE, query={"model": entry.name})


def _rows() -> Iterator[list[SampleModel]]:
    models = list(MODELS.values())
    for start in range(0, len(models), PER_ROW):
        yield models[start : start + PER_ROW]
