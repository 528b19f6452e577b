"""People's own networks and images: what they are, check again, rename, delete."""

from __future__ import annotations

import streamlit as st

from compression import units
from compression.errors import CompressionError
from compression.models.brought.image_files import ImageFacts
from compression.models.brought.own import LONGEST_TITLE, OwnModel, facts_of_own, own_data_sets, own_models, rename
from compression.models.subject import subject_of
from compression.store import deletion
from compression.work import dispatcher
from pages.components.asking import notices
from pages.components.frame import menu
from pages.components.models import bring, checked
from pages.components.view import model_card, picture

_ASKED = "models_asked"


@notices.told
def show() -> None:
    """Both kinds, if there are any."""
    models, data_sets = own_models(), own_data_sets()
    if models:
        st.header("Your networks", anchor=False)
    for name in models:
        with st.container(border=True, key=f"models_own_{name}"):
            _model(name)
    if data_sets:
        st.header("Your images", anchor=False)
    for name in data_sets:
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"models_data_set_{name}"):
            _data_set(name)


def _model(name: str) -> None:
    try:
        subject = subject_of(name)
        seen, said = st.columns([1, 2], vertical_alignment="center")
        with seen:
            if subject.entry.picture_path.is_file():
                picture.show(picture.of_file(subject.entry.picture_path), model_card.picture_words(subject))
        with said:
            st.markdown(f"**{subject.title}**  \n{subject.entry.about}")
            st.caption(f"{subject.entry.task}. {model_card.summary(subject)}")
        with st.expander("Entry check"):
            checked.show(name, bring.begin, "list")
    except CompressionError as error:
        st.error(str(error), icon=":material/broken_image:")
    with st.container(horizontal=True, vertical_alignment="center"):
        menu.link(menu.EXPLORE, query={"model": name})
        if st.button("Check again", icon=":material/fact_check:", key=f"models_check_{name}"):
            bring.begin([["check", name]], name)
            st.rerun()
        for what, icon in (("Rename", "edit"), ("Delete", "delete")):
            key = f"models_{what.lower()}_{name}"
            st.button(what, icon=f":material/{icon}:", key=key, on_click=_ask, args=(what, name))


def _data_set(name: str) -> None:
    try:
        st.markdown(f"**{name}** · {_in_words(facts_of_own(name))}", width="stretch")
    except CompressionError as error:
        st.error(str(error), icon=":material/broken_image:")
    key = f"models_delete_data_{name}"
    st.button("Delete", icon=":material/delete:", key=key, on_click=_ask, args=("Delete", name))


def _in_words(facts: ImageFacts) -> str:
    size = f"{facts.height} × {facts.width} pixels" if facts.same_size else "different sizes"
    labels = f"{len(facts.classes)} classes" if facts.has_labels else "no labels"
    return f"{sum(facts.parts):,} images of {size}, {labels} · {units.size(facts.bytes)}"


def _ask(what: str, name: str) -> None:
    st.session_state[_ASKED] = what, name


def _close() -> None:
    st.session_state.pop(_ASKED, None)


def show_dialog() -> None:
    """The window that is open, if any."""
    what, name = st.session_state.get(_ASKED, ("", ""))
    if what:
        {"Rename": _rename, "Delete": _delete}[what](name)


@st.dialog("Rename", on_dismiss=_close)
def _rename(name: str) -> None:
    title = st.text_input("Title", OwnModel(name).title, max_chars=LONGEST_TITLE, key="models_title")
    st.caption(f"In links and recipes it stays {name!r}.")
    if st.button("Rename", type="primary", key="models_rename_yes"):
        try:
            rename(name, title)
        except CompressionError as error:
            st.error(str(error))
        else:
            _close()
            st.rerun()


@st.dialog("Delete", on_dismiss=_close)
def _delete(name: str) -> None:
    store = dispatcher.get_dispatcher().store
    results = len(deletion.results_of(store, name))
    what = f"The network, its files and {units.counted(results, 'result')}" if name in own_models() else "The images"
    st.markdown(f"{what} of **{name}** will be gone.")
    if st.button("Delete", type="primary", key="models_delete_yes"):
        try:
            deletion.remove_own(store, name)
        except CompressionError as error:
            st.error(str(error))
        else:
            _close()
            st.rerun()
