"""The charts' colours and symbols: the same thing looks the same everywhere. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from compression.explain.comparison import LETTERS, Contender
from compression.results.record import Result
from compression.search.curves import Curve

BLUE, ORANGE, GREEN, PINK, VIOLET = "#2b83c4", "#d98200", "#0a9b76", "#b95f9f", "#6f56f0"
"""The charts' hues, which colour-blind people can tell apart and which read on white and on black."""


ROW_HEIGHT = 46
"""Pixels for one horizontal bar with its gap."""


@dataclass(frozen=True)
class Look:
    """How a curve is drawn: the same colour and symbol everywhere."""

    title: str
    colour: str
    symbol: str
    dash: str = "solid"


LOOKS: dict[Curve, Look] = {
    "channel_pruning": Look("Channel pruning", "#2b83c4", "circle"),
    "magnitude_pruning": Look("Weight pruning", "#d98200", "square"),
    "second_order_pruning": Look("Second-order pruning", "#d98200", "square-open", dash="dash"),
    "quantization": Look("Quantization", "#0a9b76", "diamond"),
    "weight_sharing": Look("Shared weights", "#0a9b76", "diamond-open", dash="dash"),
    "distillation": Look("Smaller student", "#b95f9f", "triangle-up"),
    "student_control": Look("Student without teacher", "#b95f9f", "triangle-up-open", dash="dash"),
    "slimmable_student": Look("Slimmable student", "#b95f9f", "triangle-down-open", dash="dot"),
    "low_rank": Look("Low rank", "#6f56f0", "cross"),
    "depthwise_separable": Look("Separable convolutions", "#6f56f0", "x-thin-open", dash="dash"),
}
"""One hue a slider, and within it filled for the usual way, open and dashed for the others. Hues of Okabe and
Ito (2008) and a violet, told apart by colour-blind people; the lightness is moved to the middle so that they
read on white and on black."""


ACCENT = "#e0561b"
"""The current setting; the theme's primary colour is the same, so slider and marker belong together."""


NEUTRAL = "#8a8a8a"
"""Baseline, front and other points: a grey that reads on both themes."""


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
    techniques = [cast(Curve, step["technique"]) for step in result.recipe["steps"]]
    wanted = [LOOKS[technique].colour for technique in techniques if technique in LOOKS]
    first = [] if techniques else [NEUTRAL]
    return next(hue for hue in (*first, *wanted, *_HUES) if hue not in taken)
