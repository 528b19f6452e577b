"""The models that come with the dashboard."""

from __future__ import annotations

import streamlit as st

from compression.models.brought.own import own_models
from compression.models.subject import known_models
from pages.components.home import gallery


def show() -> None:
    """As on Home."""
    st.header("Samples", anchor=False)
    gallery.show_cards([name for name in known_models() if name not in own_models()])
