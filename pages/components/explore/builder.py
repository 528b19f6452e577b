"""The pipeline builder: steps to add, remove, move and change, each with all its settings."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from compression import units
from compression.errors import InvalidRecipe
from compression.recipe import edit
from compression.recipe.budgets import training_seconds
from compression.recipe.recipe import MAX_STEPS, Recipe
from compression.recipe.steps import Step, fields_of, technique_of
from compression.recipe.words import Kind, kind_of, levels_in_words
from pages.components.asking import notices
from pages.components.explore import parts, step_settings
from pages.components.view import state
from pages.components.view.link import View, view_of

_REFUSED = "builder_refused"


def show(view: View) -> None:
    """The steps of the view's recipe, in order."""
    recipe = view.recipe
    if reason := st.session_state.pop(_REFUSED, None):
        st.error(reason, icon=":material/block:")
    if not recipe.steps:
        st.caption("No steps yet: the original model. Add the first one below.")
    for at, step in enumerate(recipe.steps):
        _card(recipe, at, step)
    _add(view, recipe)
    seconds = training_seconds(view.subject, recipe)
    st.caption(f"Trains for about {units.duration(seconds)}." if seconds else "No step trains: measured in seconds.")


def _card(recipe: Recipe, at: int, step: Step) -> None:
    kind = kind_of(type(step))
    with st.container(border=True, key=f"step_{at}", gap="small"):
        title, buttons = st.columns([3, 1.3], vertical_alignment="center", gap=None, wrap=False)
        with title:
            st.markdown(f"**{at + 1}. {kind.title}**", help=kind.about)
        with buttons, st.container(horizontal=True, horizontal_alignment="right", gap=None):
            kept_there = _buttons(recipe, at, kind)
        for reason in dict.fromkeys(kept_there):
            st.caption(f":material/lock: {reason}")
        fields = fields_of(type(step))
        _setting(at, step, kind.main)
        if levels := levels_in_words(step):
            st.caption(f"{notices.plain(levels)}.")
        others = [field for field in fields if field != kind.main]
        if others:
            with st.expander("More", key=f"step_more_{at}_{step.technique}", on_change="rerun") as more:
                if more.open:
                    for field in others:
                        _setting(at, step, field)


def _buttons(recipe: Recipe, at: int, kind: Kind) -> list[str]:
    """Returns why what cannot be done cannot: a tooltip of a button that is off is out of reach of fingers and keys."""
    changes: dict[str, tuple[str, str, Callable[[], Recipe]]] = {
        "up": ("arrow_upward", "earlier", lambda: edit.moved(recipe, at, -1)),
        "down": ("arrow_downward", "later", lambda: edit.moved(recipe, at, 1)),
        "remove": ("delete", "", lambda: edit.removed(recipe, at)),
    }
    kept_there = []
    for name, (icon, where, change) in changes.items():
        at_the_end = (name == "up" and at == 0) or (name == "down" and at == len(recipe.steps) - 1)
        reason = "" if at_the_end else edit.refusal(change)
        words = f"Take {kind.title!r} {where}" if where else f"Remove {kind.title!r}"
        st.button(
            f":material/{icon}:",
            key=f"step_{name}_{at}",
            type="tertiary",
            disabled=at_the_end or bool(reason),
            help=f"Not possible: {reason}" if reason else words.replace("'", ""),
            on_click=_try,
            args=(change,),
        )
        if reason:
            kept_there.append(f"{words.replace(chr(39), '')}? {reason}")
    return kept_there


def _setting(at: int, step: Step, field: str) -> None:
    key = f"{state.SETTING}step_{at}_{step.technique}_{field}"
    state.place(key, step_settings.to_control(step, field))
    step_settings.draw(type(step), field, key, on_change=_changed, args=(at, step.technique, field, key))


def _changed(at: int, technique: str, field: str, key: str) -> None:
    recipe = state.current().recipe
    if key in st.session_state and at < len(recipe.steps) and recipe.steps[at].technique == technique:
        step = recipe.steps[at]
        value = step_settings.from_control(step, field, st.session_state[key])
        _try(lambda: edit.changed(recipe, at, **{field: value, **step_settings.follow(step, field, value)}))


def _add(view: View, recipe: Recipe) -> None:
    if len(recipe.steps) >= MAX_STEPS:
        st.caption(f"A recipe has at most {MAX_STEPS} steps.")
        return
    with st.popover("Add a step", icon=":material/add:", width="stretch", key="builder_add"):
        for kind in edit.offered(view.subject):
            about = kind_of(kind)
            reason = edit.refusal(lambda kind=kind: edit.added(recipe, kind))  # type: ignore[misc]
            st.button(
                about.title,
                key=f"builder_add_{technique_of(kind)}",
                help=f"Not possible here: {reason}" if reason else about.about,
                disabled=bool(reason),
                width="stretch",
                on_click=_try,
                args=(lambda kind=kind: edit.added(recipe, kind),),
            )
            if reason:
                st.caption(reason)


def _try(change: Callable[[], Recipe]) -> None:
    """Show the changed recipe; one that makes no sense is refused with the reason, and nothing is lost."""
    view = state.current()
    try:
        state.show(view_of(change(), view))
    except InvalidRecipe as error:
        st.session_state[_REFUSED] = str(error)
        state.show(view)
    parts.redraw()
