"""The charts' colours and symbols: the same thing looks the same everywhere. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from compression.explain.comparison import LETTERS, Contender
from compression.results.record import Result
from compression.search.curves import BLUE, CURVES, GREEN, NEUTRAL, ORANGE, PINK, VIOLET

__all__ = ["ACCENT", "BLUE", "GREEN", "NEUTRAL", "ORANGE", "PINK", "ROW_HEIGHT", "SIGNED", "VIOLET", "contenders"]

ROW_HEIGHT = 46
"""Pixels for one horizontal bar with its gap."""
ACCENT = "#e0561b"
"""The current setting; the theme's primary colour is the same, so slider and marker belong together."""
SIGNED = [[0.0, ORANGE], [0.5, "#c9c9c9"], [1.0, BLUE]]
"""Below zero orange, above it blue: told apart by colour-blind people; between them a grey seen on white and black."""
_HUES = (BLUE, ORANGE, GREEN, PINK, VIOLET)


def contenders(results: Sequence[Result]) -> tuple[Contender, ...]:
    """Up to four results with letters and hues: its technique's where no other has it, grey for the baseline."""
    taken: list[str] = []
    found = []
    for letter, result in zip(LETTERS, results, strict=False):
        taken.append(_hue(result, taken))
        found.append(Contender(letter, taken[-1], result))
    return tuple(found)


def _hue(result: Result, taken: Sequence[str]) -> str:
    techniques = [step["technique"] for step in result.recipe["steps"]]
    wanted = [CURVES[technique].colour for technique in techniques if technique in CURVES]
    first = [] if techniques else [NEUTRAL]
    return next(hue for hue in (*first, *wanted, *_HUES) if hue not in taken)
