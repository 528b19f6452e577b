"""What a person must be told before anything else: a bad link, an engine in trouble."""

from __future__ import annotations

import streamlit as st

from compression import wording
from compression.errors import CompressionError
from compression.links import View
from pages.components import state
from pages.components.work import Snapshot


def show_error(error: CompressionError) -> None:
    """An expected trouble: its text says what was wrong and what to do."""
    st.error(str(error), icon=":material/error:")


def show_link(view: View) -> None:
    """The recipe on one line, and what was wrong with the link."""
    problem = state.problem()
    if problem:
        st.error(f"This link cannot be opened, so you see the default. {problem}", icon=":material/link_off:")
    custom = " · no slider setting: sliders show the nearest, Steps shows all of it" if view.custom else ""
    st.caption(f":material/conversion_path: {wording.recipe_in_words(view.recipe)}{custom}")


def show_engine(seen: Snapshot) -> None:
    """Trouble of the engine itself, such as a full disk or workers that do not start."""
    if seen.problem:
        st.error(seen.problem, icon=":material/error:")
