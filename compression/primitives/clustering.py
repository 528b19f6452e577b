"""Codebooks: few values that stand for many weights (Han et al., "Deep compression", 2016)."""

from __future__ import annotations

import torch
from torch import Tensor

from compression.network import Half

CANDIDATES = 512
"""Borders between intervals that the search tries, at most: twice as many left errors within 0.2 % up to 64 values
and 15 % lower with 256, where errors are tiny, at four times the time."""

MOST_ROUNDS = 100
"""Of the final polish on all weights; it stops by itself, after about ten."""


def shared_values(weights: Tensor, importance: Tensor, clusters: int) -> Tensor:
    """At most `clusters` values (float32, ascending, exact in half precision) that stand for `weights`.

    They have the least sum of importance x squared distance of each weight to its nearest value: weighted
    one-dimensional k-means (Choi et al., 2017). `weights` and `importance` (positive) are flat and of equal
    size. The intervals come from dynamic programming, exact up to 512 different weights and else over that
    many groups of neighbours, and then from Lloyd's iteration over all weights.
    """
    order = torch.argsort(weights)
    points = _Points(weights[order].double(), importance[order].double())
    cuts = _best_cuts(points, clusters)
    for _ in range(MOST_ROUNDS):
        moved = torch.searchsorted(points.x, _middles(points.means(cuts)))
        moved = _distinct(torch.cat([cuts[:1], moved, cuts[-1:]]))
        if torch.equal(moved, cuts):
            break
        cuts = moved
    return _distinct(Half().project(points.means(cuts).float()))


def nearest_codes(weights: Tensor, values: Tensor) -> Tensor:
    """The index (uint8, shape of `weights`) of the nearest of `values`, which are ascending."""
    return torch.bucketize(weights, _middles(values)).to(torch.uint8)


class _Points:
    """Sorted points with sums of everything before each position, so that any interval takes one subtraction."""

    def __init__(self, x: Tensor, importance: Tensor) -> None:
        self.x = x
        zero = torch.zeros(1, dtype=torch.float64)
        mass, first, second = importance, importance * x, importance * x.square()
        self.mass, self.first, self.second = (torch.cat([zero, part.cumsum(0)]) for part in (mass, first, second))

    def means(self, cuts: Tensor) -> Tensor:
        """The weighted mean of each interval between neighbouring cuts."""
        return self.first[cuts].diff() / self.mass[cuts].diff()


def _best_cuts(points: _Points, clusters: int) -> Tensor:
    """The borders (positions from 0 to n, ascending) of the intervals with the least squared error in total."""
    borders = _candidates(points.x)
    costs = _interval_costs(points, borders)
    best, origins = costs[0], []
    for _ in range(min(clusters, len(borders) - 1) - 1):
        best, origin = (best[:, None] + costs).min(0)
        origins.append(origin)
    path = [len(borders) - 1]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return _distinct(borders[torch.tensor([0, *reversed(path)])])


def _candidates(x: Tensor) -> Tensor:
    """Positions between different values where an interval may begin or end.

    All of them, or if they are many, evenly spread in both the order and the size of the values, so that rare
    large ones can stand alone.
    """
    changes = torch.cat([torch.tensor([True]), x.diff() > 0]).nonzero().flatten()
    if len(changes) > CANDIDATES:
        by_order = changes[torch.linspace(0, len(changes) - 1, CANDIDATES // 2).long()]
        by_size = torch.searchsorted(x, torch.linspace(float(x[0]), float(x[-1]), CANDIDATES // 2, dtype=x.dtype))
        changes = torch.cat([by_order, by_size])
    return _distinct(torch.cat([changes, torch.tensor([len(x)])]))


def _interval_costs(points: _Points, borders: Tensor) -> Tensor:
    """Squared error of one value for the points from border i to j: 0 for none (i = j), infinite for i beyond j."""
    mass, first, second = (sums[borders] for sums in (points.mass, points.first, points.second))
    masses, firsts, seconds = (sums[None, :] - sums[:, None] for sums in (mass, first, second))
    costs = (seconds - firsts.square() / masses.clamp(min=torch.finfo(torch.float64).tiny)).clamp(min=0)
    position = torch.arange(len(borders))
    costs[position[:, None] > position[None, :]] = torch.inf
    costs.fill_diagonal_(0)
    return costs


def _distinct(values: Tensor) -> Tensor:
    """Each once, ascending."""
    found: Tensor = torch.unique(values)  # type: ignore[no-untyped-call]
    return found


def _middles(values: Tensor) -> Tensor:
    return (values[1:] + values[:-1]) / 2
