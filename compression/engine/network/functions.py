"""Functions of the normal form that torch has no call of its own for. All of them give new values or views."""

from __future__ import annotations

from collections.abc import Sequence

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
