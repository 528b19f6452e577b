"""Biases that make up for what rounding does to a layer's average answer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from compression.network import clone
from compression.primitives.reconstruction import reconstruct


def correct_biases(
    original: fx.GraphModule,
    changed: fx.GraphModule,
    x: Tensor,
    check_cancelled: Callable[[], None] = lambda: None,
) -> fx.GraphModule:
    """`changed`, or a copy with biases so that layers answer the same on average (Nagel et al., 2019).

    Of the two the one that gives more of the images `x` (N x C x H x W) the class that `original` gives them.
    All layers of `changed` have a mask or a grid: their weights stay.
    """
    corrected = clone(changed)
    reconstruct(original, corrected, {}, x, check_cancelled=check_cancelled)
    with torch.no_grad():
        expected = original(x).argmax(1)
        agreeing = [int((candidate(x).argmax(1) == expected).sum()) for candidate in (changed, corrected)]
    return corrected if agreeing[1] >= agreeing[0] else changed
