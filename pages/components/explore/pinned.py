"""On a phone, the verdict and a small chart stay in sight while a slider moves."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_pinned = st.components.v2.component("pinned", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"))


def show() -> None:
    """Have the browser keep them there."""
    _pinned(key="pinned")
