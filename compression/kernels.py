"""How many of a layer's channels, neurons or ranks a share of them is. Torch-free."""

from __future__ import annotations

from typing import Literal

KERNEL_CHANNELS: Literal[4] = 4
"""ONNX Runtime's fast convolutions take channels in fours. With a tenth of its channels gone ResNet-8 (14 of 16 left)
takes 1.6 and MobileNet (58 of 64) 4.4 times as long as whole; with multiples of four 1.0 and 1.2 times."""


def nearest_multiple(n: int, share: float, multiple: int = KERNEL_CHANNELS) -> int:
    """The multiple of `multiple` that is nearest to `share` (0 to 1) of `n`, between the least and most there are in n.

    `n` itself where that is nearest as a whole number, or is less than one multiple. With `multiple` 1 the
    nearest whole number, at least 1.
    """
    if n < multiple or round(n * share) >= n:
        return n
    return max(multiple, min(multiple * round(n * share / multiple), n // multiple * multiple))
