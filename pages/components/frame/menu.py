"""The frame of every page: title, style, and links to the other pages.

Pages show it before they import anything else, which takes most of a second the first time: meanwhile the browser
loads what it needs for charts, and the workers' processes what they need to measure.
"""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Mapping

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.runtime.scriptrunner import get_script_run_ctx

from compression.work import cluster_process
from pages.components.frame import preload, server_log, timers

HOME, EXPLORE, INSPECT, COMPARE, LEARN, PRESENT, JOBS = (
    "Home", "Explore", "Inspect", "Compare", "Learn", "Present", "Jobs",
)  # fmt: skip
_SHOWN, _DRAWN, _RUNS = "page_shown", "page_drawn", "page_runs"
_UNREAD, _LEFT = "page_back_unread", "page_address_left"

PAGES = (
    ("app.py", HOME, ":material/home:"),
    ("pages/explore.py", EXPLORE, ":material/tune:"),
    ("pages/inspect.py", INSPECT, ":material/biotech:"),
    ("pages/compare.py", COMPARE, ":material/compare_arrows:"),
    ("pages/learn.py", LEARN, ":material/school:"),
    ("pages/present.py", PRESENT, ":material/co_present:"),
    ("pages/jobs.py", JOBS, ":material/list_alt:"),
)
"""Streamlit finds the pages by itself; its own menu would name them after their files."""

_TITLED = (HOME, LEARN, JOBS)
"""Pages with a title to be seen; the others have one for those who listen."""

_STYLE = """
<style>
/* Colours of words, readable on both themes; Streamlit's captions and what stands on the accent are too pale. */
.stApp {
  --good: light-dark(#077a5c, #2bbd94); --mixed: light-dark(#8f5400, #e09a2b);
  --bad: light-dark(#bd3f0a, #ee7a4b); --other: light-dark(#5b42dd, #9c8cff);
  --page: light-dark(#fff, #171614); --shade: light-dark(#0003, #fff4);
}
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] * { color: inherit; }
[data-testid="stCaptionContainer"] { opacity: .75; }
[data-testid="stBaseButton-primary"]:enabled :is(p, span), span[data-tag-index] * {
  color: light-dark(#fff, #1c0f08);
}
/* Wide tables scroll by themselves, not with the page, and have a shadow at the side where more is; what a link says
   is never cut off. */
[data-testid="stMarkdownContainer"] table { display: block; max-width: 100%; }
[data-testid="stMarkdownContainer"] table, .wide-table {
  overflow-x: auto;
  background:
    linear-gradient(to right, var(--page) 50%, transparent) left / 3rem 100% no-repeat local,
    linear-gradient(to left, var(--page) 50%, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to right, var(--shade), transparent) left / .7rem 100% no-repeat scroll,
    linear-gradient(to left, var(--shade), transparent) right / .7rem 100% no-repeat scroll;
}
[data-testid="stMarkdownContainer"] td { white-space: nowrap; }
[data-testid="stMarkdownContainer"] td:first-child { white-space: normal; min-width: 8rem; }
[data-testid="stGraphVizChart"] .edge text { fill: currentColor; }
a:focus-visible { outline: 2px solid var(--bad); outline-offset: 2px; }
/* Sections are headings of the second level, but no larger than they need be. */
[data-testid="stHeading"] h2, [data-testid="stMarkdown"] h2 { font-size: 1.5rem; padding: .6rem 0 .4rem; }
[data-testid="stLayoutWrapper"]:has(> .st-key-page_title) {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
.block-container { padding: 2.2rem 2rem 4rem; max-width: 1680px; }
[data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"] { display: none; }
/* The verdict keeps its height when its words change, so that the charts stay where they are. */
.st-key-verdict [data-testid="stAlert"] { min-height: 4.6rem; }
.st-key-verdict [data-testid="stAlert"] p { font-size: 1.08rem; }
/* The sliders stay in sight while the page scrolls, where there is room beside the charts. */
@media (min-width: 1000px) and (min-height: 600px) {
  .st-key-controls { position: sticky; top: 1rem; max-height: calc(100vh - 2rem); overflow-y: auto; }
  .st-key-controls { padding-right: .6rem; }
}
.st-key-sizes [data-testid="stMetricValue"], .st-key-costs [data-testid="stMetricValue"] { font-size: 1.9rem; }
@media (min-width: 641px) and (max-width: 1300px) {
  [data-testid="stColumn"]:has(.st-key-controls) { flex: 0 0 17rem; min-width: 17rem; }
  [data-testid="stColumn"]:has(.st-key-controls) + [data-testid="stColumn"] { flex: 1 1 0; min-width: 0; }
}
@media (max-width: 1300px) {
  .st-key-sizes [data-testid="stColumn"], .st-key-costs [data-testid="stColumn"] { flex: 1 1 42%; min-width: 42%; }
  .st-key-legend [data-testid="stColumn"] { flex: 1 1 100%; min-width: 100%; }
}
@media (max-width: 640px) {
  .block-container { padding: 2.2rem 1rem 3rem; }
}
.st-key-preload, .st-key-foresight_hidden { display: none; }
[data-testid="stLayoutWrapper"]:has(> .st-key-preload, > .st-key-foresight_hidden) { display: none; }
[class*="st-key-step_up_"] button, [class*="st-key-step_down_"] button, [class*="st-key-step_remove_"] button {
  min-width: 2.25rem; min-height: 2.25rem; justify-content: center;
}
img { image-rendering: pixelated; }
</style>
"""


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


def frame(title: str, *, reads_link: bool = False) -> None:
    """Set up the page and draw the menu; call it first. A page that `reads_link` calls `arrive` when it has."""
    server_log.leave_out_goodbyes()
    timers.hold_back()
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
    if not reads_link:
        arrive()
    st.html(_STYLE)
    if title not in _TITLED:
        with st.container(key="page_title"):
            st.html(f"<h1>{title}</h1>")
    with st.container(horizontal=True, gap="small", key="menu"):
        for path, label, icon in PAGES:
            st.page_link(path, label=label, icon=icon)


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
    left = st.session_state.get(_LEFT)
    if left == _ANY:
        st.session_state[_LEFT] = dict(parameters)
        return
    if left is not None and left == parameters:
        return
    st.session_state.pop(_LEFT, None)
    if st.query_params.to_dict() != parameters:
        st.query_params.from_dict(parameters)
