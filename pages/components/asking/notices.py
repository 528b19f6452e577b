"""What a person must be told before anything else: a bad link, a dispatcher in trouble."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec, TypeVar

import streamlit as st

from compression import units
from compression.errors import CompressionError
from compression.recipe.words import recipe_in_words
from pages.components.asking.work import Snapshot
from pages.components.view import state
from pages.components.view.link import View

P = ParamSpec("P")
T = TypeVar("T")


def show_error(error: CompressionError) -> None:
    """An expected trouble: its text says what was wrong and what to do."""
    st.error(plain(str(error)), icon=":material/error:")


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Inside, an expected trouble ends the block and is shown; what follows goes on."""
    try:
        yield
    except CompressionError as error:
        show_error(error)


def told(act: Callable[P, T]) -> Callable[P, T | None]:
    """`act`, but an expected trouble is shown where it would draw, and it gives None."""

    @functools.wraps(act)
    def careful(*args: P.args, **kwargs: P.kwargs) -> T | None:
        with telling():
            return act(*args, **kwargs)
        return None

    return careful


def show_problem(text: str) -> None:
    """What was wrong with a link."""
    st.error(plain(text), icon=":material/link_off:")


_MARKDOWN = re.compile(r"[\\\[\]$<@]|:(?=[\w/+-])|(?<=www)\.", re.IGNORECASE)
"""What makes links, pictures, formulas and icons."""


def plain(text: str) -> str:
    """The same words for Markdown: what somebody put into a link or a file may fetch no picture and set no link."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", text)


def show_link() -> None:
    """What was wrong with the link."""
    problem = state.problem()
    if problem:
        show_problem(f"This link cannot be opened, so you see the default. {problem}")


def show_setting(view: View) -> None:
    """The recipe on one line."""
    custom = " · no slider setting: sliders show the nearest, Steps shows all of it" if view.custom else ""
    st.caption(f":material/conversion_path: {recipe_in_words(view.recipe)}{custom}")


def show_dispatcher(seen: Snapshot) -> None:
    """Trouble of the dispatcher itself, such as a full disk or workers that do not start, and damaged results."""
    if seen.problem:
        st.error(plain(seen.problem), icon=":material/error:")
    show_unreadable(seen.unreadable)


def show_unreadable(recipe_ids: Sequence[str]) -> None:
    """How many results are left out since their rows are damaged, which, and what to do."""
    if not recipe_ids:
        return
    one = len(recipe_ids) == 1
    st.warning(
        f"**{units.counted(len(recipe_ids), 'result')} left out:** the {'row' if one else 'rows'} in the database "
        f"cannot be read any more ({', '.join(recipe_ids[:5])}{' …' if len(recipe_ids) > 5 else ''}). "
        "Measured again, a setting is back; or delete it under Jobs, History.",
        icon=":material/warning:",
    )
