"""From which sparsity on a sparse product is faster than a dense one, read from measured points. Torch-free."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable

from compression.results.record import SparseTiming


def crossover(timings: Iterable[SparseTiming]) -> float | None:
    """The sparsity (0..1) from which on sparse execution is faster; None where it is not at any measured one.

    `timings` are those of one layer (or of comparable ones) at one batch size, in any order. Where the curve
    crosses more than once, the last crossing counts: from there on sparse stays faster. Between two points
    the ratio of the times is taken to be a power of the share of weights that are left, which is exact where
    time is proportional to them. If sparse is faster everywhere, the answer is the lowest sparsity measured.
    """
    points = [(sparsity, ratio) for sparsity, ratio in _medians(timings) if 0 <= sparsity < 1 and ratio > 0]
    slower = [number for number, (_, ratio) in enumerate(points) if ratio >= 1]
    if not points or (slower and slower[-1] == len(points) - 1):
        return None
    if not slower:
        return points[0][0]
    return _between(points[slower[-1]], points[slower[-1] + 1])


def _medians(timings: Iterable[SparseTiming]) -> list[tuple[float, float]]:
    """(sparsity, sparse time over dense time) by rising sparsity; equal sparsities by their middle ratio."""
    points = sorted((timing.sparsity, timing.sparse_ms / timing.dense_ms) for timing in timings)
    groups = itertools.groupby(points, lambda point: point[0])
    return [(sparsity, statistics.median(ratio for _, ratio in group)) for sparsity, group in groups]


def _between(slower: tuple[float, float], faster: tuple[float, float]) -> float:
    """Where the ratio is 1, on a straight line of its logarithm over that of the share left."""
    (sparsity_a, ratio_a), (sparsity_b, ratio_b) = slower, faster
    share = math.log(ratio_a) / (math.log(ratio_a) - math.log(ratio_b))
    left_a, left_b = math.log(1 - sparsity_a), math.log(1 - sparsity_b)
    return 1 - math.exp(left_a + share * (left_b - left_a))
