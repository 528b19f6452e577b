"""How strongly the network's answers depend on what its layers do: the diagonal of the Gauss-Newton matrix.

For each weight (`squared_derivatives`) or for each output channel (`output_sensitivities`). The latter times the second
moments of a layer's inputs (`moments.layer_grams`) says how far any change of its weights moves the answers, not only
a change of one weight, but takes inputs and derivatives as independent.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from compression.engine.network.form import WeightedLayer
from compression.engine.primitives.execution import Call, Walk
from compression.watch import SILENT, Watch

CURVATURE_BATCH = 32
"""Images at once: the gradient of every image stays apart, and a layer has up to 400,000 weights."""

SENSITIVITY_IMAGES = 128
"""Enough for averages of squared gradients that differ by some percent from those of four times as many."""


def squared_derivatives(model: fx.GraphModule, x: Tensor, seed: int, watch: Watch = SILENT) -> dict[str, Tensor]:
    """For each layer, the mean over images of the squared derivative of the logits by each weight.

    `x` is N x C x H x W; results have the shape of the weights. The squares are summed over the logits in
    expectation: each image's logits are added up with random signs (Hutchinson's estimator), and the images
    average that out. This is the Gauss-Newton diagonal of the squared error of the logits, so it says where
    rounding a weight changes the answers; the gradient of the loss itself nearly vanishes in a trained network.
    Calls of a layer that is used several times are taken as independent.
    """
    totals: dict[str, Tensor] = {}
    for call, gradient in _derivatives(model, x, seed, watch):
        squares = _squares(call.layer, call.x.detach(), gradient) / len(x)
        totals[call.name] = totals.get(call.name, torch.zeros(())) + squares
    return totals


def output_sensitivities(model: fx.GraphModule, x: Tensor, seed: int, watch: Watch = SILENT) -> dict[str, Tensor]:
    """How much the logits move with each output channel of each weighted layer: name to channels, 0 or more.

    The sum over positions, and the mean over the first `SENSITIVITY_IMAGES` of `x`, of the squared derivative of the
    logits, summed over the logits in expectation, as in `squared_derivatives`.
    """
    x = x[:SENSITIVITY_IMAGES]
    totals: dict[str, Tensor] = {}
    for call, gradient in _derivatives(model, x, seed, watch):
        per_channel = gradient.square().sum([dim for dim in range(gradient.dim()) if dim != 1])
        totals[call.name] = totals.get(call.name, torch.zeros(())) + per_channel / len(x)
    return totals


def _derivatives(model: fx.GraphModule, x: Tensor, seed: int, watch: Watch) -> Iterator[tuple[Call, Tensor]]:
    """Each layer's calls on some images at a time, with the derivative of the randomly signed logits by its output."""
    generator = torch.Generator().manual_seed(seed)
    for batch in torch.split(x, CURVATURE_BATCH):
        walk = Walk(model, batch.detach().requires_grad_(), watch, plain=True, images=len(batch))
        with torch.enable_grad():
            calls = list(walk.calls())
            signs = torch.randint(0, 2, walk.logits.shape, generator=generator) * 2 - 1
            gradients = torch.autograd.grad((walk.logits * signs).sum(), [call.y for call in calls])
        yield from zip(calls, gradients, strict=True)


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
