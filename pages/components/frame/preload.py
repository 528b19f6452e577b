"""What every page needs in the browser, loaded while the server still imports what it needs itself.

Streamlit's pages load the code of each kind of element when they first see one, and a chart would load plotly.js
(4.5 MB, which take half a second to read) when it is there: together a second and a half after the server is through.
"""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from pages.components.frame import chart_view

ELEMENTS = ("Selectbox", "Slider", "ButtonGroup", "BidiComponent", "Metric", "Progress", "Button")
"""Streamlit's own files, found by their names; one that a version does not have is loaded when it is needed."""

_SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def show() -> None:
    """Have the browser begin; nothing is to be seen."""
    addresses = {"library": chart_view.library(), "elements": _elements()}
    with st.container(key="preload"):
        st.html(f"<script>({_SCRIPT})({json.dumps(addresses)})</script>", unsafe_allow_javascript=True)


def _elements() -> list[str]:
    folder = Path(st.__file__).parent / "static"
    found = (path for name in ELEMENTS for path in folder.glob(f"static/js/{name}.*.js"))
    return [f"{chart_view.base_path()}/{path.relative_to(folder).as_posix()}" for path in found]
