"""A plotly chart that is changed in place.

Streamlit's own is thrown away and made anew with every new point, which flickers, forgets the zoom and
takes a second.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import plotly
import plotly.graph_objects as go
import streamlit as st
from streamlit.components.v1 import declare_component

_CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": "reset", "responsive": False}
_LIBRARY = "plotly.min.js"
_chart = st.components.v2.component(
    "chart_view",
    html='<div class="chart-view"></div>',
    css=".chart-view { width: 100%; overflow: hidden; } .chart-view .nsewdrag { cursor: default; }",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,  # plotly puts its own style sheet into the page
)


def show(figure: go.Figure, *, key: str, alt: str, on_click: Callable[[str], None] | None = None) -> None:
    """Draw `figure`; a click on a point calls `on_click` with its customdata, before the page runs again."""

    def clicked() -> None:
        if on_click and (identity := st.session_state[key].get("clicked")):
            on_click(str(identity))

    data = {
        "figure": figure.to_json(),
        "height": figure.layout.height,
        "config": _CONFIG,
        "library": _library(),
        "alt": alt,
    }
    _chart(key=key, data=data, on_clicked_change=clicked)


def _library() -> str:
    """Where the browser finds plotly.js: the copy that the plotly package brings, so it works offline."""
    folder = Path(plotly.__file__).parent / "package_data"
    component = declare_component("plotly", path=str(folder))
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{'/' + base if base else ''}/component/{component.name}/{_LIBRARY}"
