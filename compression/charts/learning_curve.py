"""A training under way: how accurate the network is on validation images. Torch-free."""

from __future__ import annotations

import math

from compression import units
from compression.charts.figure import Figure, figure, percent, scatter
from compression.charts.palette import BLUE
from compression.results.record import Learning

HEIGHT = 150
ROOM = 0.5
"""Percentage points above and below the curve, at least: its axis ends at whole percents, so that it seldom changes."""


def drawn(learning: Learning) -> Figure:
    """Accuracy in percent over steps of training, up to the last that is planned."""
    steps, accuracies = zip(*learning.points, strict=True)
    percents = [100 * accuracy for accuracy in accuracies]
    said = f"step %{{x:,}}: {percent('y')}"
    return figure(
        [scatter("validation images", steps, percents, said, mode="lines+markers", line={"color": BLUE})],
        HEIGHT,
        "steps of training",
        "% right",
        xaxis={"range": [-0.02 * learning.planned, 1.02 * learning.planned]},
        yaxis={"range": [max(0, math.floor(min(percents) - ROOM)), min(100, math.ceil(max(percents) + ROOM))]},
    )


def in_words(learning: Learning) -> str:
    """The same for people who do not see it."""
    step, accuracy = learning.points[-1]
    right = units.percent(accuracy)
    return f"After {step:,} of {learning.planned:,} steps {right} % of the validation images are right."
