"""One control for one setting of any step, made from what its model says: type, range, help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import streamlit as st

from compression.models.facts import MODELS
from compression.recipe.steps import PATTERN_SPARSITY, Step, help_text, limits
from pages.components.explore import words

FRACTIONS = {"sparsity", "pruning_ratio", "share", "rank_ratio", "width_mult", "depth_mult"}
"""Shown in percent."""

_NONE = "none"
_NONE_WORDS = {"activation_bits": "32 (off)"}
_NO_NUMBER = {"resolution": "that of the images", "learning_rate": "the usual one"}


def fields_of(step: Step) -> tuple[str, ...]:
    """The settings of a step, in order."""
    return tuple(field for field in type(step).model_fields if field != "technique")


def to_control(step: Step, field: str) -> Any:  # noqa: ANN401  (settings differ in type)
    """The setting's value as its control has it."""
    value = getattr(step, field)
    if field in FRACTIONS:
        return round(100 * value, 1)
    if isinstance(value, tuple):
        return list(value)
    if value is None:
        return _NONE if _options(step, field) else None
    is_decimal = not isinstance(value, bool | str) and not _options(step, field) and _number_type(step, field) is float
    return float(value) if is_decimal else value


def from_control(step: Step, field: str, value: Any) -> Any:  # noqa: ANN401
    """What `to_control` did, undone."""
    if field in FRACTIONS:
        return round(value / 100, 4)
    return None if value == _NONE and None in _options(step, field) else value


def follow(step: Step, field: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
    """What must change with a setting: patterns of zeros fix their share, and another share needs another pattern."""
    pattern = getattr(step, "pattern", "weights")
    if field == "pattern" and value in PATTERN_SPARSITY:
        return {"sparsity": PATTERN_SPARSITY[value]}
    if field == "sparsity" and pattern in PATTERN_SPARSITY and value not in (0, PATTERN_SPARSITY[pattern]):
        return {"pattern": "weights"}
    return {}


def draw(step: Step, field: str, *, key: str, on_change: Callable[..., None], args: tuple[Any, ...]) -> None:
    """The control that fits the setting's type."""
    label, position = words.title_of(type(step), field), st.session_state[key]
    common: dict[str, Any] = {"key": key, "on_change": on_change, "args": args, "help": help_text(type(step), field)}
    if field == "teachers":
        st.multiselect(label, _teachers(step), default=position, placeholder="the model itself", **common)
    elif isinstance(position, bool):
        st.toggle(label, value=position, **common)
    elif options := _options(step, field):
        _choice(label, step, field, options, common)
    elif field in FRACTIONS:
        low, high = (100 * end for end in limits(type(step), field))
        fine = 0.1 if field == "sparsity" else 1.0
        st.slider(label, low, high, value=position, step=fine, format="%g %%", **common)
    else:
        _number(label, step, field, common)


def _choice(label: str, step: Step, field: str, options: tuple[Any, ...], common: dict[str, Any]) -> None:
    shown = tuple(_NONE if option is None else option for option in options)
    said = words.OF_STEPS.get(type(step), {}).get(field, {})
    titles = {option: str(said.get(option, option)).replace("_", " ") for option in shown}
    titles |= {_NONE: _NONE_WORDS[field]} if field in _NONE_WORDS else {}
    position = st.session_state[common["key"]]
    if all(isinstance(option, int) for option in options if option is not None) and len(options) > 2:
        ordered = sorted(shown, key=lambda option: (option == _NONE, 0 if option == _NONE else option))
        st.select_slider(label, ordered, value=position, format_func=titles.__getitem__, **common)
    else:
        st.selectbox(label, shown, index=shown.index(position), format_func=titles.__getitem__, **common)


def _number(label: str, step: Step, field: str, common: dict[str, Any]) -> None:
    number = _number_type(step, field)
    low, high = (number(end) for end in limits(type(step), field))
    none = field in _NO_NUMBER
    st.number_input(
        label,
        low,
        high,
        value=None if none else st.session_state[common["key"]],
        step=1 if number is int else None,
        format=None if number is int else "%g",
        placeholder=_NO_NUMBER.get(field),
        **common,
    )


def _options(step: Step, field: str) -> tuple[Any, ...]:
    """The values of a setting that has few, `None` among them where it may be left out."""
    annotation = type(step).model_fields[field].annotation
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    literals = [part for part in get_args(annotation) if get_origin(part) is Literal]
    return (*get_args(literals[0]), None) if literals else ()


def _number_type(step: Step, field: str) -> type[int] | type[float]:
    annotation = type(step).model_fields[field].annotation
    return int if annotation is int or int in get_args(annotation) else float


def _teachers(step: Step) -> list[str]:
    return list(dict.fromkeys((*MODELS, *getattr(step, "teachers", ()))))
