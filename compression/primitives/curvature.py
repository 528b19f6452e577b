"""How strongly the network's answers depend on each weight: the diagonal of the Gauss-Newton matrix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from compression.network import WeightedLayer, clone, weighted_layers

CURVATURE_BATCH = 32
"""Images at once: the gradient of every image stays apart, and a layer has up to 400,000 weights."""


class _Seen(NamedTuple):
    """What one call of a layer took in, and what it answered."""

    x: Tensor
    y: Tensor


def squared_derivatives(
    model: fx.GraphModule, x: Tensor, seed: int, check_cancelled: Callable[[], None] = lambda: None
) -> dict[str, Tensor]:
    """For each layer, the mean over images of the squared derivative of the logits by each weight.

    `x` is N x C x H x W; results have the shape of the weights. The squares are summed over the logits in
    expectation: each image's logits are added up with random signs (Hutchinson's estimator), and the images
    average that out. This is the Gauss-Newton diagonal of the squared error of the logits, so it says where
    rounding a weight changes the answers; the gradient of the loss itself nearly vanishes in a trained network.
    Calls of a layer that is used several times are taken as independent.
    """
    model = clone(model)
    names = {layer: name for name, layer in weighted_layers(model).items()}
    calls: list[tuple[WeightedLayer, _Seen]] = []
    for layer in names:
        layer.register_forward_hook(lambda layer, inputs, y: calls.append((layer, _Seen(inputs[0].detach(), y))))
    totals: dict[str, Tensor] = defaultdict(partial(torch.zeros, ()))
    generator = torch.Generator().manual_seed(seed)
    for batch in torch.split(x, CURVATURE_BATCH):
        check_cancelled()
        calls.clear()
        logits = model(batch)
        signs = torch.randint(0, 2, logits.shape, generator=generator) * 2 - 1
        gradients = torch.autograd.grad((logits * signs).sum(), [seen.y for _, seen in calls])
        for (layer, seen), gradient in zip(calls, gradients, strict=True):
            totals[names[layer]] = totals[names[layer]] + _squares(layer, seen.x, gradient) / len(x)
    return dict(totals)


def _squares(layer: WeightedLayer, x: Tensor, gradient: Tensor) -> Tensor:
    """Sum over images of the squared gradient of each weight, from the layer's input and its output's gradient."""
    if isinstance(layer, nn.Linear):
        return gradient.flatten(0, -2).square().T @ x.flatten(0, -2).square()
    n, groups = len(x), layer.groups
    windows = _windows(layer, x).reshape(n, groups, -1, gradient[0, 0].numel())
    gradients = gradient.reshape(n, groups, -1, windows.shape[-1])
    return (gradients @ windows.mT).square().sum(0).reshape(layer.weight.shape)


def _windows(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """What each output position saw: N x (channels x kernel) x positions."""
    return functional.unfold(
        functional.pad(x, layer._reversed_padding_repeated_twice), layer.kernel_size, layer.dilation, 0, layer.stride
    )
