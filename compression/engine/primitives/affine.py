"""Fitting grids to weights and activations: scales, zero points, clipping."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from compression.engine.network.grids import Affine, storable_scale

Method = Literal["nearest", "mse"]

CLIP_RATIOS = torch.arange(50, 4, -1) / 50
"""What `mse` tries, from the full range down to a tenth of it: ternary weights with outliers end up there."""

AT_ONCE = 1 << 18
"""Values that clipping is tried on together: many small rows cost one call, and large ones stay in the cache."""


def fit_affine(
    weight: Tensor,
    bits: int,
    *,
    per_channel: bool = True,
    symmetric: bool = True,
    method: Method = "mse",
    mask: Tensor | None = None,
    counts: Tensor | None = None,
) -> Affine:
    """Choose scale and zero point for `weight` (out x ...), with 1 to 8 bits.

    Per channel both have shape (out,), else (1,). Symmetric grids have codes
    -(2**(bits-1) - 1) .. 2**(bits-1) - 1 and zero point 0; the others have codes 0 .. 2**bits - 1 and a zero
    point among them, so that zero is always on the grid. `nearest` covers the full range of the weights;
    `mse` clips it where that lowers the squared error (Banner et al., 2019). One bit means sign times mean
    magnitude over the positions in `mask` (Rastegari et al., 2016). Scales are as `storable_scale` gives them.
    `counts`, for `mse` on one row, says how often each value is there.
    """
    rows = weight.detach().flatten(1) if per_channel else weight.detach().reshape(1, -1)
    if bits == 1:
        return _binary(rows, None if mask is None else mask.reshape(rows.shape))
    smallest, largest = _ends(rows)
    if method == "nearest":
        return _covering(smallest, largest, bits, symmetric)
    ratio = _best_ratio(rows, bits, symmetric, counts)
    return _covering(ratio * smallest, ratio * largest, bits, symmetric)


def _ends(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest value of each row, zero among them."""
    return rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)


def _covering(smallest: Tensor, largest: Tensor, bits: int, symmetric: bool) -> Affine:
    """One grid for each row, from `smallest` (0 or less) to `largest` (0 or more)."""
    if symmetric:
        high = 2 ** (bits - 1) - 1
        scale = storable_scale(torch.maximum(-smallest, largest) / high)
        return Affine(bits, scale, torch.zeros_like(scale, dtype=torch.int32), -high, high)
    high = 2**bits - 1
    scale = storable_scale((largest - smallest) / high)
    zero_point = torch.round(-smallest / scale).clamp(0, high).to(torch.int32)
    return Affine(bits, scale, zero_point, 0, high)


def _best_ratio(rows: Tensor, bits: int, symmetric: bool, counts: Tensor | None) -> Tensor:
    """Which of `CLIP_RATIOS` gives each row the least squared error; the largest of those that do."""
    smallest, largest = _ends(rows)
    errors = []
    for ratios in torch.split(CLIP_RATIOS, max(1, AT_ONCE // rows.numel())):
        low, high = ((ratios[:, None] * end).flatten() for end in (smallest, largest))
        errors.append(_squared_errors(_covering(low, high, bits, symmetric), rows, counts))
    return CLIP_RATIOS[torch.cat(errors).argmin(0)]


def _squared_errors(grids: Affine, rows: Tensor, counts: Tensor | None) -> Tensor:
    """Of `rows` (n x values) on several grids a row (grids x n of them, flattened): grids x n.

    Codes are whole numbers that float32 holds exactly, so that this is the error of `grids.project`.
    """
    scale, zero_point = grids.scale.reshape(-1, len(rows), 1), grids.zero_point.reshape(-1, len(rows), 1)
    codes = (rows / scale).round_().clamp_(grids.low - zero_point, grids.high - zero_point)
    squares = codes.mul_(scale).sub_(rows).square_()
    return squares.sum(2) if counts is None else squares @ counts


def _binary(rows: Tensor, mask: Tensor | None) -> Affine:
    kept = torch.ones_like(rows) if mask is None else mask.to(rows.dtype)
    mean = (rows.abs() * kept).sum(1) / kept.sum(1).clamp(min=1)
    scale = storable_scale(mean)
    return Affine(1, scale, torch.zeros_like(scale, dtype=torch.int32), -1, 1)
