"""How much a channel matters to the layers that read it, measured on images.

A channel acts on the network only through the layers that read it, so what they get from it is what is lost
with it; residual connections and depthwise convolutions on the way need no rule of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx
from torch.nn import functional

from compression.engine.network.form import weighted_layers
from compression.engine.primitives.channel_labels import IN, Unit
from compression.engine.primitives.execution import Walk
from compression.watch import SILENT, Watch

TAYLOR_BATCH = 16
"""Images of which gradients are averaged before they are squared: few, so that signs do not cancel."""


def taylor_importance(
    model: fx.GraphModule, groups: Sequence[Sequence[Unit]], x: Tensor, y: Tensor, watch: Watch = SILENT
) -> list[Tensor]:
    """For each group, how much the loss would change without each unit (Molchanov et al., 2019); 0 or more.

    To first order that is the sum of gradient times weight over all weights that read the unit; its square is
    averaged over batches of images `x` (N x C x H x W) with labels `y`.
    """
    layers = weighted_layers(model)
    batches: dict[str, list[Tensor]] = {name: [] for name in layers}
    for images, labels in zip(torch.split(x, TAYLOR_BATCH), torch.split(y, TAYLOR_BATCH), strict=True):
        watch.check()
        with torch.enable_grad():
            loss = functional.cross_entropy(model(images), labels)
            gradients = torch.autograd.grad(loss, [layer.weight for layer in layers.values()])
        for (name, layer), gradient in zip(layers.items(), gradients, strict=True):
            batches[name].append((gradient * layer.weight.detach()).transpose(0, 1).flatten(1).sum(1))
    readings = {name: torch.stack(parts) for name, parts in batches.items()}
    return [torch.stack([_change(readings, unit) for unit in group]) for group in groups]


def activation_importance(
    model: fx.GraphModule, groups: Sequence[Sequence[Unit]], x: Tensor, watch: Watch = SILENT
) -> list[Tensor]:
    """For each group, the mean size of each unit's activations where they are read (Polyak and Wolf, 2015).

    On images `x` (N x C x H x W). Each reader's inputs are divided by their mean, so that no layer drowns the others.
    """
    sizes: dict[str, Tensor] = {}
    with torch.no_grad():
        for call in Walk(model, x, watch, plain=True).calls():
            size = call.x.abs().transpose(0, 1).flatten(1).mean(1)
            size = size.reshape(-1, call.layer.weight.shape[1]).mean(0)  # groups of a convolution share positions
            relative = size / size.mean().clamp(min=torch.finfo(size.dtype).tiny)
            sizes[call.name] = sizes.get(call.name, torch.zeros(())) + relative
    return [torch.stack([_mean_size(sizes, unit) for unit in group]) for group in groups]


def _change(readings: dict[str, Tensor], unit: Unit) -> Tensor:
    parts = [readings[part.layer][:, part.position] for part in unit if part.dim == IN]
    return torch.stack(parts).sum(0).square().mean() if parts else torch.zeros(())


def _mean_size(sizes: dict[str, Tensor], unit: Unit) -> Tensor:
    parts = [sizes[part.layer][part.position] for part in unit if part.dim == IN]
    return torch.stack(parts).mean() if parts else torch.zeros(())
