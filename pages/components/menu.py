"""The frame of every page: title, style, and links to the other pages.

Pages show it before they import anything else, which takes most of a second the first time: meanwhile the browser
loads what it needs for charts, and the workers' processes what they need to measure.
"""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from compression import host
from pages.components import preload

HOME, EXPLORE, INSPECT, COMPARE, LEARN, PRESENT, JOBS = (
    "Home", "Explore", "Inspect", "Compare", "Learn", "Present", "Jobs",
)  # fmt: skip
_SHOWN, _DRAWN = "page_shown", "page_drawn"

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

_STYLE = """
<style>
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
img { image-rendering: pixelated; }
</style>
"""


def _icon() -> Image.Image:
    """The page's icon, 32 x 32 pixels: three bars that get smaller. Named icons would come from the internet."""
    pixels = np.zeros((32, 32, 4), dtype=np.uint8)
    for left, height in ((3, 28), (13, 17), (23, 8)):
        pixels[30 - height : 30, left : left + 7] = (224, 86, 27, 255)
    return Image.fromarray(pixels)


def frame(title: str, *, reads_link: bool = False) -> None:
    """Set up the page and draw the menu; call it first. A page that `reads_link` calls `arrive` when it has."""
    host.begin_early()
    preload.show()
    st.set_page_config(
        page_title=f"{title} · Compression dashboard",
        page_icon=_icon(),
        layout="wide",
        initial_sidebar_state="collapsed",
    )
    st.session_state[_DRAWN] = title
    if not reads_link:
        arrive()
    st.html(_STYLE)
    with st.container(horizontal=True, gap="small", key="menu"):
        for path, label, icon in PAGES:
            st.page_link(path, label=label, icon=icon)


def is_on(title: str) -> bool:
    """Whether this page is shown, and has looked at its link."""
    return bool(st.session_state.get(_SHOWN) == title)


def has_arrived() -> bool:
    """Whether the page that is being drawn was shown before, and not another one since."""
    return is_on(st.session_state.get(_DRAWN, HOME))


def arrive() -> None:
    """Note that the page that is being drawn is shown: it has looked at its link."""
    st.session_state[_SHOWN] = st.session_state.get(_DRAWN, HOME)
