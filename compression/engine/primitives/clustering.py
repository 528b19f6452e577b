"""Codebooks: few values that stand for many weights (Han et al., "Deep compression", 2016)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from compression.engine.network.grids import storable_values

CANDIDATES = 512
"""Borders between intervals that the search tries if there are more, or `CANDIDATES_PER_VALUE` for each value.

More candidates lower the error of up to 64 values by half a percent at most (layers of ResNet-8 and LeNet-5), while
two instead of eight for each of 256 values raise it by a tenth, up to a quarter."""

CANDIDATES_PER_VALUE = 8

REACH = 6
"""How many candidates an interval may span, relative to the mean; more where two neighbours span more.

Without the bound errors are the same (ResNet-8, LeNet-5, LeNet-300), at ten times the time for 256 values."""

FREE_REACH = 64
"""Spans up to this are always tried: with few different weights the search is exact."""

MOST_ROUNDS = 100
"""Of the final polish on all weights; it stops by itself, after about ten."""


def shared_values(weights: Tensor, importance: Tensor, clusters: int) -> Tensor:
    """At most `clusters` values (float32, ascending, each in its short form) that stand for `weights`.

    They have the least sum of importance x squared distance of each weight to its nearest value: weighted
    one-dimensional k-means (Choi et al., 2017). `weights` and `importance` (positive) are flat and of equal
    size. The intervals come from dynamic programming, exact up to 64 different weights and else over groups
    of neighbours, and then from Lloyd's iteration over all weights.
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
    return _distinct(storable_values(points.means(cuts).float()))


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
    borders = _candidates(points.x, max(CANDIDATES, CANDIDATES_PER_VALUE * clusters))
    last = len(borders) - 1
    intervals = min(clusters, last)
    reach = min(last, max(FREE_REACH, REACH * last // intervals))
    path = _best_path(_interval_costs(points, borders, reach), intervals)
    while reach < last and int((path[2:] - path[:-2]).max()) > reach:  # neighbours that could not become one
        reach = min(last, 2 * reach)
        path = _best_path(_interval_costs(points, borders, reach), intervals)
    return _distinct(borders[path])


def _best_path(costs: Tensor, intervals: int) -> Tensor:
    """Which borders to stop at, from the first to the last, given the `_interval_costs`; some maybe several times."""
    last, reach = len(costs) - 1, costs.shape[1] - 1
    best = torch.full((intervals, reach + last + 1), torch.inf)  # what comes before the first border is out of reach
    best[0, reach] = 0
    for before, after in itertools.pairwise(best):
        torch.amin(before.unfold(0, reach + 1, 1) + costs, 1, out=after[reach:])
    path = [last]
    for row in reversed(best):
        stop = path[-1]
        path.append(stop - reach + int((row[stop : stop + reach + 1] + costs[stop]).argmin()))
    return torch.tensor(path[::-1])


def _candidates(x: Tensor, most: int) -> Tensor:
    """Positions between different values where an interval may begin or end.

    All of them, or if they are more than `most`, evenly spread in both the order and the size of the values, so
    that rare large ones can stand alone.
    """
    changes = torch.cat([torch.tensor([True]), x.diff() > 0]).nonzero().flatten()
    if len(changes) > most:
        by_order = changes[torch.linspace(0, len(changes) - 1, most // 2).long()]
        by_size = torch.searchsorted(x, torch.linspace(float(x[0]), float(x[-1]), most // 2, dtype=x.dtype))
        changes = torch.cat([by_order, by_size])
    return _distinct(torch.cat([changes, torch.tensor([len(x)])]))


def _interval_costs(points: _Points, borders: Tensor, reach: int) -> Tensor:
    """Squared error of one value for the points between two borders, float32, borders x (reach + 1).

    Row j has the intervals that end at border j: from `reach` borders before it on the left (infinite where there
    is none) to the empty one on the right.
    """
    stop = torch.arange(len(borders))[:, None]
    start = stop - reach + torch.arange(reach + 1)
    mass, first, second = (sums[borders] for sums in (points.mass, points.first, points.second))
    masses, firsts, seconds = (sums[stop] - sums[start.clamp(min=0)] for sums in (mass, first, second))
    costs = (seconds - firsts.square() / masses.clamp(min=torch.finfo(torch.float64).tiny)).clamp(min=0)
    costs[start == stop] = 0
    costs[start < 0] = torch.inf
    return costs.float()


def _distinct(values: Tensor) -> Tensor:
    """Each once, ascending."""
    found: Tensor = torch.unique(values)  # type: ignore[no-untyped-call]
    return found


def _middles(values: Tensor) -> Tensor:
    return (values[1:] + values[:-1]) / 2
