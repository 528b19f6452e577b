"""Set the smallest weights to zero."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from compression.engine.network.form import WeightedLayer, clone, restrict, weight_format, weighted_layers
from compression.engine.primitives.patterns import masks_by_layer
from compression.engine.primitives.reconstruction import reconstruct
from compression.engine.primitives.sparse_schedule import RAMP, SparseSchedule
from compression.engine.techniques.context import Context, fitting_images
from compression.engine.techniques.fine_tuning import taught
from compression.engine.techniques.levels import levels_of
from compression.engine.training.best import is_better, scores
from compression.engine.training.device import CPU
from compression.engine.training.loop import train
from compression.recipe.steps import TAUGHT_ALPHA, TAUGHT_TEMPERATURE, MagnitudePruning
from compression.results.record import Training
from compression.watch import Watch


def magnitude_pruning(model: fx.GraphModule, step: MagnitudePruning, context: Context) -> fx.GraphModule:
    """Zero the `step.sparsity` smallest weights by absolute value (Han et al., 2015); biases stay.

    `scope="global"` ranks all weights of all convolutions and linear layers together, `"layer"` ranks
    each layer alone; `pattern` asks for N of every four neighbouring weights (Mishra et al., 2021), or for blocks of
    four, ranked by their mean square. Weights that an earlier step masked count as the smallest and stay zero. Every
    layer keeps at least one weight, since a layer of zeros passes nothing on: only then, where sparsity
    times the number of weights is not whole, and in patterns where four does not divide the inputs, does the fraction
    of zeros differ from the sparsity asked for. Layers with a level of their own get that sparsity each, and only the
    others are ranked together; with 0 a layer gets no mask, and is only recalibrated.

    Without `epochs` weights go at once. With `recalibrate` the weights that are left, biases and batch-norm
    statistics are then fitted, layer by layer and without training, to what the layers answered before.

    With `epochs` they go little by little while the network learns the original one's predictions, on the cubic
    schedule of Zhu and Gupta (2017), and may come back with `regrowth`: see `SparseSchedule`. Where the network that
    pruning at once leads to does as well on validation images, it is that one. Raises `Diverged` when the loss stops
    being finite.
    """
    pruned = _at_once(model, step, context)
    if step.epochs > 0:
        pruned = _better(pruned, *_gradually(model, step, context), context)
    context.watch.report(1, "pruned")
    return pruned


def _at_once(model: fx.GraphModule, step: MagnitudePruning, context: Context) -> fx.GraphModule:
    pruned = clone(model)
    layers = weighted_layers(pruned)
    if any(levels_of(step, layers).values()):
        _prune(layers, step)
        if step.recalibrate:
            reconstruct(model, pruned, {}, fitting_images(context.dataset), watch=Watch(check=context.watch.check))
    return pruned


def _gradually(
    model: fx.GraphModule, step: MagnitudePruning, context: Context
) -> tuple[fx.GraphModule, Training | None]:
    """A copy that was trained while the sparsity rose; the schedule holds on to tensors on the CPU."""
    pruned = clone(model)
    layers = weighted_layers(pruned)
    schedule = SparseSchedule(list(layers.values()), step.sparsity, step.scope, step.pattern, step.regrowth)
    training = train(
        pruned,
        context.dataset,
        epochs=step.epochs,
        learning_rate=step.learning_rate,
        seed=context.seed,
        loss=taught(context, alpha=TAUGHT_ALPHA, temperature=TAUGHT_TEMPERATURE),
        on_step=schedule.on_step,
        unfinished=RAMP,
        device=CPU,
        watch=context.watch,
    )
    if step.sparsity > 0:
        _prune(layers, step)
    return pruned, training


def _better(
    at_once: fx.GraphModule, gradual: fx.GraphModule, training: Training | None, context: Context
) -> fx.GraphModule:
    """The network whose zeros came little by little if it is better, else the one that got them at once."""
    if training is None:
        return at_once
    judged = [scores(network, context.dataset.validation, CPU, context.watch) for network in (gradual, at_once)]
    helped = is_better(*judged)
    context.trained(training if helped else training.model_copy(update={"kept": "untrained", "kept_at": 0}))
    return gradual if helped else at_once


def _prune(layers: dict[str, WeightedLayer], step: MagnitudePruning) -> None:
    """Mask the smallest weights, in place; after gradual pruning these are zero already."""
    scores = {name: _score(layers[name]) for name, level in levels_of(step, layers).items() if level > 0}
    masks = masks_by_layer(scores, step.sparsity, dict(step.levels), step.scope, step.pattern)
    for name, mask in masks.items():
        restrict(layers[name], mask=mask)


def _score(layer: WeightedLayer) -> Tensor:
    """Absolute weights; positions that an earlier mask holds at zero come before all others."""
    score = layer.weight.detach().abs()
    mask = weight_format(layer).mask
    return score if mask is None else torch.where(mask, score, -1)
