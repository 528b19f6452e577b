"""Fit a changed network to the answers of the original one, layer by layer and without training.

He et al., "Channel pruning for accelerating very deep neural networks" (2017), section 3.1: what a layer
computes from the inputs that are left is fitted by least squares to what it computed before. `correct_biases` only
makes up for what changes on average.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx

from compression.engine.network.form import WeightedLayer, clone, module_of, weight_format
from compression.engine.primitives.batch_norm import call_count, measure_statistics
from compression.engine.primitives.channel_labels import OUT
from compression.engine.primitives.channels import Kept
from compression.engine.primitives.execution import Walk
from compression.engine.primitives.layer_outputs import Answers, answers_in_turn, channel_means
from compression.engine.primitives.least_squares import masked_solve
from compression.engine.primitives.moments import by_group, centred, gram_of, has_patches, input_rows
from compression.watch import SILENT, Watch


def reconstruct(
    original: fx.GraphModule, changed: fx.GraphModule, kept: Kept, x: Tensor, *, watch: Watch = SILENT
) -> None:
    """Fit weights, biases and batch-norm statistics of `changed`, in place, on images `x` (N x C x H x W).

    Both models have the same graph; `kept` says which channels of `original` are left in `changed`. See `fit_layers`.
    """
    answers = {
        name: found.of_channels(kept[name, OUT]) if (name, OUT) in kept else found
        for name, found in answers_in_turn(original, x, watch)
    }
    fit_layers(changed, answers, x, watch=watch)


def fit_layers(
    model: fx.GraphModule, answers: dict[str, Answers], x: Tensor, *, watch: Watch = SILENT
) -> dict[str, Tensor]:
    """Fit the model, in place, to what its layers should answer on images `x` (N x C x H x W).

    Each layer is fitted on the inputs that it gets from the layers fitted before it, so that it makes up for their
    errors too, and on as many images as those answers are of. Masked weights stay zero and the others are fitted;
    layers on a grid keep their weights, and only their biases move. Layers that are used several times stay as they
    are. Batch-norm statistics become those of `x`.

    Returns, for each layer whose weights were fitted, the products of its inputs, as `layer_grams` would now.
    """
    grams: dict[str, Tensor] = {}
    means = {name: found.mean for name, found in answers.items()}
    walk = Walk(model, x, watch, images=min((found.images for found in answers.values()), default=len(x)))
    for number, node in enumerate(walk.nodes(), 1):
        if str(node.target) in answers:
            walk.extend(answers[str(node.target)].images)
        with torch.no_grad():
            grams |= _fit_before(model, node, walk, answers)
            _fit_bias(model, node, walk.compute(node), means)
        watch.report(number / (len(model.graph.nodes) - 1), f"fitting {node.name}")
    return grams


def correct_biases(
    original: fx.GraphModule, changed: fx.GraphModule, x: Tensor, watch: Watch = SILENT
) -> fx.GraphModule:
    """`changed`, or a copy with biases so that layers answer the same on average (Nagel et al., 2019).

    Of the two the one that gives more of the images `x` (N x C x H x W) the class that `original` gives them.
    Both have the same graph. Each bias knows of those corrected before it; layers that are used several times
    keep theirs. Batch norms that are left between layers get the statistics of `x`.
    """
    corrected = clone(changed)
    with torch.no_grad():
        asked, walk = (Walk(model, x, watch, plain=True) for model in (original, corrected))
        means = {call.name: channel_means(call.y) for call in asked.calls()}
        for node in walk.nodes():
            measure_statistics(walk, node)
            _fit_bias(corrected, node, walk.compute(node), means)
        logits = asked.logits, walk.logits, Walk(changed, x, watch, plain=True).run_through()
        expected, found, before = (answer.argmax(1) for answer in logits)
    return corrected if (found == expected).sum() >= (before == expected).sum() else changed


def _fit_before(model: fx.GraphModule, node: fx.Node, walk: Walk, answers: dict[str, Answers]) -> dict[str, Tensor]:
    """Fit what this node's layer multiplies with, unless it is also used elsewhere. Returns its gram, if it has one."""
    layer = module_of(model, node)
    measure_statistics(walk, node)
    if not isinstance(layer, WeightedLayer) or call_count(model, node) > 1:
        return {}
    if weight_format(layer).grid is not None or not has_patches(layer):
        return {}
    x, name = walk.input_of(node), str(node.target)
    inputs = input_rows(layer, x, (len(x), *node.meta["shape"][1:]))
    return {name: _fit_weight(layer, centred(inputs), answers[name].rows)}


def _fit_weight(layer: WeightedLayer, inputs: Tensor, answers: Tensor) -> Tensor:
    """Ridge regression of what the answers lack on the centred inputs; masked weights stay zero. Returns the gram."""
    groups = len(inputs)
    weight = layer.weight.reshape(groups, -1, inputs.shape[2])
    lacking = centred(by_group(answers, groups)) - inputs @ weight.mT
    gram, cross = gram_of(inputs), (lacking.mT @ inputs).double() / inputs.shape[1]
    mask = weight_format(layer).mask
    if mask is None:
        change = torch.linalg.solve(gram, cross.mT).mT.float()
    else:
        change = masked_solve(gram, cross, mask.reshape(weight.shape))
    layer.weight.add_(change.reshape(layer.weight.shape))
    return gram


def _fit_bias(model: fx.GraphModule, node: fx.Node, y: Tensor, means: dict[str, Tensor]) -> None:
    """Make this node's layer right on average, if it is used once: its bias and, in place, what it has answered."""
    layer = module_of(model, node)
    if isinstance(layer, WeightedLayer) and layer.bias is not None and call_count(model, node) == 1:
        change = means[str(node.target)] - channel_means(y)
        layer.bias.add_(change)
        y.add_(change.reshape(-1, *[1] * (y.dim() - 2)))
