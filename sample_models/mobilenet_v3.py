"""MobileNetV3-small for small images (Howard et al., "Searching for MobileNetV3", 2019, table 2)."""

from __future__ import annotations

import math

from torch import nn

from sample_models.small_inputs import strides
from sample_models.vision import Conv2dNormActivation, mobilenetv3

# kernel, expanded channels, channels, squeeze-and-excitation, nonlinearity; the first block of a stage may halve
_STAGES = (
    ((3, 16, 16, True, "RE"),),
    ((3, 72, 24, False, "RE"), (3, 88, 24, False, "RE")),
    ((5, 96, 40, True, "HS"), (5, 240, 40, True, "HS"), (5, 240, 40, True, "HS")),
    ((5, 120, 48, True, "HS"), (5, 144, 48, True, "HS")),
    ((5, 288, 96, True, "HS"), (5, 576, 96, True, "HS"), (5, 576, 96, True, "HS")),
)
_HALVING_STAGES = (0, 1, 2, 4)
_STEM, _HEAD_FACTOR, _HIDDEN = 16, 6, 1024


def mobilenet_v3_small(
    *, width_mult: float, depth_mult: float, side: int, channels_in: int, classes: int
) -> nn.Sequential:
    """Channels are multiples of 8, as in torchvision; each stage keeps `depth_mult` of its blocks, at least one."""
    channels = mobilenetv3.InvertedResidualConfig.adjust_channels
    stem, *halving = strides(1 + len(_HALVING_STAGES), side)
    stage_strides = dict(zip(_HALVING_STAGES, halving, strict=True))
    before = channels(_STEM, width_mult)
    layers = [_conv(channels_in, before, 3, stem)]
    for number, blocks in enumerate(_STAGES):
        for block, (kernel, expanded, after, excites, kind) in enumerate(blocks[: math.ceil(len(blocks) * depth_mult)]):
            stride = stage_strides.get(number, 1) if block == 0 else 1
            sizes = (before, kernel, channels(expanded, width_mult), channels(after, width_mult))
            settings = mobilenetv3.InvertedResidualConfig(*sizes, excites, kind, stride, 1, 1.0)
            layers.append(mobilenetv3.InvertedResidual(settings, nn.BatchNorm2d))
            before = settings.out_channels
    head, hidden = _HEAD_FACTOR * before, channels(_HIDDEN, width_mult)
    classifier = [nn.Linear(head, hidden), nn.Hardswish(), nn.Linear(hidden, classes)]
    return nn.Sequential(*layers, _conv(before, head, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *classifier)


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Module:
    layer: nn.Module = Conv2dNormActivation(
        channels_in, channels_out, kernel, stride, norm_layer=nn.BatchNorm2d, activation_layer=nn.Hardswish
    )
    return layer
