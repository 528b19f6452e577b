"""What can be done with results that are chosen in the history: open, compare, tag, note, delete."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

import streamlit as st

from compression import units
from compression.models.subject import known_models, subject_of
from compression.results.conditions import Conditions
from compression.store import history
from compression.store.history import Entry, Note
from compression.work import dispatcher
from pages.components.asking import notices, pick
from pages.components.frame import menu
from pages.components.jobs import dialogs
from pages.components.view.link import parameters_of, text_of, view_of


def show(chosen: Sequence[Entry], written: Mapping[str, Note], here: Collection[Conditions]) -> None:
    """A box below the table."""
    with st.container(border=True, key="past_chosen"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{chosen[0].title}**: {chosen[0].words}" if len(chosen) == 1 else f"**{len(chosen):,} chosen**"
            )
            _links(chosen)
            if st.button("Delete …", icon=":material/delete:", key="past_delete"):
                dialogs.ask(tuple(entry.key for entry in chosen))
                st.rerun()
        elsewhere = sum(entry.measured_under not in here for entry in chosen)
        if elsewhere:
            which = "This was" if len(chosen) == 1 else f"{elsewhere:,} of these were"
            st.caption(
                f":material/info: {which} measured under other conditions than the present ones. "
                "Opened, the same setting is measured anew, here and now."
            )
        if len(chosen) == 1:
            _note(chosen[0], written.get(chosen[0].key, Note()), history.all_tags(written.values()))
        else:
            _tags(chosen, written)


def _links(chosen: Sequence[Entry]) -> None:
    """To the pages that show one result, or several beside each other."""
    recipes = [entry.recipe for entry in chosen if entry.recipe is not None and entry.model in known_models()]
    if len(recipes) < len(chosen):
        st.caption("Some of these were written by another version of this program, which alone can open them.")
        return
    if len(recipes) == 1:
        for page in (menu.EXPLORE, "Inspect"):
            menu.link(page, query=parameters_of(view_of(recipes[0])))
    elif len(recipes) <= pick.AT_MOST and len({subject_of(recipe.model).data for recipe in recipes}) == 1:
        menu.link("Compare", query={"recipes": text_of(recipes)})


def _note(entry: Entry, note: Note, known: Sequence[str]) -> None:
    """Tags and note of one result."""
    with st.form(f"past_note_{entry.key[:16]}", border=False):
        tags = _tag_field("Tags", [*note.tags, *known], note.tags, entry.key[:16])
        text = st.text_area(
            "Note",
            note.text,
            help=f"At most {history.MAX_NOTE:,} characters.",
            key=f"past_note_text_{entry.key[:16]}",
            height=96,
        )
        if st.form_submit_button("Save", icon=":material/save:"):
            _save(lambda: history.write_note(dispatcher.get_dispatcher().store, entry.key, tags, text))
    if note.changed_at:
        st.caption(f"Last changed {units.duration(max(1.0, time.time() - note.changed_at))} ago.")


def _tags(chosen: Sequence[Entry], written: Mapping[str, Note]) -> None:
    """Tags of several results: those that all have are shown; notes stay as they are."""
    keys = [entry.key for entry in chosen]
    each = [set(written.get(key, Note()).tags) for key in keys]
    common = sorted(set.intersection(*each))
    with st.form("past_tags_form", border=False):
        every = sorted(history.all_tags(written.values()))
        tags = _tag_field("Tags of all of these", every, common, str(hash((*keys, *common))))
        if st.form_submit_button("Save", icon=":material/save:"):
            store = dispatcher.get_dispatcher().store
            _save(lambda: history.change_tags(store, keys, set(tags) - set(common), set(common) - set(tags)))


def _tag_field(label: str, every: Sequence[str], chosen: Sequence[str], key: str) -> list[str]:
    """Some of the tags that there are, and new ones."""
    return st.multiselect(
        label,
        list(dict.fromkeys(every)),
        default=list(chosen),
        accept_new_options=True,
        placeholder="Choose, or write a new one and press Enter",
        key=f"past_note_tags_{key}",
    )


@notices.told
def _save(write: Callable[[], None]) -> None:
    write()
    st.toast("Saved.", icon=":material/check:")
    st.rerun()
