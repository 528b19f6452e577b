"""What a browser keeps from visit to visit: a few short words, as cookies, which the server sees from the start.

A cookie is known before anything is drawn. What a script in the page would read comes a moment later, when work that
somebody stopped would have begun again.
"""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

import streamlit as st

LAST_VIEW = "view"
"""Explore's address without its beginning, percent-encoded; the browser itself keeps it."""

PLACES = ("model", "chapter", "job", "class")
"""Parameters whose change is a step back in the browser's history. A slider's stops are not: ten of them on the way to
a setting would be ten steps on the way out."""
ALWAYS = ("model", "chapter")
"""Of these, what a page says as soon as it is drawn: that it says them at all is no step."""

_PREFIX = "compression_"
_YEAR_S = 31_536_000
MOST = 3500
"""Characters of a value: browsers allow 4,096 with the name, in bytes, and send them with each request."""

_SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
_NAME = re.compile(r"[0-9a-f]{16}")
_WRITTEN, _VISITOR = "browser_written", "browser_visitor"


def read(name: str) -> str:
    """What this browser keeps under a name, or "". It comes from outside: check it."""
    written: dict[str, str] = st.session_state.get(_WRITTEN, {})
    kept = st.context.cookies.get(_PREFIX + name, "")
    return written.get(name, kept[:MOST] if isinstance(kept, str) else "")


def keep(name: str, value: str) -> None:
    """Have the browser keep letters, digits and `-_.,` under a name; the rest of what it is asked to keep is not."""
    value = re.sub(r"[^A-Za-z0-9_.,-]", "", value)[:MOST]
    st.session_state.setdefault(_WRITTEN, {})[name] = value


def show() -> None:
    """Write what there is to be kept, anywhere in the page and in parts that are drawn alone. Nothing is to be seen."""
    written: dict[str, str] = st.session_state.get(_WRITTEN, {})
    ending = f";path=/;max-age={_YEAR_S};samesite=lax"
    told = {
        "lines": [f"{_PREFIX}{name}={value}{ending}" for name, value in written.items()],
        "places": PLACES,
        "always": ALWAYS,
        "view": {"page": "/explore", "name": _PREFIX + LAST_VIEW, "ending": ending, "most": MOST},
    }
    st.html(f"<script>({_SCRIPT})({json.dumps(told)})</script>", unsafe_allow_javascript=True)


def visitor() -> str:
    """A random name of this browser, the same at its next visit; says nothing of who sits before it."""
    name: str = st.session_state.get(_VISITOR, "")
    if not name:
        name = read("visitor")
        if not _NAME.fullmatch(name):
            name = secrets.token_hex(8)
            keep("visitor", name)
        st.session_state[_VISITOR] = name
    return name
