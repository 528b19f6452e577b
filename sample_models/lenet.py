"""LeNet-5 in the form that compression papers use: two convolutions, two linear layers (20-50-500).

The layer sizes are those of Caffe's variant of LeCun et al., "Gradient-based learning applied to document
recognition" (1998), which Han et al. (2016) and their successors compress.
"""

from torch import Tensor, nn

from compression.kernels import nearest_multiple


class LeNet5(nn.Module):
    """5 x 5 convolutions without padding, max pooling, one hidden linear layer."""

    def __init__(self, classes: int = 10, width_mult: float = 1.0) -> None:
        super().__init__()
        first, second, hidden = (nearest_multiple(size, width_mult) for size in (20, 50, 500))
        self.conv1 = nn.Conv2d(1, first, 5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(first, second, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(second * 4 * 4, hidden)
        self.relu3 = nn.ReLU()
        self.classifier = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images N x 1 x 28 x 28 to logits N x classes."""
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.relu3(self.hidden(self.flatten(x)))
        logits: Tensor = self.classifier(x)
        return logits


def lenet5(width_mult: float = 1.0) -> nn.Module:
    """LeNet-5 for 28 x 28 grey images."""
    return LeNet5(width_mult=width_mult)
