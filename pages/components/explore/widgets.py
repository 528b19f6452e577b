"""Controls that stand for one setting each: their key, their one-sentence help, and the view that follows a move.

Each is told its position twice, in session state and as its default: when two runs of the page follow each
other closely, a browser may miss the first and would start a control at its default.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from compression.recipe.settings import FLOAT_BITS, Settings, field_of
from compression.recipe.steps import Quantization, Step, help_text, limits, title_of
from compression.recipe.words import NONE, labels
from pages.components.explore import parts
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


def raise_to(field: str, low: int) -> None:
    """Move a control that is below a limit up to it; before the control is drawn."""
    if value_of(field) < low:
        st.session_state[key(field)] = low


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


def common(field: str, help_words: str, *, default: str = "value", **others: object) -> dict[str, Any]:
    """Arguments of every control; `default` is what the control calls its default, empty where it has its own."""
    position = {default: value_of(field)} if default else {}
    return {"key": key(field), "help": help_words, "on_change": _moved, "args": (field,), **position, **others}


def control(
    field: str, step: type[Step], *, every: float | None = None, note: str = "", disabled: bool = False
) -> None:
    """The control that fits a setting of a step: a switch, a list, or a slider whose positions are `every` apart."""
    name = field_of(field, step)
    label, said = title_of(step, name), labels(step, name)
    help_words = f"{help_text(step, name)} {note}".strip()
    if said and not all(isinstance(value, int) for value in said):
        one_of(label, field, said, help_words, disabled=disabled)
        return
    arguments = common(field, help_words, disabled=disabled)
    if isinstance(value_of(field), bool):
        st.toggle(label, **arguments)
    elif said:
        st.select_slider(label, tuple(said), **arguments)
    else:
        st.slider(label, *limits(step, name), step=every, **arguments)


def one_of(label: str, field: str, words: dict[Any, str], help_words: str, *, disabled: bool = False) -> None:
    """One of several words, with a sentence of its own."""
    options, position = tuple(words), value_of(field)
    index = options.index(position) if position in options else 0
    arguments = common(field, help_words, default="", index=index, disabled=disabled)
    st.selectbox(label, options, format_func=words.__getitem__, **arguments)


def bits(field: str, positions: tuple[int, ...], *, note: str = "", disabled: bool = False) -> None:
    """Bits of weights or activations; `FLOAT_BITS` is off."""
    st.select_slider(
        title_of(Quantization, field),
        positions,
        format_func=lambda width: NONE["activation_bits"] if width == FLOAT_BITS else str(width),
        **common(field, f"{help_text(Quantization, field)} {note}".strip(), disabled=disabled),
    )


def percentage(label: str, field: str, positions: range, help_words: str) -> None:
    """A share in whole percent."""
    st.slider(label, positions[0], positions[-1], step=positions.step, format="%d %%", **common(field, help_words))


def either(label: str, field: str, words: dict[Any, str], help_words: str) -> None:
    """Two ways side by side; which one decides what else is shown."""
    arguments = common(field, help_words, default="default", required=True, width="stretch")
    st.segmented_control(label, tuple(words), format_func=words.__getitem__, **arguments)
