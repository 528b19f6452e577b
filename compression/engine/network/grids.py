"""The values that a layer's weights may take: integer codes with a scale, 16-bit floats, shared values.

Every grid has `bits` (a weight that is not zero) and `project`, which gives the nearest weights on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SMALLEST_SCALE, LARGEST_SCALE = 2.0**-60, 2.0**60
"""Products of two scales are then still ordinary float32 numbers."""

SIGNIFICANT_BITS = 11
"""Of a scale or a shared value: as many as half precision has, which is what nearly all are stored as."""

_LEAST_HALF, _LARGEST_HALF = 2.0**-24, 65504.0
_COARSE_HALF = 2.0**-20
"""Below this half precision has fewer than five significant bits, and below `_LEAST_HALF` nothing."""


@dataclass(frozen=True)
class Affine:
    """Integer codes with a scale: weight = (code - zero_point) * scale (Jacob et al., 2018).

    `scale` (float32) and `zero_point` (int32) have one value per output channel, or one for all. With
    `bits == 1` the codes are -1 and +1 (Rastegari et al., 2016); otherwise `low <= code <= high`.
    """

    bits: int
    scale: Tensor
    zero_point: Tensor
    low: int
    high: int

    def quantize(self, weight: Tensor) -> Tensor:
        """Codes of `weight` (out x ...), int32, nearest."""
        if self.bits == 1:
            return torch.where(weight < 0, -1, 1).to(torch.int32)
        scale, zero_point = self.broadcast(weight)
        codes = torch.round(weight / scale) + zero_point
        return codes.clamp(self.low, self.high).to(torch.int32)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Weights of `codes` (out x ...), float32: what the runtime computes, bit for bit."""
        scale, zero_point = self.broadcast(codes)
        return (codes - zero_point).to(torch.float32) * scale

    def project(self, weight: Tensor) -> Tensor:
        """The nearest weights on the grid."""
        return self.dequantize(self.quantize(weight))

    def broadcast(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and zero point in shapes that go with a weight."""
        shape = (-1,) + (1,) * (like.dim() - 1)
        return self.scale.reshape(shape), self.zero_point.reshape(shape)


@dataclass(frozen=True)
class Half:
    """IEEE half precision, 16 bits a weight."""

    bits: int = 16
    dtype: torch.dtype = torch.float16

    def project(self, weight: Tensor) -> Tensor:
        """The nearest values of this type, as float32; values beyond its range are clipped to it."""
        limit = torch.finfo(self.dtype).max
        return weight.clamp(-limit, limit).to(self.dtype).to(torch.float32)


@dataclass(frozen=True)
class BrainFloat(Half):
    """bfloat16: 16 bits a weight, the range of float32 with 8 bits of precision (Kalamkar et al., 2019)."""

    dtype: torch.dtype = torch.bfloat16


@dataclass(frozen=True)
class Codebook:
    """Weights share `values`: each weight is the value that its code points at (Han et al., 2016).

    `values` (k, float32, each as `storable_values` gives them; 1 <= k <= 256) may be the very same tensor in several
    layers: they then share one codebook. `codes` (shape of the weight, uint8) stay fixed; training moves the
    values. Where the layer's mask is False the weight is zero, whatever its code.
    """

    values: Tensor
    codes: Tensor

    def __post_init__(self) -> None:
        size = self.values.numel()
        if self.values.dim() != 1 or not 1 <= size <= 256 or self.codes.dtype != torch.uint8:
            raise ValueError(
                f"a codebook has 1 to 256 values and uint8 codes, but got {list(self.values.shape)} values "
                f"and {self.codes.dtype} codes"
            )
        if self.codes.numel() and int(self.codes.max()) >= size:
            raise ValueError(f"code {int(self.codes.max())} points past the end of a codebook of {size} values")

    @property
    def bits(self) -> int:
        """Bits a code."""
        return max(1, (self.values.numel() - 1).bit_length())

    def project(self, weight: Tensor) -> Tensor:
        """The shared values at each position: codes are fixed, so that `weight` only gives the shape."""
        return self.values[self.codes.long()].reshape(weight.shape)


Grid = Affine | Half | Codebook


def storable_scale(scale: Tensor) -> Tensor:
    """The nearest positive numbers that the stored file has a short form for, as float32.

    These are of half precision, two bytes each, wherever that is fine enough, and else of as many significant bits.
    A scale that is nothing beside the largest (a channel without weights) becomes the least half-precision number.
    """
    counts = scale > _LEAST_HALF * scale.amax().clamp(max=1)
    scale = torch.where(counts, scale, _LEAST_HALF).clamp(SMALLEST_SCALE, LARGEST_SCALE)
    is_half = (scale >= _COARSE_HALF) & (scale <= _LARGEST_HALF)
    return torch.where(is_half, scale.to(torch.float16).to(torch.float32), _significant(scale))


def storable_values(values: Tensor) -> Tensor:
    """The nearest values of a codebook with a short form, as float32: of half precision where its range suits them."""
    largest = float(values.abs().max())
    if largest < _COARSE_HALF * 2**SIGNIFICANT_BITS or largest > _LARGEST_HALF:
        return _significant(values)
    return Half().project(values)


def _significant(values: Tensor) -> Tensor:
    """The nearest numbers of `SIGNIFICANT_BITS`, whatever their size."""
    mantissas, exponents = torch.frexp(values)
    return torch.ldexp(torch.round(mantissas * 2**SIGNIFICANT_BITS), exponents - SIGNIFICANT_BITS)
