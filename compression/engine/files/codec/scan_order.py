"""The order in which the elements of a matrix are coded, and which earlier elements lie next to each.

Rows are output channels; columns are the places of a filter or an image, or inputs without any order. Places are
visited in waves, x + 2 y = 0, 1, 2, ...: the neighbours to the left, above, and beside these (LOCO-I's; Weinberger
et al., 2000) are then in earlier waves, so that a whole wave is coded at once. Waves are cut into blocks, which grow
with what is known.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MAX_WAVES = 1024
"""Each takes at least one round of vectorised work, so that more would take long."""
_FIRST_BLOCK = 256
_BLOCK_SHARE = 8
"""A block is about this part of what is known: smaller ones learn faster and take longer."""
_BANDS = 4
"""Rows are cut into at most this many bands, so that input channels, too, are known from a part of a block's rows."""


@dataclass(frozen=True)
class Layout:
    """Where the elements of a tensor stand: `columns[k]` is the place in each row of the k-th column visited.

    `channel` is each visited column's input channel, `waves` says where waves start, and `neighbours`
    (4 x columns) which earlier column stands to the left, above, above to the left and above to the right; the
    number of columns where there is none.
    """

    rows: int
    columns: Ints
    channel: Ints
    waves: Ints
    neighbours: Ints


@functools.lru_cache(maxsize=64)
def layout_of(shape: tuple[int, ...], width: int) -> Layout:
    """The layout of a tensor; `width` is that of the image that a row of a matrix looks at, 0 if it is none."""
    rows = shape[0] if len(shape) > 1 else 1
    count = int(np.prod(shape)) // max(1, rows)
    height, width = (shape[2], shape[3]) if len(shape) == 4 else (-(-count // width), width) if width else (1, 1)
    place = np.arange(count)
    channel, y, x = place // (height * width), place // width % height, place % width
    columns = np.lexsort((y * width + x, channel, x + 2 * y))
    visited = np.full(count + 1, count)
    visited[columns] = place
    neighbours = [
        visited[np.where((y >= up) & (x >= left) & (x - left < width), place - up * width - left, count)[columns]]
        for up, left in ((0, 1), (1, 0), (1, 1), (1, -1))
    ]
    waves = np.append(np.flatnonzero(np.diff((x + 2 * y)[columns], prepend=-1)), count)
    return Layout(rows, columns, channel[columns], waves, np.stack(neighbours))


def blocks_of(layout: Layout) -> Iterator[tuple[slice, slice]]:
    """Rows and visited columns of each block, in order; none crosses a wave."""
    rows, known = layout.rows, 0
    for first, stop in pairwise(layout.waves.tolist()):
        start = first
        while start < stop:
            size = max(_FIRST_BLOCK, known // _BLOCK_SHARE)
            height = max(-(-rows // _BANDS), min(rows, size // (stop - start)))
            end = min(stop, start + max(1, size // height))
            for row in range(0, rows, height):
                yield slice(row, min(rows, row + height)), slice(start, end)
            known += rows * (end - start)
            start = end
