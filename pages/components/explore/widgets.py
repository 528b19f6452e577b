"""Controls that stand for one field of `Settings` each: their key, and the view that follows a move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from compression.recipe.settings import FLOAT_BITS, Settings, field_of
from compression.recipe.steps import Quantization, Step
from compression.recipe.words import NONE
from pages.components.explore import parts, step_settings
from pages.components.shown import elements
from pages.components.view import state


def key(field: str) -> str:
    """The session-state key of the control for a field of `Settings`."""
    return state.SETTING + field


def place(settings: Settings) -> None:
    """Put every control that has no position yet where `settings` say; hidden ones keep theirs."""
    for field in settings.__dataclass_fields__:
        state.place(key(field), _to_widget(field, getattr(settings, field)))


def value_of(field: str) -> Any:  # noqa: ANN401  (fields of Settings differ in type)
    """What a control says now, also before it is drawn in this run."""
    return st.session_state[key(field)]


def _to_widget(field: str, value: object) -> object:
    """Widgets know lists and no None among their options."""
    if field == "activation_bits" and value is None:
        return FLOAT_BITS
    return list(value) if isinstance(value, tuple) else value


def _from_widget(field: str, value: object) -> object:
    """What `_to_widget` did, undone."""
    if field == "activation_bits" and value == FLOAT_BITS:
        return None
    return tuple(value) if isinstance(value, list) else value


def _moved(field: str) -> None:
    """The view follows at once, so that everything is drawn from it in any order.

    A control that is drawn or taken away may be reported too: one that stands where the view says has not moved, and
    changes no recipe that sliders cannot express.
    """

    def act(position: object) -> None:
        value = _from_widget(field, position)
        if value != getattr(state.current().settings, field):
            state.move(field, value)
            parts.redraw()

    state.follow(key(field), act)


def common(field: str, **others: object) -> dict[str, Any]:
    """Arguments of every control."""
    return {"key": key(field), "on_change": _moved, "args": (field,), **others}


def control(field: str, kind: type[Step], **others: Any) -> None:  # noqa: ANN401  (see `step_settings.draw`)
    """The control that fits a setting of a kind of step."""
    step_settings.draw(kind, field_of(field, kind), **common(field, **others))


def bits(field: str, positions: tuple[int, ...], **others: Any) -> None:  # noqa: ANN401
    """Bits of weights or activations; `FLOAT_BITS` is off."""
    words = {width: NONE["activation_bits"] if width == FLOAT_BITS else str(width) for width in positions}
    control(field, Quantization, words=words, **others)


def either(label: str, field: str, words: Mapping[str, str] | Iterable[str], help_words: str) -> None:
    """A few ways side by side; which one it is may decide what else is shown."""
    elements.switch(label, words, usual=value_of(field), width="stretch", **common(field, help=help_words))
