"""Set the smallest weights to zero."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from compression.engine.network.form import WeightedLayer, clone, restrict, weight_format, weighted_layers
from compression.engine.primitives.patterns import pattern_masks
from compression.engine.primitives.reconstruction import reconstruct
from compression.engine.primitives.sparse_schedule import SparseSchedule
from compression.engine.techniques.context import Context, fitting_images
from compression.engine.training.device import CPU
from compression.engine.training.loop import train
from compression.recipe.steps import MagnitudePruning


def magnitude_pruning(model: fx.GraphModule, step: MagnitudePruning, context: Context) -> fx.GraphModule:
    """Zero the `step.sparsity` smallest weights by absolute value (Han et al., 2015); biases stay.

    `scope="global"` ranks all weights of all convolutions and linear layers together, `"layer"` ranks
    each layer alone; `pattern` asks for N of every four neighbouring weights (Mishra et al., 2021), or for blocks of
    four, ranked by their mean square. Weights that an earlier step masked count as the smallest and stay zero. Every
    layer keeps at least one weight, since a layer of zeros passes nothing on: only then, where sparsity
    times the number of weights is not whole, and in patterns where four does not divide the inputs, does the fraction
    of zeros differ from the sparsity asked for.

    Without `epochs` weights go at once. With `recalibrate` the weights that are left, biases and batch-norm
    statistics are then fitted, layer by layer and without training, to what the layers answered before.

    With `epochs` they go little by little while the network trains, on the cubic schedule of Zhu and Gupta
    (2017), and may come back with `regrowth`: see `SparseSchedule`. The comparison is pruning at once and
    fine-tuning for as many epochs. Raises `Diverged` when the loss stops being finite.
    """
    pruned = clone(model)
    if step.epochs > 0:
        _train(pruned, step, context)
    if step.sparsity > 0:
        _prune(list(weighted_layers(pruned).values()), step)
        if step.recalibrate and step.epochs == 0:
            reconstruct(model, pruned, {}, fitting_images(context.dataset), watch=context.watch)
    context.watch.report(1, "pruned")
    return pruned


def _train(model: fx.GraphModule, step: MagnitudePruning, context: Context) -> None:
    """Train in place while the sparsity rises; the schedule holds on to tensors on the CPU."""
    layers = list(weighted_layers(model).values())
    schedule = SparseSchedule(layers, step.sparsity, step.scope, step.pattern, step.regrowth)
    train(
        model,
        context.dataset,
        epochs=step.epochs,
        learning_rate=step.learning_rate,
        seed=context.seed,
        on_step=schedule.on_step,
        device=CPU,
        watch=context.watch,
    )


def _prune(layers: list[WeightedLayer], step: MagnitudePruning) -> None:
    """Mask the smallest weights, in place; after gradual pruning these are zero already."""
    masks = pattern_masks([_score(layer) for layer in layers], step.sparsity, step.scope, step.pattern)
    for layer, mask in zip(layers, masks, strict=True):
        restrict(layer, mask=mask)


def _score(layer: WeightedLayer) -> Tensor:
    """Absolute weights; positions that an earlier mask holds at zero come before all others."""
    score = layer.weight.detach().abs()
    mask = weight_format(layer).mask
    return score if mask is None else torch.where(mask, score, -1)
