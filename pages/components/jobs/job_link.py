"""What the Jobs page shows, in session state and in its address."""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import streamlit as st

from compression.models.subject import known_models
from compression.store.history import ORDERS, Search
from compression.work import dispatcher, overview
from pages.components.asking import notices
from pages.components.frame import menu
from pages.components.shown import elements
from pages.components.view import state

WORK, HISTORY, DISK = SHOWS = ("Work", "History", "Disk")
_ICONS = {WORK: ":material/play_circle:", HISTORY: ":material/history:", DISK: ":material/hard_drive:"}

_SHOW, _OPEN, _SEARCH, _PROBLEM = "jobs_show", "jobs_open", "jobs_search", "jobs_problem"


def arrive() -> None:
    """Read the address when the page is opened; later the address only follows."""
    asked, back = st.query_params.to_dict(), menu.goes_back()
    if not menu.has_arrived():
        st.session_state.pop(_PROBLEM, None)
        if "show" in asked or back:
            _open_part(asked.get("show", WORK))
        if "job" in asked or back:
            open_job(asked.get("job", "")[:64])
        if set(asked) & {"search", "models", "tags", "order", "here"}:
            st.session_state[_SEARCH] = _search_from(asked)
    menu.arrive()
    if problem := st.session_state.get(_PROBLEM):
        notices.show_problem(f"This link cannot be opened as it is. {problem}")


def asker(group: str) -> str:
    """Who asked for a group's jobs."""
    return overview.asker(group, state.session_id(), dispatcher.get_dispatcher().store.searches)


def _open_part(name: str) -> None:
    parts = {part.lower(): part for part in SHOWS}
    if name.lower() in parts:
        st.session_state[_SHOW] = parts[name.lower()]
    else:
        st.session_state[_PROBLEM] = f"It asks for {name[:40]!r}; this page has {', '.join(parts)}."


def _search_from(asked: dict[str, str]) -> Search:
    models = tuple(name for name in asked.get("models", "").split(",") if name)
    unknown = [name for name in models if name not in known_models()]
    order = asked.get("order", "newest").replace("-", " ")
    if unknown:
        st.session_state[_PROBLEM] = f"There is no model {unknown[0][:40]!r}; choose from: {', '.join(known_models())}."
    elif order not in ORDERS:
        st.session_state[_PROBLEM] = f"There is no order {order[:40]!r}; choose from: {', '.join(ORDERS)}."
    return Search(
        text=asked.get("search", "")[:200],
        models=tuple(name for name in models if name in known_models()),
        tags=_split(asked.get("tags", "")),
        only_here=asked.get("here") == "1",
        order=order if order in ORDERS else "newest",
    )


def _joined(tags: tuple[str, ...]) -> str:
    """'a,b'; as JSON where a tag has a comma itself."""
    plain = not any("," in tag or tag.startswith("[") for tag in tags)
    return ",".join(tags) if plain else json.dumps(tags, ensure_ascii=False)


def _split(text: str) -> tuple[str, ...]:
    try:
        found = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        found = None
    tags = found if isinstance(found, list) else text.split(",")
    return tuple(tag for tag in tags if isinstance(tag, str) and tag)


def choose() -> str:
    """The part of the page that is shown."""
    st.session_state[_SHOW] = st.session_state.get(_SHOW) or WORK  # a control that is not drawn loses its key
    titles = {name: f"{_ICONS[name]} {name}" for name in SHOWS}
    return elements.switch("Part of the page", titles, key=_SHOW, is_labelled=False, on_change=_forgive)


def _forgive() -> None:
    """Something else is looked at: the link's problem is no longer news."""
    st.session_state.pop(_PROBLEM, None)


def opened() -> str:
    """The job whose log is open, if any."""
    return str(st.session_state.get(_OPEN, ""))


def open_job(job_id: str) -> None:
    """Open a job's log; with "" none is open any more."""
    st.session_state[_OPEN] = job_id


def search() -> Search:
    """What is looked for in the history."""
    found: Search = st.session_state.get(_SEARCH, Search())
    return found


def look_for(wanted: Search) -> None:
    """Look for something else."""
    st.session_state[_SEARCH] = wanted
    _forgive()


def write() -> None:
    """Say in the address what is shown."""
    part, wanted = st.session_state.get(_SHOW) or WORK, search()
    said = {"show": "" if part == WORK else part.lower(), "job": opened()}
    if part == HISTORY:
        said |= {
            "search": wanted.text,
            "models": ",".join(wanted.models),
            "tags": _joined(wanted.tags),
            "order": "" if wanted.order == "newest" else wanted.order.replace(" ", "-"),
            "here": "1" if wanted.only_here else "",
        }
    menu.write_address({name: value for name, value in said.items() if value})


def local(moment: datetime | None) -> datetime | None:
    """A moment as the browser's clock shows it, as far as that tells its time zone."""
    try:
        zone: tzinfo = ZoneInfo(str(st.context.timezone))
    except (ValueError, KeyError, OSError):
        zone = UTC
    return moment and moment.astimezone(zone).replace(tzinfo=None)
