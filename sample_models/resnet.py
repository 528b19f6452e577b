"""Residual networks for small images (He et al., "Deep residual learning", 2016, section 4.2).

Three stages of 16, 32 and 64 channels; depth 6n + 2. Where the shape changes, the shortcut is a 1 x 1
convolution with batch norm ("option B"), which keeps every channel visible to pruning.
"""

from torch import Tensor, nn

from compression.kernels import nearest_multiple


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm around a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.relu2 = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            conv = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W to N x C' x H/stride x W/stride."""
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        out: Tensor = self.relu2(y + self.shortcut(x))
        return out


class ResNet(nn.Module):
    """Stem, three stages of `blocks` basic blocks each, global average pooling, linear classifier."""

    def __init__(self, blocks: int, classes: int = 10, channels_in: int = 1, width_mult: float = 1.0) -> None:
        super().__init__()
        widths = [nearest_multiple(size, width_mult) for size in (16, 32, 64)]
        self.stem = nn.Conv2d(channels_in, widths[0], 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        stages: list[nn.Module] = []
        before = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stages.append(BasicBlock(before, width, stride=2 if stage and block == 0 else 1))
                before = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images N x C x H x W to logits N x classes."""
        x = self.relu(self.bn(self.stem(x)))
        logits: Tensor = self.classifier(self.flatten(self.pool(self.stages(x))))
        return logits


def resnet8(width_mult: float = 1.0) -> nn.Module:
    """One block a stage."""
    return ResNet(1, width_mult=width_mult)


def resnet20(width_mult: float = 1.0) -> nn.Module:
    """Three blocks a stage."""
    return ResNet(3, width_mult=width_mult)


def resnet20_colour(width_mult: float = 1.0) -> nn.Module:
    """Three blocks a stage, for images of three colours."""
    return ResNet(3, channels_in=3, width_mult=width_mult)
