"""Functions of the normal form that torch has no call of its own for, and what a reshape does to sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from torch import Tensor


def part(x: Tensor, dim: int, places: slice) -> Tensor:
    """Some of the places of one dimension."""
    return x[(*(slice(None) for _ in range(dim)), places)]


def spread(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """`x` with dimensions of size 1 repeated to these sizes; -1 leaves one as it is."""
    return x.expand(*sizes)


def for_each(images: Tensor, x: Tensor) -> Tensor:
    """`x`, whose first size is 1, once for each of the images."""
    return x.expand(len(images), *x.shape[1:])


def blocks(before: Sequence[int], after: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Which sizes become which in a reshape: pairs of neighbours with the same product, as few as possible."""
    left, right = list(before), list(after)
    while left or right:
        old, new = left[:1], right[:1]
        del left[:1], right[:1]
        while math.prod(old) != math.prod(new):
            side, rest = (old, left) if math.prod(old) < math.prod(new) else (new, right)
            side.append(rest.pop(0))
        yield old, new
