"""The frame of every page: title, style, and links to the other pages.

Pages show it before they import anything else, which takes most of a second the first time: meanwhile the browser
loads what it needs for charts, and the workers' processes what they need to measure.
"""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.runtime.scriptrunner import get_script_run_ctx

from compression.work import cluster_process
from pages.components.frame import browser, classroom, garbage, preload, server_log, timers

HOME, EXPLORE = "Home", "Explore"
_SHOWN, _DRAWN, _RUNS = "page_shown", "page_drawn", "page_runs"
_UNREAD, _LEFT = "page_back_unread", "page_address_left"

PAGES = {
    HOME: ("app.py", ":material/home:"),
    "Models": ("pages/models.py", ":material/folder_open:"),
    EXPLORE: ("pages/explore.py", ":material/tune:"),
    "Inspect": ("pages/inspect.py", ":material/biotech:"),
    "Compare": ("pages/compare.py", ":material/compare_arrows:"),
    "Learn": ("pages/learn.py", ":material/school:"),
    "Present": ("pages/present.py", ":material/co_present:"),
    "Jobs": ("pages/jobs.py", ":material/list_alt:"),
}
"""The menu: each page's file and icon. Streamlit finds pages by itself; its own menu would name them after their files.

To add a page: its file, a line here, its test, and its picture (`python docs/screenshots.py`)."""

_STYLE = Path(__file__).with_name("page.css")


@functools.cache
def _icon() -> str:
    """The page's icon, 32 x 32 pixels: three bars that get smaller. Named icons would come from the internet.

    As an address that holds it: a picture's own file would be gone where somebody goes back fast.
    """
    pixels = np.zeros((32, 32, 4), dtype=np.uint8)
    for left, height in ((3, 28), (13, 17), (23, 8)):
        pixels[30 - height : 30, left : left + 7] = (224, 86, 27, 255)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return f"data:image/png;base64,{base64.b64encode(sink.getvalue()).decode()}"


def frame(title: str, *, reads_link: bool = False, has_title: bool = False) -> None:
    """Set up the page and draw the menu; call it first.

    A page that `reads_link` calls `arrive` when it has. One that shows no title gets one for those who listen.
    """
    server_log.leave_out_goodbyes()
    timers.hold_back()
    garbage.leave_modules_out()
    cluster_process.begin_early()
    preload.show()
    st.set_page_config(
        page_title=f"{title} · Compression dashboard",
        page_icon=_icon(),
        layout="wide",
        initial_sidebar_state="collapsed",
    )
    st.session_state[_DRAWN] = title
    context = get_script_run_ctx()
    st.session_state[_RUNS] = context.page_script_hash if context else ""
    if context and context.is_history_navigation:
        st.session_state[_UNREAD], st.session_state[_LEFT] = True, _ANY
    if not has_arrived():
        classroom.arrive()
    if not reads_link:
        arrive()
        if classroom.here().name:
            write_address({})
    st.html(_STYLE)
    if not has_title:
        with st.container(key="page_title"):
            st.html(f"<h1>{title}</h1>")
    browser.visitor()
    with st.container(key="browser_keeps"):
        browser.show()
    with st.container(horizontal=True, gap="small", key="menu"):
        for page in PAGES:
            link(page)


def link(page: str, label: str = "", query: Mapping[str, str] | None = None, icon: str = "") -> None:
    """A link to a page, by its title and icon if nothing else is said."""
    path, usual = PAGES[page]
    in_class = {**(query or {}), **classroom.here().parameters}
    st.page_link(path, label=label or page, icon=icon or usual, query_params=in_class or None)


def address(page: str) -> str:
    """Where a page is on this server."""
    return "/" if page == HOME else f"/{Path(PAGES[page][0]).stem}"


def is_on(title: str) -> bool:
    """Whether this page is shown, and has looked at its link."""
    return bool(st.session_state.get(_SHOWN) == title)


def has_arrived() -> bool:
    """Whether the page that is being drawn was shown before, and not another one since."""
    return is_on(st.session_state.get(_DRAWN, HOME)) and not goes_back()


def goes_back() -> bool:
    """Whether the browser went back or forward, and what its address says is still to be shown."""
    return bool(st.session_state.get(_UNREAD))


def is_leaving() -> bool:
    """In a callback: whether the browser is on its way to another page than the one that was drawn last.

    A move and a click on the menu that follow closely reach the server together: the move's callback is then called
    for the other page.
    """
    context = get_script_run_ctx()
    return context is not None and context.page_script_hash != st.session_state.get(_RUNS)


def rerun() -> None:
    """As `st.rerun`, but a click on the menu that came meanwhile goes first: Streamlit would forget it.

    Whoever reads the session's state lets a waiting request go first.
    """
    st.session_state.get(_DRAWN)
    st.rerun()


def arrive() -> None:
    """Note that the page that is being drawn is shown: it has looked at its link."""
    st.session_state[_SHOWN] = st.session_state.get(_DRAWN, HOME)
    st.session_state.pop(_UNREAD, None)


_ANY = "any"


def write_address(parameters: Mapping[str, str]) -> None:
    """Say in the address what the page shows.

    Where the browser went back, only once something changes: each address that is written is another step of its
    history, and one that answers every step back by another one lets nobody out.
    """
    parameters = {**parameters, **classroom.here().parameters}
    left = st.session_state.get(_LEFT)
    if left == _ANY:
        st.session_state[_LEFT] = dict(parameters)
        return
    if left is not None and left == parameters:
        return
    st.session_state.pop(_LEFT, None)
    if st.query_params.to_dict() != parameters:
        st.query_params.from_dict(parameters)
