"""SqueezeNet 1.1 for small images (Iandola et al., "SqueezeNet", 2016)."""

from __future__ import annotations

import math

from torch import nn

from compression.kernels import nearest_multiple
from sample_models.small_inputs import strides
from sample_models.vision import squeezenet as torchvision_squeezenet

# each stage begins with pooling; squeezed channels, and channels of each of the two expansions
_STAGES = (
    ((16, 64), (16, 64)),
    ((32, 128), (32, 128)),
    ((48, 192), (48, 192), (64, 256), (64, 256)),
)
_STEM = 64


def squeezenet(*, width_mult: float, depth_mult: float, side: int, channels_in: int, classes: int) -> nn.Sequential:
    """Each stage keeps `depth_mult` of its fire modules, at least one.

    Unlike the original, every convolution has batch norm (folded into it later), without which training
    takes hundreds of epochs, and there is no ReLU on the logits, which would hide what the teacher says
    about unlikely classes.
    """
    stem, *pools = strides(1 + len(_STAGES), side)
    before = nearest_multiple(_STEM, width_mult)
    layers = [nn.Conv2d(channels_in, before, 3, stem, 1, bias=False), nn.BatchNorm2d(before), nn.ReLU()]
    for stride, stage in zip(pools, _STAGES, strict=True):
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, 1))
        for squeezed, expanded in stage[: math.ceil(len(stage) * depth_mult)]:
            width = nearest_multiple(expanded, width_mult)
            layers.append(_fire(before, nearest_multiple(squeezed, width_mult), width))
            before = 2 * width
    return nn.Sequential(*layers, nn.Conv2d(before, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _fire(channels_in: int, squeezed: int, expanded: int) -> nn.Module:
    fire: nn.Module = torchvision_squeezenet.Fire(channels_in, squeezed, expanded, expanded)
    for name in ("squeeze", "expand1x1", "expand3x3"):
        conv = getattr(fire, name)
        conv.bias = None  # batch norm has one
        setattr(fire, name, nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels)))
    return fire
