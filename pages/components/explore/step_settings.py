"""One control for one setting of any step, made from what its model says: type, range, words, help.

Each is told its position twice, in session state and as its default: when two runs of the page follow each
other closely, a browser may miss the first and would start a control at its default.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        return round(100.0 * value, 1)  # a default may be a whole number, which no slider takes beside its floats
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
    kind: type[Step],
    field: str,
    key: str,
    *,
    words: Mapping[Any, str] | None = None,
    positions: range | None = None,
    every: float | None = None,
    note: str = "",
    **others: Any,  # noqa: ANN401  (of Streamlit's control)
) -> None:
    """The control that fits the setting's type, with its title and help, which a `note` may follow.

    `words` are what can be chosen where that is not all there is. A number has a slider where its `positions` are
    said (a share's in percent), or how far they are apart (`every`).
    """
    label, position, said = title_of(kind, field), st.session_state[key], words or labels(kind, field)
    others = {"key": key, "help": f"{help_text(kind, field)} {note}".strip()} | others
    if isinstance(position, list):
        others.setdefault("options", tuple(dict.fromkeys((*known_models(), *position))))
        st.multiselect(label, default=position, placeholder="the model itself", **others)
    elif isinstance(position, bool):
        st.toggle(label, position, **others)
    elif said:
        choose(label, said, position, **others)
    elif positions:
        percent = " %%" if is_share(kind, field) else ""
        st.slider(label, min(positions), max(positions), position, abs(positions.step), f"%d{percent}", **others)
    elif is_share(kind, field):
        low, high = (100 * end for end in limits(kind, field))
        st.slider(label, low, high, position, 1.0 if high.is_integer() else 0.1, "%g %%", **others)
    elif every:
        st.slider(label, *limits(kind, field), position, every, **others)
    else:
        _number(label, kind, field, others)


def choose(label: str, words: Mapping[Any, str], position: object, **others: Any) -> None:  # noqa: ANN401
    """One of several words: in a list, or on a slider where there are several numbers."""
    titles = {_NONE if value is None else value: title for value, title in words.items()}
    values = tuple(titles)
    if len(values) > 2 and all(isinstance(value, int) for value in words if value is not None):
        st.select_slider(label, values, position, titles.__getitem__, **others)
    else:
        st.selectbox(label, values, values.index(position) if position in values else 0, titles.__getitem__, **others)


def _number(label: str, kind: type[Step], field: str, others: dict[str, Any]) -> None:
    """A box for a number; one that may be left out can be emptied."""
    number = _number_type(kind, field)
    low, high = map(number, limits(kind, field))
    usual: dict[str, Any] = {"value": st.session_state[others["key"]]}
    usual |= {"step": 1} if number is int else {"format": "%g"}
    if kind.model_fields[field].default is None:
        usual |= {"value": None, "placeholder": NONE.get(field)}
    st.number_input(label, low, high, **usual | others)


def _number_type(kind: type[Step], field: str) -> type[int] | type[float]:
    annotation = kind.model_fields[field].annotation
    return int if annotation is int or int in get_args(annotation) else float
