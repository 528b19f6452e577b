"""Techniques with a slider of their own under Advanced: the slider, and their other settings as Steps show them."""

from __future__ import annotations

import streamlit as st

from compression.recipe.settings import Settings, at_slider, placed, with_step
from compression.recipe.steps import STEP_TYPES, Step, fields_of, is_share, technique_of
from compression.recipe.words import kind_of
from pages.components.explore import parts, step_settings
from pages.components.view import state


def show(settings: Settings) -> None:
    """Draw all of them, in the order in which steps usually come."""
    for step_type in STEP_TYPES.values():
        if slider := kind_of(step_type).slider:
            _technique(settings, step_type, slider)


def _technique(settings: Settings, step_type: type[Step], slider: range) -> None:
    main = kind_of(step_type).main
    step = next((step for step in settings.structure if type(step) is step_type), None)
    key, off = _key(step_type, main), f"{slider[0]}{' %' if is_share(step_type, main) else ''} is off."
    state.place(key, at_slider(settings, technique_of(step_type)))
    step_settings.draw(step_type, main, key, positions=slider, note=off, on_change=_moved, args=(step_type,))
    for field in fields_of(step_type):
        if field != main:
            key = _key(step_type, field)
            state.place(key, step_settings.to_control(step or _usual(step_type), field))
            step_settings.draw(step_type, field, key, disabled=step is None, on_change=_moved, args=(step_type,))


def _usual(step_type: type[Step]) -> Step:
    return step_type.model_validate(kind_of(step_type).start)


def _key(step_type: type[Step], field: str) -> str:
    return f"{state.SETTING}{technique_of(step_type)}_{field}"


def _moved(step_type: type[Step]) -> None:
    """The view follows at once. A control that is drawn or taken away may be reported too, and changes nothing."""
    usual, main, before = _usual(step_type), kind_of(step_type).main, state.current().settings
    keys = {field: _key(step_type, field) for field in fields_of(step_type)}
    if not all(key in st.session_state for key in keys.values()):
        return
    position = st.session_state[keys.pop(main)]
    others = {field: step_settings.from_control(usual, field, st.session_state[key]) for field, key in keys.items()}
    after = placed(with_step(before, usual.model_copy(update=others)), technique_of(step_type), position)
    if after != before:
        state.move("structure", after.structure)
        parts.redraw()
