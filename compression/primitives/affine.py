"""Fitting grids to weights and activations: scales, zero points, clipping."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from compression.grids import Affine, storable_scale

__all__ = ["CLIP_RATIOS", "Method", "fit_affine", "storable_scale"]

Method = Literal["nearest", "mse"]

CLIP_RATIOS = torch.arange(50, 4, -1) / 50
"""What `mse` tries, from the full range down to a tenth of it: ternary weights with outliers end up there."""


def fit_affine(
    weight: Tensor,
    bits: int,
    *,
    per_channel: bool = True,
    symmetric: bool = True,
    method: Method = "mse",
    mask: Tensor | None = None,
) -> Affine:
    """Choose scale and zero point for `weight` (out x ...), with 1 to 8 bits.

    Per channel both have shape (out,), else (1,). Symmetric grids have codes
    -(2**(bits-1) - 1) .. 2**(bits-1) - 1 and zero point 0; the others have codes 0 .. 2**bits - 1 and a zero
    point among them, so that zero is always on the grid. `nearest` covers the full range of the weights;
    `mse` clips it where that lowers the squared error (Banner et al., 2019). One bit means sign times mean
    magnitude over the positions in `mask` (Rastegari et al., 2016). Scales are exact in half precision.
    """
    rows = weight.detach().flatten(1) if per_channel else weight.detach().reshape(1, -1)
    if bits == 1:
        return _binary(rows, None if mask is None else mask.reshape(rows.shape))
    best = _full_range(rows, bits, symmetric, 1.0)
    if method == "nearest":
        return best
    best_error = _squared_error(best, rows)
    for ratio in CLIP_RATIOS[1:].tolist():
        clipped = _full_range(rows, bits, symmetric, ratio)
        error = _squared_error(clipped, rows)
        better = error < best_error
        best = Affine(
            bits,
            torch.where(better, clipped.scale, best.scale),
            torch.where(better, clipped.zero_point, best.zero_point),
            best.low,
            best.high,
        )
        best_error = torch.where(better, error, best_error)
    return best


def _full_range(rows: Tensor, bits: int, symmetric: bool, ratio: float) -> Affine:
    """A grid over the given share of each row's range; the range always includes zero."""
    smallest, largest = rows.amin(1).clamp(max=0) * ratio, rows.amax(1).clamp(min=0) * ratio
    if symmetric:
        high = 2 ** (bits - 1) - 1
        scale = storable_scale(torch.maximum(-smallest, largest) / high)
        return Affine(bits, scale, torch.zeros_like(scale, dtype=torch.int32), -high, high)
    high = 2**bits - 1
    scale = storable_scale((largest - smallest) / high)
    zero_point = torch.round(-smallest / scale).clamp(0, high).to(torch.int32)
    return Affine(bits, scale, zero_point, 0, high)


def _binary(rows: Tensor, mask: Tensor | None) -> Affine:
    kept = torch.ones_like(rows) if mask is None else mask.to(rows.dtype)
    mean = (rows.abs() * kept).sum(1) / kept.sum(1).clamp(min=1)
    scale = storable_scale(mean)
    return Affine(1, scale, torch.zeros_like(scale, dtype=torch.int32), -1, 1)


def _squared_error(grid: Affine, rows: Tensor) -> Tensor:
    return (grid.project(rows) - rows).square().sum(1)
