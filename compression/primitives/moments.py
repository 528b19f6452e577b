"""Second moments of what a layer gets and what it should answer: all that a least-squares fit needs to know."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from compression.network import WeightedLayer

RIDGE = 1e-2
"""Pull towards the weights that are there, relative to the inputs' mean square.

From 1e-3 to 1e-1 accuracies measured alike, but for a tenth of the rank, where 1e-2 was best.
"""

ROWS = 8192
"""Positions in the images that a convolution's moments are taken over; twice as many measured alike."""


@dataclass(frozen=True)
class Moments:
    """Of inputs x (features) and wanted outputs y, both float64 and, if `mean_x` is not zero, about their means.

    `gram` is E[x xᵀ] (features x features), with a ridge on its diagonal, and `cross` is E[y xᵀ] (outputs x
    features) with the same ridge times the layer's own weight, so that directions which no image shows keep
    the weight they have.
    """

    gram: Tensor
    cross: Tensor
    mean_x: Tensor
    mean_y: Tensor

    def best_weight(self) -> Tensor:
        """The least-squares weight, outputs x features."""
        solution: Tensor = torch.linalg.solve(self.gram, self.cross.mT)
        return solution.mT

    def bias(self, weight: Tensor) -> Tensor:
        """What `weight` (outputs x features) needs as bias to answer right on average."""
        return self.mean_y - weight @ self.mean_x


def second_moments(layer: WeightedLayer, x: Tensor, target: Tensor, *, centred: bool) -> Moments:
    """Moments of the inputs `x` that the layer gets and the outputs `target` that it should give.

    `x` is N x features (linear layer) or N x C x H x W, `target` has the shape of `layer(x)`. The features
    of a convolution are its patches, in the order of its flattened weight (channel, row, column). Only for
    layers that `is_plain` says yes to. `centred` is for layers whose output may be shifted: they have a bias,
    or a batch norm behind them.
    """
    inputs, outputs = _rows(layer, x, target)
    mean_x, mean_y = (rows.mean(0) if centred else torch.zeros_like(rows[0]) for rows in (inputs, outputs))
    inputs, outputs = inputs - mean_x, outputs - mean_y
    gram = (inputs.mT @ inputs).double() / len(inputs)
    cross = (outputs.mT @ inputs).double() / len(inputs)
    ridge = RIDGE * gram.diagonal().mean().clamp(min=torch.finfo(torch.float32).tiny)
    gram.diagonal().add_(ridge)
    cross += ridge * layer.weight.detach().flatten(1)
    return Moments(gram, cross, mean_x.double(), mean_y.double())


def is_plain(layer: nn.Module) -> bool:
    """Whether every output of the layer sees all inputs in one patch that `second_moments` can cut out."""
    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return isinstance(layer, nn.Linear)


def _rows(layer: WeightedLayer, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs (rows x features) and outputs (rows x outputs), at evenly drawn positions of the images."""
    if isinstance(layer, nn.Linear):
        return x, target
    assert not isinstance(layer.padding, str)
    n, _, height, width = target.shape
    picked = torch.randperm(n * height * width, generator=torch.Generator().manual_seed(0))[:ROWS]
    image, row, column = picked // (height * width), picked // width % height, picked % width
    (up, left), (down, right), (tall, wide) = layer.padding, layer.stride, layer.dilation
    patch_height, patch_width = (
        (size - 1) * gap + 1 for size, gap in zip(layer.kernel_size, (tall, wide), strict=True)
    )
    padded = functional.pad(x, (left, left, up, up))
    windows = padded.unfold(2, patch_height, down).unfold(3, patch_width, right)[..., ::tall, ::wide]
    return windows[image, :, row, column].flatten(1), target[image, :, row, column]
