"""What a check comes to: whether it passed, was refused, or what is wrong."""

import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from compression import errors

SLOW = 20.0
"""Seconds of a processor after which a refusal comes too late."""

Check = tuple[str, Callable[[], object]]
"""In a few words what is looked at; and what raises an exception if it is not right."""


class Wrong(Exception):
    """Numbers are not right, without a word."""


def need(condition, text):
    if not condition:
        raise Wrong(text)


class Finding(NamedTuple):
    """How a check ended.

    A fault is `wrong` (also: nothing was done, or what was given has changed), a `crash` (an exception that is none of
    the engine's own), `corrupt` (a file that the engine wrote itself and that cannot be loaded), `time` (refused too
    late), `unnamed` (a refusal that does not name the node or its operation), or `refuses` (a refusal of something that
    has to work). No faults are `pass`, `refused`, and `n/a`: the step makes no sense for this
    network, and the text says why.
    """

    kind: str
    text: str = ""

    @property
    def is_fault(self) -> bool:
        return self.kind not in ("pass", "refused", "n/a")


def finding(work: Callable[[], object], *, may_refuse: bool, names_it: Callable[[str], bool]) -> Finding:
    """Carry out a check. A refusal passes where that is allowed, and where it names what it refuses."""
    started = time.process_time()
    try:
        work()
    except Exception as error:
        found = _of_error(error, may_refuse, names_it)
        seconds = time.process_time() - started
        if seconds > SLOW and found.kind in ("refused", "refuses", "unnamed", "n/a"):
            return Finding("time", f"refused only after {seconds:.0f} s: {found.text}")
        return found
    return Finding("pass")


def _of_error(error: Exception, may_refuse: bool, names_it: Callable[[str], bool]) -> Finding:
    text = f"{type(error).__name__}: {error}"
    match error:
        case Wrong():
            kind, text = "wrong", str(error)
        case errors.CorruptFile():
            kind = "corrupt"
        case errors.NotApplicable():
            kind = "n/a"
        case errors.InvalidRecipe() | errors.UnsupportedModel() if not names_it(str(error)):
            kind = "unnamed"
        case errors.InvalidRecipe() | errors.UnsupportedModel() if may_refuse:
            kind = "refused"
        case errors.CompressionError():
            kind = "refuses"
        case _:
            last = traceback.extract_tb(error.__traceback__)[-1]
            kind, text = "crash", f"{text} ({Path(last.filename).name}:{last.lineno})"
    return Finding(kind, text)


def in_words(findings: Iterable[tuple[str, Finding]]) -> str:
    """The faults, a line each."""
    return "\n".join(f"{what}: {found.kind}: {found.text}" for what, found in findings if found.is_fault)
