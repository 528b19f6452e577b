"""The room that everything takes, where it lies, and what nobody needs any more."""

from __future__ import annotations

import streamlit as st

from compression import units
from compression.store import deletion, disk
from compression.store.deletion import Orphans
from compression.store.disk import Place
from compression.work import dispatcher
from pages.components.asking import notices
from pages.components.shown import elements

_FOUND, _CLEANED = "disk_orphans", "disk_cleaned"


@notices.told
def show() -> None:
    """Sizes and places, and the clean-up."""
    seen = disk.usage(dispatcher.get_dispatcher().store)
    free = f" · {units.size(seen.free_bytes)} free on this disk" if seen.free_bytes is not None else ""
    st.markdown(
        f"**{units.size(seen.n_bytes)}** in all{free}",
        help="COMPRESSION_HOME sets another folder, COMPRESSION_DATABASE another database.",
    )
    for place in elements.grid(seen.places, 2):
        _place(place)
    _leftovers()


def _place(place: Place) -> None:
    files = f" · {units.counted(place.files, 'file')}" if place.files else ""
    with st.container(border=True, height="stretch", key=f"disk_{place.name.lower().replace(' ', '_')}"):
        st.markdown(f"**{place.name}** · {units.size(place.n_bytes)}{files}")
        st.code(place.path, language=None, wrap_lines=True)
        st.caption(place.about)


@notices.told
def _leftovers() -> None:
    st.markdown(
        "**Leftovers**",
        help="Files that no result names, and answers about results that are gone. A crash can leave some behind. "
        "Files of the last hour are never touched: a measurement may be about to use them.",
    )
    if cleaned := st.session_state.pop(_CLEANED, None):
        st.success(cleaned, icon=":material/check:")
    with st.container(horizontal=True, vertical_alignment="center", key="disk_leftovers"):
        if st.button("Look for leftovers", icon=":material/search:", key="disk_look"):
            st.session_state[_FOUND] = deletion.orphans(dispatcher.get_dispatcher().store)
        found: Orphans | None = st.session_state.get(_FOUND)
        if found is not None:
            st.markdown(in_words(found) if not found.is_empty else "There are none.")
            if not found.is_empty and st.button("Remove them", icon=":material/delete:", key="disk_clean"):
                _clean()


def in_words(found: Orphans) -> str:
    """What there is to clean up, on one line."""
    answers = f", {found.answers:,} answers about results that are gone" if found.answers else ""
    return f"**{len(found.files):,} files, {units.size(found.file_bytes)}**{answers}: nothing needs them."


def _clean() -> None:
    gone = deletion.clean_up(dispatcher.get_dispatcher().store)
    st.session_state.pop(_FOUND, None)
    st.session_state[_CLEANED] = f"{len(gone.files):,} files removed, {units.size(gone.file_bytes)} freed."
    st.rerun()
