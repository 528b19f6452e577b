"""Fully connected networks: an MLP for 8 x 8 digits and LeNet-300-100 (LeCun et al., 1998)."""

from itertools import pairwise

from torch import Tensor, nn

from compression.kernels import nearest_multiple


class MLP(nn.Module):
    """Flatten, hidden layers with ReLU, one linear output layer.

    `width_mult` scales the hidden layers; input and output sizes stay.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], classes: int = 10, width_mult: float = 1.0) -> None:
        super().__init__()
        sizes = [inputs, *(nearest_multiple(size, width_mult) for size in hidden)]
        layers: list[nn.Module] = [nn.Flatten()]
        for size_in, size_out in pairwise(sizes):
            layers += [nn.Linear(size_in, size_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], classes))

    def forward(self, x: Tensor) -> Tensor:
        """Images N x C x H x W to logits N x classes."""
        logits: Tensor = self.layers(x)
        return logits


def mlp_digits(width_mult: float = 1.0) -> nn.Module:
    """64-64-32-10 for scikit-learn's digits."""
    return MLP(64, (64, 32), width_mult=width_mult)


def lenet300(width_mult: float = 1.0) -> nn.Module:
    """784-300-100-10."""
    return MLP(784, (300, 100), width_mult=width_mult)
