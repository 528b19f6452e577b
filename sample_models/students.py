"""Students of other families than their teacher's: efficient architectures, scaled to small images."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from sample_models.efficientnet import efficientnet_b0
from sample_models.mobilenet_v3 import mobilenet_v3_small
from sample_models.small_inputs import Resize, out_of_place
from sample_models.squeezenet import squeezenet

FAMILIES: dict[str, Callable[..., nn.Sequential]] = {
    "mobilenet_v3_small": mobilenet_v3_small,
    "efficientnet_b0": efficientnet_b0,
    "squeezenet": squeezenet,
}
"""Builders by the names that `Distillation.student` takes."""


def build_student(
    family: str,
    *,
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    resolution: int | None = None,
    input_shape: tuple[int, int, int],
    classes: int,
) -> nn.Module:
    """An untrained network for images of `input_shape` (C x H x W), to logits N x `classes`.

    `width_mult` scales the channels and `depth_mult` the blocks of each stage (both 0.1 to 1, relative to
    the published architecture). With `resolution` the network first scales its images to that many pixels a
    side; its strides stay those for the images' own size, so that operations grow with the square of it. Random
    numbers come from torch's global generator.
    """
    channels, height, width = input_shape
    target = (height, width) if resolution is None else (resolution, resolution)
    network = FAMILIES[family](
        width_mult=width_mult, depth_mult=depth_mult, side=min(height, width), channels_in=channels, classes=classes
    )
    if target != (height, width):
        network = nn.Sequential(Resize((height, width), target), *network)
    _initialize(network)
    return out_of_place(network)


def _initialize(network: nn.Module) -> None:
    """Convolutions and linear layers keep the variance of what flows forward (He et al., 2015)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
