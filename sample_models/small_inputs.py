"""What architectures made for 224 x 224 photographs need to take small images."""

from __future__ import annotations

import math

from torch import nn

SMALLEST_MAP = 4
"""Side of the last feature map in pixels, at least: on fewer a 3 x 3 filter would see mostly padding."""


def strides(count: int, side: int) -> tuple[int, ...]:
    """Strides for `count` places where the architecture halves the map of an image of `side` pixels.

    The map is halved as long as it stays `SMALLEST_MAP` pixels wide. The first place is the stem: it keeps
    every pixel unless all places have to halve, as a small image has no detail to spare; then come the
    earliest places, which saves the most operations.
    """
    halvings = min(max(int(math.log2(side / SMALLEST_MAP)), 0), count)
    first = 0 if halvings == count else 1
    return tuple(2 if first <= place < first + halvings else 1 for place in range(count))


class Resize(nn.Sequential):
    """Scale images from one size to another, both (height, width): whole pixels are averaged, then interpolated.

    Averaging over as many whole pixels as go into a new one keeps thin strokes from falling between the
    samples of the bilinear interpolation that follows where sizes are no multiples.
    """

    def __init__(self, size: tuple[int, int], target: tuple[int, int]) -> None:
        window = max(1, size[0] // target[0]), max(1, size[1] // target[1])
        averaged = size[0] // window[0], size[1] // window[1]
        layers: list[nn.Module] = []
        if window != (1, 1):
            layers.append(nn.AvgPool2d(window))
        if averaged != target:
            layers.append(nn.Upsample(target, mode="bilinear", align_corners=False))
        super().__init__(*layers)


def out_of_place(network: nn.Module) -> nn.Module:
    """The same network; its activations no longer overwrite their inputs, which others may want to look at."""
    for layer in network.modules():
        if hasattr(layer, "inplace"):
            layer.inplace = False  # type: ignore[assignment]
    return network
