"""Every result there is: searched, opened elsewhere, tagged, noted, deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import streamlit as st

from compression import units
from compression.models.subject import known_models, model_title
from compression.results.conditions import Conditions
from compression.results.metrics import METRICS
from compression.store import history
from compression.store.history import ORDERS, Entry, Note, Search
from pages.components.asking import desk, notices
from pages.components.frame import menu
from pages.components.jobs import history_chosen, job_link
from pages.components.shown import elements
from pages.components.shown.metric import amount, column

MAX_ROWS = 500
"""Rows of the table; a browser gets slow with thousands. The search finds the others."""

_SHOWN = "past_shown"
_TEXT, _MODELS, _TAGS, _ORDER, _HERE = _FIELDS = ("past_text", "past_models", "past_tags", "past_order", "past_here")

_COLUMNS = {
    "model": st.column_config.TextColumn("Model"),
    "setting": st.column_config.TextColumn("Setting", width=300),
    "tags": st.column_config.ListColumn("Tags"),
    **{key: column(METRICS[key], decimals=2) for key in history.SHOWN},
    "origin": st.column_config.TextColumn(
        "Conditions",
        help="Results compare only under the same weights, data, engine and machine. All others are kept and listed, "
        "but no chart shows them.",
    ),
    "measured": st.column_config.DatetimeColumn("Measured", format="YYYY-MM-DD HH:mm"),
    "seconds": st.column_config.NumberColumn(
        "Measuring took (s)", format="%.1f", help="Without waiting: the job around it took longer."
    ),
    "note": st.column_config.TextColumn("Note", width=160),
}


def show() -> None:
    """The search, what it finds, and what can be done with the rows that are chosen."""
    st.fragment(key="past")(_past)()


@notices.told
def _past() -> None:
    store = desk.store()
    every, written, here = history.entries(store), history.notes(store), history.present(store)
    if not every:
        st.info("Nothing is measured yet. Open Explore: the first result comes within seconds.", icon=":material/info:")
        menu.link(menu.EXPLORE)
        return
    search = _controls(every, written)
    found = history.find(every, written, search, here)
    shown, newer = _frozen(search, found)
    _counts(found, shown, newer, len(every))
    if not shown:
        st.caption("Nothing fits. Take fewer words, or remove a filter.")
        return
    rows = _table(shown, written, here)
    chosen = [shown[row] for row in rows if row < len(shown)]
    if chosen:
        history_chosen.show(chosen, written, here)
    else:
        st.caption(":material/check_box: Choose rows at their left edge to open, compare, tag, note or delete them.")


# Searching --------------------------------------------------------------------------------------------


def _controls(every: Sequence[Entry], written: Mapping[str, Note]) -> Search:
    """The search as the controls have it."""
    before = job_link.search()
    models = [name for name in known_models() if any(entry.model == name for entry in every)]
    models += sorted({entry.model for entry in every} - set(models))
    tags = history.all_tags(written.values())
    _place(before, models, tags)
    first, second, third, fourth = st.columns([4, 3, 2, 2], gap="small", vertical_alignment="bottom")
    text = first.text_input(
        "Search",
        key=_TEXT,
        placeholder="4-bit prune, a tag, words of a note …",
        help="Finds results that have each of these words in their setting, model, tags or note.",
    )
    picked = second.multiselect("Models", models, key=_MODELS, format_func=model_title, placeholder="All")
    tagged = third.multiselect("Tags", tags, key=_TAGS, placeholder="All", disabled=not tags)
    order = fourth.selectbox("Order", ORDERS, key=_ORDER, format_func=lambda name: f"{units.capital(name)} first")
    only_here = st.toggle(
        "Only what was measured under the present conditions",
        key=_HERE,
        help="The same weights, data, engine version and machine as now: what the charts show.",
    )
    search = Search(text, tuple(picked), tuple(tagged), only_here, order)
    if search != before:
        job_link.look_for(search)
        st.rerun()  # so that the address follows
    return search


def _place(search: Search, models: Collection[str], tags: Collection[str]) -> None:
    """Put controls that are not there yet where the address says; those that are there lead."""
    values = (search.text, list(search.models), list(search.tags), search.order, search.only_here)
    for key, value in zip(_FIELDS, values, strict=True):
        st.session_state.setdefault(key, value)
    for key, known in ((_MODELS, models), (_TAGS, tags)):
        st.session_state[key] = [name for name in st.session_state[key] if name in known]


def _frozen(search: Search, found: Sequence[Entry]) -> tuple[Sequence[Entry], int]:
    """The rows of the table, and how many came since this was first looked for: so none moves under a click."""
    before, latest = st.session_state.get(_SHOWN, (None, 0))
    shown = [entry for entry in found if entry.sequence <= latest]
    if before != search or not shown:
        shown = list(found)
        st.session_state[_SHOWN] = search, max((entry.sequence for entry in found), default=0)
    return shown[:MAX_ROWS], len(found) - len(shown)


def refresh() -> None:
    """Show what came since."""
    st.session_state.pop(_SHOWN, None)


def _counts(found: Sequence[Entry], shown: Sequence[Entry], newer: int, total: int) -> None:
    words = f"**{len(found):,}** of {total:,} results"
    if len(shown) == MAX_ROWS < len(found):
        words += f"; the table has the first {MAX_ROWS:,}. Search, filter or order to see others"
    with st.container(horizontal=True, vertical_alignment="center", key="past_counts"):
        st.markdown(words)
        if newer and len(shown) < MAX_ROWS:
            st.button(f"Show {newer:,} new", icon=":material/refresh:", key="past_refresh", on_click=refresh)


# The table --------------------------------------------------------------------------------------------


def _table(shown: Sequence[Entry], written: Mapping[str, Note], here: Collection[Conditions]) -> list[int]:
    """Draw it; the positions of the rows that are chosen."""
    picked = st.dataframe(
        [_row(entry, written.get(entry.key, Note()), here) for entry in shown],
        column_config=_COLUMNS,
        hide_index=True,
        height=min(460, elements.HEAD_PX + elements.ROW_PX * len(shown)),
        key=f"past_table_{hash(tuple(entry.key for entry in shown))}",
        on_select="rerun",
        selection_mode="multi-row",
        placeholder="",
    )
    return list(picked["selection"]["rows"])


def _row(entry: Entry, note: Note, here: Collection[Conditions]) -> dict[str, object]:
    """A result in the table, in the units that people read."""
    return {
        "model": entry.title,
        "setting": entry.words,
        "tags": list(note.tags),
        **{key: amount(METRICS[key], entry.numbers[key]) for key in history.SHOWN},
        "origin": history.origin(entry, here),
        "measured": job_link.local(entry.measured_at),
        "seconds": entry.seconds,
        "note": note.text,
    }
