"""How a search gets on: how much of the possible its settings have reached, over time. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Sequence

from compression import units
from compression.charts.figure import Figure, figure, percent, scatter
from compression.charts.palette import BLUE
from compression.search.front import FASTEST, SMALLEST

HEIGHT = 150

Progress = Sequence[tuple[float, int, float]]
"""Seconds spent, settings measured and the hypervolume (0 to 1) then, oldest first."""


def drawn(progress: Progress, spent_s: float, minutes: float) -> Figure:
    """Percent of the possible over minutes, up to the last one to spend; it goes on flat until now."""
    seconds, _, volumes = zip(*progress, strict=True)
    across = [*(second / 60 for second in seconds), max(spent_s, seconds[-1]) / 60]
    percents = [100 * volume for volume in (*volumes, volumes[-1])]
    low, high = math.floor(min(percents)), math.ceil(max(percents))
    said = f"after %{{x:.1f}} min: {percent('y')}"
    return figure(
        [scatter("found", across, percents, said, mode="lines", line={"color": BLUE})],
        HEIGHT,
        "minutes",
        "% found",
        xaxis={"range": [0, max(minutes, across[-1])]},
        yaxis={"range": [max(0, low - 1), min(100, high + 1)]},
    )


def in_words(progress: Progress) -> str:
    """The same for people who do not see it."""
    _, measured, volume = progress[-1]
    settings = units.counted(measured, "setting")
    return f"After {settings}, {units.percent(volume, 0)} % of the possible is found."


MEANING = (
    f"All that lies between the original and a network that loses nothing, is {1 / SMALLEST:.0f} times smaller and "
    f"{1 / FASTEST:.0f} times faster, is 100 %: nothing gets there. What counts is whether the line still rises."
)
"""What the percentages are of (the hypervolume of the measured settings)."""
