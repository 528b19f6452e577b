"""Least squares in which every row may use other unknowns."""

from __future__ import annotations

import torch
from torch import Tensor

TOLERANCE = 3e-3
"""Residual, relative to the right side, at which iterating stops: within a thousandth of the best fit."""

MAX_ITERATIONS = 300
"""Where `TOLERANCE` is not reached by then, the answer is still the best of that many directions."""

ITERATIONS_WORTH = 150
"""Mean (unknowns in use)^3 / (all unknowns)^2 up to which each row's own matrix is factorized: above it, iterating
takes fewer operations, at about a hundred iterations. That is at 460 of 800 unknowns."""

CHUNK_ELEMENTS = 2**22
"""Numbers in the matrices of the rows that are worked on together: 16 MB. Four times as many take as long."""


def masked_solve(gram: Tensor, cross: Tensor, mask: Tensor, iterations: int | None = None) -> Tensor:
    """For each row the `z` with the least z G z / 2 - c z among those that are zero outside the row's mask.

    `gram` is groups x features x features (symmetric, positive definite), `cross` and `mask` (True where z may
    differ from zero) are groups x rows x features, and so is the answer, float32. With `iterations` no more than so
    many are made, and the answer is the best of so many directions.
    """
    scale = gram.diagonal(dim1=1, dim2=2).rsqrt()[:, None, :]  # features of equal size
    matrix, right = (gram * scale * scale.mT).float(), (cross * scale).float()
    if iterations is not None:
        return _iterated(matrix, right, mask, iterations) * scale.float()
    few = bool(mask.sum(2).double().pow(3).mean() <= ITERATIONS_WORTH * mask.shape[2] ** 2)
    answer = _factorized(matrix, right, mask) if few else _iterated(matrix, right, mask)
    return answer * scale.float()


def _factorized(matrix: Tensor, right: Tensor, mask: Tensor) -> Tensor:
    """Each row by a Cholesky factorization of its part of the matrix."""
    group = torch.arange(len(mask)).repeat_interleave(mask.shape[1])
    right, mask = right.flatten(0, 1), mask.flatten(0, 1)
    answer = torch.zeros_like(right)
    for rows in chunks_of_rows(mask):
        places, real = places_in_use(mask[rows])
        factor = torch.linalg.cholesky(masked_parts(matrix, group[rows], places, real))
        solved = torch.cholesky_solve((right[rows].gather(1, places) * real)[:, :, None], factor)[:, :, 0]
        answer[rows] = answer[rows].scatter(1, places, solved)
    return answer.reshape(len(matrix), -1, matrix.shape[1])


def chunks_of_rows(mask: Tensor) -> list[Tensor]:
    """Rows (indices) to work on together: alike in how much they use, and so few that their matrices are small enough.

    `mask` is rows x features, True where a feature is in use; the matrices of a chunk have `CHUNK_ELEMENTS` at most.
    """
    counts = mask.sum(1)
    order = torch.argsort(counts, stable=True)
    chunks = []
    while len(order):
        size = max(1, int(counts[order[-1]]))
        count = max(1, CHUNK_ELEMENTS // size**2)
        chunks.append(order[-count:])
        order = order[:-count]
    return chunks


def places_in_use(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the features in use, rows x the most of them in one row; and which of these are not filling."""
    places = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)[:, : int(mask.sum(1).max())]
    return places, mask.gather(1, places)


def masked_parts(matrices: Tensor, which: Tensor, places: Tensor, real: Tensor) -> Tensor:
    """Each row's part of its matrix, rows x n x n; that of the identity where a place is filling.

    `matrices` is groups x features x features, `which` says the group of each row, `places` and `real` are rows x n.
    """
    parts = matrices[which[:, None, None], places[:, :, None], places[:, None, :]]
    if not real.all():
        parts *= real[:, :, None] & real[:, None, :]
        parts.diagonal(dim1=1, dim2=2).add_((~real).float())
    return parts


def _iterated(matrix: Tensor, right: Tensor, mask: Tensor, iterations: int = MAX_ITERATIONS) -> Tensor:
    """Conjugate gradients (Hestenes and Stiefel, 1952) on all rows at once.

    One product with the whole matrix an iteration, instead of a factorization for every row.
    """
    there = mask.float()
    residual = right * there
    answer, direction, size = torch.zeros_like(residual), residual, _square(residual)
    enough = TOLERANCE**2 * size
    for _ in range(iterations):
        image = (direction @ matrix) * there
        step = _ratio(size, (direction * image).sum(2, keepdim=True))
        answer = answer + step * direction
        residual = residual - step * image
        size, before = _square(residual), size
        if bool((size <= enough).all()):
            break
        direction = residual + _ratio(size, before) * direction
    return answer


def _square(rows: Tensor) -> Tensor:
    return rows.square().sum(2, keepdim=True)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """Zero for rows that are solved already."""
    return torch.where(below > 0, above / below, 0)
