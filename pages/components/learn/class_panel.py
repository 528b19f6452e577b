"""Teach a class: its addresses, a new one, and the view for a projector."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import streamlit as st

from pages.components.frame import classroom, menu
from pages.components.frame.classroom import Classroom
from pages.components.learn import course

_LOCAL = ("localhost", "127.0.0.1", "::1")


def show() -> None:
    """What a class is, or this one's addresses."""
    room = classroom.here()
    with st.popover(f"In {room.name}" if room.name else "Teach a class", icon=":material/groups:", key="class_panel"):
        if not room.name:
            _offer()
        elif room.is_taught:
            _addresses(room)
        else:
            st.markdown(
                f"You are in **{room.name}**. Your guesses are counted with those of the class; nobody sees whose they "
                "are. What is measured here is seen in this class only."
            )
        if room.name:
            st.button("Leave the class", icon=":material/logout:", key="class_leave", on_click=_enter, args=("", ""))


def _offer() -> None:
    st.markdown(
        "All open one address and guess; you see the guesses arrive, and reveal. A class begins with nothing measured "
        "and nothing guessed, whatever earlier classes did."
    )
    st.button(
        "Start a class",
        type="primary",
        icon=":material/add:",
        key="class_new",
        on_click=_enter,
        args=(classroom.new_name(), "teacher"),
    )


def _addresses(room: Classroom) -> None:
    for title, view in (("For the class", ""), ("For you: it hides the answer", "teacher"), ("Projector", "screen")):
        st.caption(title)
        st.code(_address(Classroom(room.name, view)), language=None, wrap_lines=True)  # type: ignore[arg-type]
    if urlsplit(st.context.url or "").hostname in _LOCAL:
        st.caption(
            ":material/warning: Only this computer can open these. Start with `ADDRESS=0.0.0.0 make run` and put this "
            "computer's name or number in the network in place of the first part: see docs/class.md."
        )
    st.button(
        "New class",
        icon=":material/restart_alt:",
        key="class_new",
        help="Another class under another name: nothing is measured in it and nobody has guessed. This one stays.",
        on_click=_enter,
        args=(classroom.new_name(), room.view),
    )
    if room.view == "teacher":
        st.button(
            "Projector size",
            icon=":material/present_to_all:",
            key="class_screen",
            on_click=_enter,
            args=(room.name, "screen"),
        )
    else:
        st.button(
            "Usual size",
            icon=":material/close_fullscreen:",
            key="class_usual",
            on_click=_enter,
            args=(room.name, "teacher"),
        )


def _address(room: Classroom) -> str:
    """Where somebody sees this chapter in the class."""
    shown = urlsplit(st.context.url or "")
    root = f"{shown.scheme}://{shown.netloc}" if shown.netloc else ""
    return f"{root}{menu.address('Learn')}?{urlencode(course.current().shown | room.parameters)}"


def _enter(name: str, view: classroom.View) -> None:
    classroom.enter(Classroom(name, view))
