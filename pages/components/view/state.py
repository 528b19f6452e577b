"""The view of a browser session: in session state while it lives, in the URL to be shared."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import streamlit as st

from compression.charts.axes import Axes
from compression.errors import CompressionError
from compression.results import score
from compression.search.limits import Limits, Target
from pages.components.frame import browser, classroom, menu, presence
from pages.components.view.link import PARAMETERS, View, parameters_of, view_from

_VIEW, _PROBLEM, _SESSION = "view", "view_problem", "session_id"
_BEHIND, _KEPT = "controls_behind", "controls_kept"
SETTING = "setting_"
"""Prefix of the controls' widget keys: `setting_` plus the name of a field of `Settings`."""


def session_id() -> str:
    """A name for this browser session's work; it begins with that of the browser."""
    name: str = st.session_state.setdefault(_SESSION, f"{browser.visitor()}.{secrets.token_hex(3)}")
    return name


def group(kind: str) -> str:
    """What this browser session's work of a kind is called, in the class where it is now, until it is closed."""
    classroom_name = classroom.here().name
    name = f"{kind}-{session_id()}-{classroom_name}" if classroom_name else f"{kind}-{session_id()}"
    presence.note(name)
    return name


def current() -> View:
    """The view to show: what the URL asks for on arrival at the page, else what was last shown.

    Later the URL only follows: what a browser sends along may lag behind what was written into it, and
    reading that would move a slider back under the person's hand.
    """
    asked = {key: st.query_params[key] for key in PARAMETERS if key in st.query_params}
    if asked and not menu.has_arrived():
        _open_link(asked)
    menu.arrive()
    view: View = st.session_state.setdefault(_VIEW, View())
    try:
        score.judge_by(view.subject.data.has_labels)
    except CompressionError as error:  # one of a person's own models, which is gone or damaged
        st.session_state[_PROBLEM], st.session_state[_VIEW] = str(error), View()
        return current()
    return view


def last() -> View | None:
    """What this visit showed last, if it showed anything."""
    return st.session_state.get(_VIEW)


def _what_is_right(asked: Mapping[str, str]) -> View:
    """The view of a link that cannot be read whole: its model, where that exists."""
    try:
        return view_from({"model": asked["model"]}) if "model" in asked else View()
    except CompressionError:
        return View()


def _open_link(asked: dict[str, str]) -> None:
    try:
        view = view_from(asked)
    except CompressionError as error:
        show(_what_is_right(asked))
        st.session_state[_PROBLEM] = str(error)
    else:
        show(view)


def show(view: View) -> None:
    """Show another view: all controls move to it. Only before the controls are drawn, or in a callback.

    Their keys stay until they do: a click that follows at once reaches a control's callback before the page
    has drawn it again, and the callback reads its key.
    """
    st.session_state[_VIEW] = view
    st.session_state.pop(_PROBLEM, None)
    controls = [key for key in st.session_state if str(key).startswith(SETTING)]
    st.session_state.setdefault(_BEHIND, set()).update(controls)


def place(key: str, value: Any) -> None:  # noqa: ANN401  (as many types as there are controls)
    """Put a control where the view says, if it has no position yet or the view is another. Before it is drawn."""
    behind: set[str] = st.session_state.get(_BEHIND, set())
    if key in behind or key not in st.session_state:
        st.session_state[key] = value
        behind.discard(key)


def follow(key: str, act: Callable[[Any], None]) -> None:
    """In a control's callback: act on where the control is; nothing where it is gone.

    When runs of the page follow each other closely, a browser may report a control that was taken away meanwhile.
    """
    if key in st.session_state:
        act(st.session_state[key])


def keep(key: str, usual: object) -> None:
    """Where a control stood that is no part of the view, or its `usual` position: other pages would forget it."""
    kept = st.session_state.setdefault(_KEPT, {})
    st.session_state.setdefault(key, kept.get(key, usual))
    kept[key] = st.session_state[key]


def choose(**beside: tuple[str, ...] | Axes | Limits | Target | None) -> None:
    """Show other `curves`, `axes`, `limits` or another `target` beside the setting; controls stay where they are."""
    st.session_state[_VIEW] = replace(current(), **beside)  # type: ignore[arg-type]


def move(field: str, value: Any) -> None:  # noqa: ANN401  (fields of Settings differ in type)
    """Show another value of one setting; a custom recipe stays only until then. In a control's callback."""
    view = current()
    st.session_state[_VIEW] = replace(view, settings=replace(view.settings, **{field: value}), custom=None)
    st.session_state.pop(_PROBLEM, None)  # a link's problem is no longer news


def write_link(view: View, also: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write the view into the URL, and what else the page has to say."""
    menu.write_address(parameters_of(view) | dict(also))


def problem() -> str | None:
    """What was wrong with the link, until something else is shown."""
    return st.session_state.get(_PROBLEM)
