"""A plotly chart that is changed in place.

Streamlit's own is thrown away and made anew with every new point, which flickers, forgets the zoom and
takes a second.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.components.v1 import declare_component

from compression.charts import LABELS

if TYPE_CHECKING:
    from compression.charts.figure import Figure

_LIBRARY = "plotly.min.js"
_chart = st.components.v2.component(
    "chart_view",
    html='<div class="chart-view"></div>',
    css=".chart-view { width: 100%; overflow: hidden; position: relative; } .chart-view .nsewdrag { cursor: default; }"
    " .chart-mark { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }",
    js=LABELS.read_text(encoding="utf-8") + Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,  # plotly puts its own style sheet into the page
)


def show(
    figure: Figure,
    *,
    key: str,
    alt: str,
    on_click: Callable[[str], None] | None = None,
    marked: str = "",
) -> None:
    """Draw `figure`; a click on a point calls `on_click` with its customdata, before the page runs again.

    A trace whose `meta` is "mark" moves at once, before plotly draws the rest. It has one point, or none; `marked`
    names what it stands for, as two neighbours may lie in the same place.
    """

    def clicked() -> None:
        if on_click and (identity := st.session_state[key].get("clicked")):
            on_click(str(identity))

    data = {
        "figure": json.dumps(figure),
        "height": figure["layout"]["height"],
        "library": library(),
        "alt": alt,
        "marked": marked,
    }
    _chart(key=key, data=data, height=data["height"], on_clicked_change=clicked)


def library() -> str:
    """Where the browser finds plotly.js: the copy that the plotly package brings, so it works offline."""
    component = declare_component("plotly", path=str(_package() / "package_data"))
    return f"{base_path()}/component/{component.name}/{_LIBRARY}"


def base_path() -> str:
    """What comes before every address of this server, without a slash at its end."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


@functools.cache
def _package() -> Path:
    """Where the plotly package lies, without importing it."""
    found = util.find_spec("plotly")
    assert found is not None and found.origin is not None  # a dependency of this project
    return Path(found.origin).parent
