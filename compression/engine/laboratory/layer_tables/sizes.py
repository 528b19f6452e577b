"""What weights take in the stored file, in bytes, from how often each value occurs: without writing the file.

An adaptive arithmetic coder pays the entropy of the codes (Shannon, 1948) and, while it learns how often each occurs,
half a logarithm of their number for each code in use (Krichevsky and Trofimov, 1981).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MANTISSA_BITS = 23
"""Of float32; no coder can save them."""
SCALE_BITS = 16
"""Scales are rounded to a short form (`storable_scale`), and their exponents are alike."""
VALUE_BITS = 24
"""Values of a codebook are rounded too, less so (`storable_values`)."""


def floats_bytes(values: Tensor) -> float:
    """Floats of any shape: sign and exponent by their entropy, and the mantissas of all that are not zero."""
    flat = values.detach().flatten()
    signed = torch.where(flat == 0, 0, (torch.frexp(flat).exponent + 1024) * flat.sign()).to(torch.int64)
    return (_entropy_bits(signed) + MANTISSA_BITS * int(torch.count_nonzero(flat))) / 8


def codes_bytes(codes: Tensor, *, scales: float = 0, values: int = 0, times: float = 1) -> float:
    """Integer codes of any shape, with so many scales of a grid or values of a codebook.

    `times` as many codes are written as these, which are a sample of them.
    """
    return (_entropy_bits(codes.flatten().to(torch.int64), times) + SCALE_BITS * scales + VALUE_BITS * values) / 8


def _entropy_bits(codes: Tensor, times: float = 1) -> float:
    counts = torch.bincount(codes - codes.min())
    counts = counts[counts > 0].double()
    learning = (len(counts) - 1) / 2 * math.log2(max(2, times * len(codes)))
    return times * float((counts * (counts.sum() / counts).log2()).sum()) + learning
