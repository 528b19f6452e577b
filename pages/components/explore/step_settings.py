"""One control for one setting of any step, made from what its model says: type, range, help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import streamlit as st

from compression.models.subject import known_models
from compression.recipe.steps import PATTERN_SPARSITY, Step, help_text, is_share, limits, options, title_of
from compression.recipe.words import NONE, labels

_NONE = "none"
"""Lists of controls know no None."""


def to_control(step: Step, field: str) -> Any:  # noqa: ANN401  (settings differ in type)
    """The setting's value as its control has it."""
    value, few = getattr(step, field), options(type(step), field)
    if is_share(type(step), field):
        return round(100 * value, 1)
    if isinstance(value, tuple):
        return list(value)
    if value is None:
        return _NONE if few else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and not few
    return _number_type(type(step), field)(value) if is_number else value


def from_control(step: Step, field: str, value: Any) -> Any:  # noqa: ANN401
    """What `to_control` did, undone."""
    if is_share(type(step), field):
        return round(value / 100, 4)
    return None if value == _NONE and None in options(type(step), field) else value


def follow(step: Step, field: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
    """What must change with a setting: patterns of zeros fix their share, and another share needs another pattern."""
    pattern = getattr(step, "pattern", "weights")
    if field == "pattern" and value in PATTERN_SPARSITY:
        return {"sparsity": PATTERN_SPARSITY[value]}
    if field == "sparsity" and pattern in PATTERN_SPARSITY and value not in (0, PATTERN_SPARSITY[pattern]):
        return {"pattern": "weights"}
    return {}


def draw(
    step: Step,
    field: str,
    *,
    key: str,
    on_change: Callable[..., None],
    args: tuple[Any, ...],
    disabled: bool = False,
) -> None:
    """The control that fits the setting's type."""
    kind, position = type(step), st.session_state[key]
    label = title_of(kind, field)
    common: dict[str, Any] = {
        "key": key, "on_change": on_change, "args": args, "help": help_text(kind, field), "disabled": disabled,
    }  # fmt: skip
    if isinstance(position, list):
        models = tuple(dict.fromkeys((*known_models(), *position)))
        st.multiselect(label, models, default=position, placeholder="the model itself", **common)
    elif isinstance(position, bool):
        st.toggle(label, value=position, **common)
    elif said := labels(kind, field):
        _choice(label, said, position, common)
    elif is_share(kind, field):
        low, high = (100 * end for end in limits(kind, field))
        fine = 1.0 if high.is_integer() else 0.1
        st.slider(label, low, high, value=position, step=fine, format="%g %%", **common)
    else:
        _number(label, kind, field, common)


def _choice(label: str, said: dict[Any, str], position: object, common: dict[str, Any]) -> None:
    titles = {_NONE if value is None else value: title for value, title in said.items()}
    values = tuple(titles)
    if all(isinstance(value, int) for value in said if value is not None) and len(said) > 2:
        ordered = sorted(values, key=lambda value: (value == _NONE, 0 if value == _NONE else value))
        st.select_slider(label, ordered, value=position, format_func=titles.__getitem__, **common)
    else:
        st.selectbox(label, values, index=values.index(position), format_func=titles.__getitem__, **common)


def _number(label: str, kind: type[Step], field: str, common: dict[str, Any]) -> None:
    number = _number_type(kind, field)
    low, high = (number(end) for end in limits(kind, field))
    none = kind.model_fields[field].default is None
    st.number_input(
        label,
        low,
        high,
        value=None if none else st.session_state[common["key"]],
        step=1 if number is int else None,
        format=None if number is int else "%g",
        placeholder=NONE.get(field) if none else None,
        **common,
    )


def _number_type(kind: type[Step], field: str) -> type[int] | type[float]:
    annotation = kind.model_fields[field].annotation
    return int if annotation is int or int in get_args(annotation) else float
