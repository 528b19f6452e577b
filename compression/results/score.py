"""What the share of right answers is called: accuracy, or agreement where nobody has said what is right.

Images without labels are judged by what the original network answers. All words about accuracy then speak of agreement
with it: `said` puts them so while `judge_by` says that this is the case, for one page's or one command's thread.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_has_labels: ContextVar[bool] = ContextVar("has_labels", default=True)

_AGREEMENT = {
    "accuracy": "agreement",
    "accurate": "faithful",
    "classified correctly": "answered as by the original network",
    "more mistakes": "more other answers",
    "fewer mistakes": "fewer other answers",
    "Share of right answers": "Share of the original's answers",
}
_WORDS = re.compile("|".join(_AGREEMENT), re.IGNORECASE)


def judge_by(has_labels: bool) -> None:
    """From now on words are about images with labels, or without."""
    _has_labels.set(has_labels)


def said(words: str) -> str:
    """The words, of agreement where it takes accuracy's place."""
    return words if _has_labels.get() else _WORDS.sub(_as_agreement, words)


def _as_agreement(found: re.Match[str]) -> str:
    there = found[0]
    words = _AGREEMENT.get(there) or _AGREEMENT.get(there.lower()) or there
    return words[0].upper() + words[1:] if there[0].isupper() else words


def says(function: Callable[P, T]) -> Callable[P, T]:
    """Puts what a function returns like `said`: words, or tuples and dataclasses that hold some."""

    @functools.wraps(function)
    def putting(*args: P.args, **kwargs: P.kwargs) -> T:
        found = function(*args, **kwargs)
        return found if _has_labels.get() else _put(found)  # type: ignore[return-value]

    return putting


def _put(found: Any) -> Any:  # noqa: ANN401
    if isinstance(found, str):
        return said(found)
    if isinstance(found, tuple | list) and not hasattr(found, "_fields"):
        return type(found)(map(_put, found))
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        texts = {field.name: getattr(found, field.name) for field in dataclasses.fields(found) if field.init}
        changed = {name: _put(value) for name, value in texts.items() if isinstance(value, str | tuple | list)}
        return dataclasses.replace(found, **changed)
    return found
