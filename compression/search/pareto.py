"""Which points nothing else beats in both directions. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Indices of the points that no other beats: lower cost is better, higher gain is better.

    Returned by rising cost. Of points equal in both the first is kept. Raises `ValueError` when the two
    sequences differ in length.
    """
    if len(costs) != len(gains):
        raise ValueError(f"costs and gains must be equally long, but got {len(costs)} and {len(gains)}")
    order = sorted(range(len(costs)), key=lambda index: (costs[index], -gains[index], index))
    front: list[int] = []
    best = float("-inf")
    for index in order:
        if gains[index] > best:
            front.append(index)
            best = gains[index]
    return front
