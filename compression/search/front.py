"""How good a set of measured settings is: what none of them beats, and the room that they leave. Torch-free.

Three goals: accuracy lost, stored bytes and time, each against the uncompressed model. As on the charts, losses go by
their logarithm, as bytes and time do. Fronts and hypervolumes are those of moocore (López-Ibáñez et al.).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from compression.results.record import Result

Goals = NDArray[np.float64]
"""One row a setting, one column a goal, 0 (ideal) to 1 (no better than the uncompressed model); less is better."""

LEAST = 0.005
"""Share of the images: losses below it are not told apart."""
SMALLEST, FASTEST = 1 / 300, 1 / 30
"""Of the uncompressed model's bytes and time: what counts as ideal."""


def goals_of(lost: float, size: float, time: float, chance_lost: float = 0.9) -> tuple[float, float, float]:
    """A setting that loses `lost` of the accuracy (0..1), with shares of the original's bytes and time.

    Whoever loses `chance_lost` guesses.
    """
    worst = math.log(chance_lost + LEAST)
    loss = (math.log(max(0.0, lost) + LEAST) - math.log(LEAST)) / (worst - math.log(LEAST))
    return loss, math.log(size / SMALLEST) / -math.log(SMALLEST), math.log(time / FASTEST) / -math.log(FASTEST)


def goals(results: Iterable[Result], *, on_test: bool = False) -> Goals:
    """Of each result; its accuracy is that on validation images, or on the test images."""
    rows = []
    for result in results:
        gained = result.accuracy_difference if on_test else result.choosing.difference
        time = 1.0 if result.is_baseline else result.latency_ratio
        rows.append(goals_of(-gained, 1 / result.size_ratio, time))
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3)


def nondominated(points: Goals) -> NDArray[np.bool_]:
    """Which rows no other beats in all goals at once; of equal ones the first."""
    import moocore

    if not len(points):
        return np.zeros(0, dtype=bool)
    found: NDArray[np.bool_] = moocore.is_nondominated(points)
    return found


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Indices of the points that no other beats: lower cost is better, higher gain is better.

    Returned by rising cost. Of points equal in both the first is kept. Raises `ValueError` when the two
    sequences differ in length.
    """
    if len(costs) != len(gains):
        raise ValueError(f"costs and gains must be equally long, but got {len(costs)} and {len(gains)}")
    points = np.column_stack([np.asarray(costs, np.float64), -np.asarray(gains, np.float64)])
    front = np.flatnonzero(nondominated(points))
    return [int(index) for index in front[np.argsort(points[front, 0], kind="stable")]]


def hypervolume(points: Goals) -> float:
    """The share (0 to 1) of all that lies between ideal and original which some row is at least as good as."""
    import moocore

    inside = np.clip(points[(points < 1).all(axis=1)], 0, 1)
    return float(moocore.hypervolume(inside, ref=[1.0, 1.0, 1.0])) if len(inside) else 0.0


def gains(points: Goals, front: Goals) -> NDArray[np.float64]:
    """By how much each row alone would enlarge the hypervolume of a front."""
    import moocore

    inside = np.clip(front[(front < 1).all(axis=1)], 0, 1)
    volume = moocore.Hypervolume(ref=[1.0, 1.0, 1.0])
    before = volume(inside) if len(inside) else 0.0
    found = np.zeros(len(points))
    for number, point in enumerate(points):
        if (point < 1).all() and not (inside <= point).all(axis=1).any():
            found[number] = volume(np.vstack([inside, np.clip(point, 0, 1)])) - before
    return found
