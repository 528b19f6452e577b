"""EfficientNet-B0 for small images (Tan and Le, "EfficientNet: rethinking model scaling", 2019, table 1)."""

from __future__ import annotations

import math

from torch import nn

from sample_models.small_inputs import strides
from sample_models.vision import Conv2dNormActivation, efficientnet

# expansion, kernel, channels, blocks; the first block of a stage may halve
_STAGES = ((1, 3, 16, 1), (6, 3, 24, 2), (6, 5, 40, 2), (6, 3, 80, 3), (6, 5, 112, 3), (6, 5, 192, 4), (6, 3, 320, 1))
_HALVING_STAGES = (1, 2, 3, 5)
_STEM, _HEAD_FACTOR = 32, 4


def efficientnet_b0(
    *, width_mult: float, depth_mult: float, side: int, channels_in: int, classes: int
) -> nn.Sequential:
    """Channels are multiples of 8, as in torchvision; each stage keeps `depth_mult` of its blocks, at least one.

    Without stochastic depth and dropout: they pay off over hundreds of epochs, not over tens.
    """
    channels = efficientnet.MBConvConfig.adjust_channels
    stem, *halving = strides(1 + len(_HALVING_STAGES), side)
    stage_strides = dict(zip(_HALVING_STAGES, halving, strict=True))
    before = channels(_STEM, width_mult)
    layers = [_conv(channels_in, before, 3, stem)]
    for number, (expansion, kernel, after, blocks) in enumerate(_STAGES):
        for block in range(math.ceil(blocks * depth_mult)):
            stride = stage_strides.get(number, 1) if block == 0 else 1
            sizes = (before, channels(after, width_mult))
            settings = efficientnet.MBConvConfig(expansion, kernel, stride, *sizes, num_layers=1)
            layers.append(_block(settings))
            before = settings.out_channels
    head = _HEAD_FACTOR * before
    return nn.Sequential(
        *layers, _conv(before, head, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, classes)
    )


def _block(settings: efficientnet.MBConvConfig) -> nn.Module:
    block: nn.Module = efficientnet.MBConv(settings, 0.0, nn.BatchNorm2d)
    block.stochastic_depth = nn.Identity()
    return block


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Module:
    layer: nn.Module = Conv2dNormActivation(
        channels_in, channels_out, kernel, stride, norm_layer=nn.BatchNorm2d, activation_layer=nn.SiLU
    )
    return layer
