"""What the Jobs page shows, in session state and in its address."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import get_args
from zoneinfo import ZoneInfo

import streamlit as st

from compression.history import Order, Search
from pages.components import menu
from sample_models.catalogue import MODELS

WORK, HISTORY, DISK = SHOWS = ("Work", "History", "Disk")
_ICONS = {WORK: ":material/play_circle:", HISTORY: ":material/history:", DISK: ":material/hard_drive:"}

_SHOW, _OPEN, _SEARCH, _PROBLEM = "jobs_show", "jobs_open", "jobs_search", "jobs_problem"


def arrive() -> None:
    """Read the address when the page is opened; later the address only follows."""
    if not menu.has_arrived():
        st.session_state.pop(_PROBLEM, None)
        asked = {key: st.query_params[key] for key in st.query_params}
        if "show" in asked:
            _open_part(asked["show"])
        if "job" in asked:
            st.session_state[_OPEN] = asked["job"][:64]
        if set(asked) & {"search", "models", "tags", "order", "here"}:
            st.session_state[_SEARCH] = _search_from(asked)
    menu.arrive()
    if problem := st.session_state.get(_PROBLEM):
        st.error(f"This link cannot be opened as it is. {problem}", icon=":material/link_off:")


def _open_part(name: str) -> None:
    parts = {part.lower(): part for part in SHOWS}
    if name.lower() in parts:
        st.session_state[_SHOW] = parts[name.lower()]
    else:
        st.session_state[_PROBLEM] = f"It asks for {name[:40]!r}; this page has {', '.join(parts)}."


def _search_from(asked: dict[str, str]) -> Search:
    models = tuple(name for name in asked.get("models", "").split(",") if name)
    unknown = [name for name in models if name not in MODELS]
    order = asked.get("order", "newest").replace("-", " ")
    if unknown:
        st.session_state[_PROBLEM] = f"There is no model {unknown[0][:40]!r}; choose from: {', '.join(MODELS)}."
    elif order not in get_args(Order):
        st.session_state[_PROBLEM] = f"There is no order {order[:40]!r}; choose from: {', '.join(get_args(Order))}."
    return Search(
        text=asked.get("search", "")[:200],
        models=tuple(name for name in models if name in MODELS),
        tags=tuple(tag for tag in asked.get("tags", "").split(",") if tag),
        only_here=asked.get("here") == "1",
        order=next((one for one in get_args(Order) if one == order), "newest"),
    )


def choose() -> str:
    """The part of the page that is shown."""
    st.session_state[_SHOW] = st.session_state.get(_SHOW) or WORK  # a control that is not drawn loses its key
    chosen = st.segmented_control(
        "Part of the page",
        SHOWS,
        format_func=lambda name: f"{_ICONS[name]} {name}",
        key=_SHOW,
        required=True,
        label_visibility="collapsed",
        on_change=_chosen,
    )
    return chosen or WORK


def _chosen() -> None:
    st.session_state.pop(_PROBLEM, None)


def opened() -> str | None:
    """The job whose log is open."""
    return st.session_state.get(_OPEN)


def open_job(job_id: str) -> None:
    """Open a job's log."""
    st.session_state[_OPEN] = job_id


def close_job() -> None:
    """Close the log."""
    st.session_state.pop(_OPEN, None)


def search() -> Search:
    """What is looked for in the history."""
    found: Search = st.session_state.get(_SEARCH, Search())
    return found


def look_for(wanted: Search) -> None:
    """Look for something else."""
    st.session_state[_SEARCH] = wanted
    st.session_state.pop(_PROBLEM, None)


def write() -> None:
    """Say in the address what is shown."""
    part, wanted = st.session_state.get(_SHOW) or WORK, search()
    said = {"show": part.lower()} if part != WORK else {}
    if job := opened():
        said["job"] = job
    if part == HISTORY:
        said |= {
            key: value
            for key, value in {
                "search": wanted.text,
                "models": ",".join(wanted.models),
                "tags": ",".join(wanted.tags),
                "order": "" if wanted.order == "newest" else wanted.order.replace(" ", "-"),
                "here": "1" if wanted.only_here else "",
            }.items()
            if value
        }
    if st.query_params.to_dict() != said:
        st.query_params.from_dict(said)


def local_zone() -> tzinfo:
    """The browser's time zone, as far as it tells."""
    try:
        return ZoneInfo(str(st.context.timezone))
    except (ValueError, KeyError, OSError):
        return UTC
