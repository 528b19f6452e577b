"""A class: a name in the address under which what is measured and guessed is kept apart, and who looks at it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Literal

import streamlit as st

NAME, VIEW = "class", "as"
"""Parameters of an address."""
PARAMETERS = (NAME, VIEW)

View = Literal["", "teacher", "screen"]
_VIEWS: tuple[View, ...] = ("", "teacher", "screen")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")
_HERE, _PROBLEM = "classroom", "classroom_problem"


@dataclass(frozen=True)
class Classroom:
    """The class of this visit; without a name there is none, and everything is everybody's.

    A teacher sees the answer when they ask for it, and no guess of theirs counts. `screen` is the teacher's view on a
    projector.
    """

    name: str = ""
    view: View = ""

    @property
    def is_taught(self) -> bool:
        """Whether a teacher looks."""
        return self.view != ""

    @property
    def parameters(self) -> dict[str, str]:
        """What addresses say of it."""
        return {key: value for key, value in ((NAME, self.name), (VIEW, self.view)) if value}


def arrive() -> None:
    """Enter the class that the address names, if it does: also one that somebody else has just made up."""
    if NAME not in st.query_params:
        return
    name, view = st.query_params[NAME], st.query_params.get(VIEW, "")
    st.session_state.pop(_PROBLEM, None)
    if not _NAME.fullmatch(name):
        st.session_state[_PROBLEM] = (
            f"A class is called by 1 to 32 letters, digits and hyphens, but this link says {name[:40]!r}. "
            "You are in no class: ask for the link again."
        )
        enter(Classroom())
        return
    enter(Classroom(name, next((one for one in _VIEWS if one == view), "")))


def enter(classroom: Classroom) -> None:
    """Be in this class from now on."""
    st.session_state[_HERE] = classroom


def here() -> Classroom:
    """The class of this visit."""
    found: Classroom = st.session_state.get(_HERE, Classroom())
    return found


def problem() -> str:
    """What was wrong with the class that the link names."""
    return str(st.session_state.get(_PROBLEM, ""))


def new_name() -> str:
    """One that nobody has used: short enough to be typed from a board."""
    return f"class-{secrets.token_hex(3)}"
