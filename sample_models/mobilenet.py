"""A MobileNetV2-style network for small images (Sandler et al., "Inverted residuals", 2018)."""

from collections.abc import Sequence

from torch import Tensor, nn

from compression.kernels import nearest_multiple

# expansion, channels, blocks, stride of the first block; strides are smaller than for 224 x 224 images
_SMALL = ((1, 16, 1, 1), (4, 24, 2, 2), (4, 32, 2, 2), (4, 64, 2, 1))
_LARGER = (*_SMALL, (4, 96, 2, 2))
_STEM, _HEAD = 16, 192


def _conv_bn_relu(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(channels_out), nn.ReLU6()]


class InvertedResidual(nn.Module):
    """Expand with 1 x 1, filter each channel with 3 x 3, project with 1 x 1; a shortcut where shapes agree."""

    def __init__(self, channels_in: int, hidden: int, channels_out: int, stride: int) -> None:
        super().__init__()
        layers = _conv_bn_relu(channels_in, hidden, 1) if hidden != channels_in else []
        layers += _conv_bn_relu(hidden, hidden, 3, stride, groups=hidden)
        layers += [nn.Conv2d(hidden, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W to N x C' x H/stride x W/stride."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class MobileNet(nn.Module):
    """Stem, inverted residuals, 1 x 1 head, global average pooling, linear classifier."""

    def __init__(
        self,
        stages: Sequence[tuple[int, int, int, int]] = _SMALL,
        classes: int = 10,
        channels_in: int = 1,
        width_mult: float = 1.0,
    ) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return nearest_multiple(channels, width_mult)

        before = _STEM
        layers = _conv_bn_relu(channels_in, scaled(before), 3)
        for expansion, channels, blocks, stride in stages:
            for block in range(blocks):
                widths = scaled(before), scaled(before * expansion), scaled(channels)
                layers.append(InvertedResidual(*widths, stride if block == 0 else 1))
                before = channels
        head = scaled(_HEAD)
        layers += _conv_bn_relu(scaled(before), head, 1)
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(head, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images N x C x H x W to logits N x classes."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.features(x))))
        return logits


def mobilenet(width_mult: float = 1.0) -> nn.Module:
    """For 28 x 28 grey images."""
    return MobileNet(width_mult=width_mult)


def mobilenet_colour(width_mult: float = 1.0) -> nn.Module:
    """For 32 x 32 images in colour."""
    return MobileNet(_LARGER, channels_in=3, width_mult=width_mult)
