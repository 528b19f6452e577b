"""Set the smallest weights to zero."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from compression.network import WeightedLayer, clone, restrict, weight_format, weighted_layers
from compression.primitives.batch_norm import recalibrate
from compression.primitives.importance import keep_largest
from compression.recipe import MagnitudePruning
from compression.techniques.context import Context, fitting_images


def magnitude_pruning(model: fx.GraphModule, step: MagnitudePruning, context: Context) -> fx.GraphModule:
    """Zero the `step.sparsity` smallest weights by absolute value (Han et al., 2015); biases stay.

    `scope="global"` ranks all weights of all convolutions and linear layers together, `"layer"` ranks
    each layer alone. Weights that an earlier step masked count as the smallest and stay zero. Every layer
    keeps at least one weight, since a layer of zeros passes nothing on: only then, and where sparsity
    times the number of weights is not whole, does the fraction of zeros differ from the sparsity asked for.
    With `recalibrate` the statistics of batch norms, if there are any, are then measured anew.
    """
    context.check_cancelled()
    pruned = clone(model)
    layers = list(weighted_layers(pruned).values())
    if step.sparsity > 0:
        masks = _global_masks(layers, step.sparsity) if step.scope == "global" else _masks(layers, step.sparsity)
        for layer, mask in zip(layers, masks, strict=True):
            restrict(layer, mask=mask)
        if step.recalibrate:
            recalibrate(pruned, fitting_images(context.dataset), context.check_cancelled)
    context.report(1, "pruned")
    return pruned


def _score(layer: WeightedLayer) -> Tensor:
    """Absolute weights; positions that an earlier mask holds at zero come before all others."""
    score = layer.weight.detach().abs()
    mask = weight_format(layer).mask
    return score if mask is None else torch.where(mask, score, -1)


def _kept(n: int, sparsity: float) -> int:
    return n - round(sparsity * n)


def _masks(layers: list[WeightedLayer], sparsity: float) -> list[Tensor]:
    scores = [_score(layer) for layer in layers]
    masks = [keep_largest(score, max(1, _kept(score.numel(), sparsity))) for score in scores]
    return [mask & (score >= 0) for mask, score in zip(masks, scores, strict=True)]


def _global_masks(layers: list[WeightedLayer], sparsity: float) -> list[Tensor]:
    """One ranking; the largest weight of each layer comes first in it, so that no layer vanishes."""
    scores = [_score(layer) for layer in layers]
    ranked = [torch.where(keep_largest(score, 1), torch.inf, score) for score in scores]
    everything = torch.cat([score.flatten() for score in ranked])
    kept = keep_largest(everything, max(len(layers), _kept(everything.numel(), sparsity)))
    parts = torch.split(kept, [score.numel() for score in scores])
    return [part.reshape(score.shape) & (score >= 0) for part, score in zip(parts, scores, strict=True)]
