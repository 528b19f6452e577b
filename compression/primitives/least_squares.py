"""Least squares in which every row may use other unknowns."""

from __future__ import annotations

import torch
from torch import Tensor

TOLERANCE = 3e-3
"""Residual, relative to the right side, at which solving stops: within a thousandth of the best fit."""

MAX_ITERATIONS = 300
"""Where `TOLERANCE` is not reached by then, the answer is still the best of that many directions."""


def masked_solve(gram: Tensor, cross: Tensor, mask: Tensor) -> Tensor:
    """For each row the `z` with the least z G z / 2 - c z among those that are zero outside the row's mask.

    `gram` is groups x features x features (symmetric, positive definite), `cross` and `mask` (True where z may
    differ from zero) are groups x rows x features, and so is the answer, float32.

    Conjugate gradients (Hestenes and Stiefel, 1952) on all rows at once, with features scaled to equal size:
    one product with the whole matrix an iteration, instead of a factorization for every row.
    """
    scale = gram.diagonal(dim1=1, dim2=2).rsqrt()[:, None, :]
    matrix, mask = (gram * scale * scale.mT).float(), mask.float()
    residual = (cross * scale).float() * mask
    answer, direction, size = torch.zeros_like(residual), residual, _square(residual)
    enough = TOLERANCE**2 * size
    for _ in range(MAX_ITERATIONS):
        image = (direction @ matrix) * mask
        step = _ratio(size, (direction * image).sum(2, keepdim=True))
        answer = answer + step * direction
        residual = residual - step * image
        size, before = _square(residual), size
        if bool((size <= enough).all()):
            break
        direction = residual + _ratio(size, before) * direction
    return answer * scale.float()


def _square(rows: Tensor) -> Tensor:
    return rows.square().sum(2, keepdim=True)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """Zero for rows that are solved already."""
    return torch.where(below > 0, above / below, 0)
