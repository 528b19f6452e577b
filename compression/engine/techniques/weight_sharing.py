"""Let all weights of a layer take few different values, kept in a codebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from compression.engine.network.form import WeightedLayer, clone, restrict, weight_format, weighted_layers
from compression.engine.network.grids import Codebook
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.clustering import nearest_codes, shared_values
from compression.engine.primitives.curvature import squared_derivatives
from compression.engine.primitives.reconstruction import correct_biases
from compression.engine.techniques.context import Context, fitting_images
from compression.engine.techniques.levels import levels_of
from compression.recipe.steps import WeightSharing

CURVATURE_IMAGES = 128
"""Four times as many moved no accuracy by more than an image or two (LeNet-5, ResNet-8), at four times the time."""

BIAS_CORRECTION_CLUSTERS = 16
"""More values shift averages too little for it to show: the same bound as for quantization, four bits."""


def weight_sharing(model: fx.GraphModule, step: WeightSharing, context: Context) -> fx.GraphModule:
    """Replace the weights by `step.clusters` shared values, after folding batch norm (Han et al., 2016).

    The values are found by k-means, for each layer (`levels` say how many of single ones) or with `scope="global"`
    for all together. With
    `weighting="hessian"` each weight counts by how strongly the logits depend on it (Choi et al., 2017). Zeros of
    masked weights stay exactly zero: where there is a mask, zero is one of the values, and it is nobody else's.
    Up to 16 values, biases then make up for what that does to a layer's average answer, where it helps.
    Training afterwards moves the values, and the codes stay.
    """
    folded = fold_batch_norm(model)
    shared = clone(folded)
    x = fitting_images(context.dataset)
    layers = weighted_layers(shared)
    clusters = {name: int(level) for name, level in levels_of(step, layers).items()}
    importances = _importances(folded, step, clusters, x, context)
    parts = {name: _Part(layer, importances[name].flatten()) for name, layer in layers.items()}
    each = [([part], clusters[name]) for name, part in parts.items()]
    groups = [(list(parts.values()), step.clusters)] if step.scope == "global" else each
    for number, (group, count) in enumerate(groups):
        context.watch.check()
        _share(group, count)
        context.watch.report((number + 1) / (len(groups) + 1), "clustering weights")
    if step.lowest_level <= BIAS_CORRECTION_CLUSTERS:
        shared = correct_biases(folded, shared, x, context.watch)
    context.watch.report(1, "weights share values")
    return shared


@dataclass(frozen=True)
class _Part:
    """A layer and the importance of each of its weights (flat)."""

    layer: WeightedLayer
    importance: Tensor

    @property
    def free(self) -> Tensor:
        """Where weights may differ from zero (flat, bool)."""
        mask = weight_format(self.layer).mask
        return torch.ones_like(self.importance, dtype=torch.bool) if mask is None else mask.flatten()


def _importances(
    folded: fx.GraphModule, step: WeightSharing, clusters: Mapping[str, int], x: Tensor, context: Context
) -> dict[str, Tensor]:
    """Positive importances of each layer's weights: of mean 1, of each layer or with one codebook of the network."""
    layers = weighted_layers(folded)
    if step.weighting == "none":
        return {name: torch.ones_like(layer.weight) for name, layer in layers.items()}
    found = squared_derivatives(folded, x[:CURVATURE_IMAGES], context.seed, context.watch)
    everything = torch.cat([value.flatten() for value in found.values()])
    means = {name: (everything if step.scope == "global" else value).mean() for name, value in found.items()}
    return {name: relative_importance(value, means[name], clusters[name]) for name, value in found.items()}


def relative_importance(curvature: Tensor, mean: Tensor, clusters: int) -> Tensor:
    """How much each weight counts when `clusters` values are placed: its share of the `mean`, and what damps that.

    As much as that mean is added for two values, next to nothing for many. A diagonal only describes small changes,
    and squared errors fall with the square of the number of values. Without it two values served a few important
    weights and left all others far off.
    """
    return curvature / mean.clamp(min=torch.finfo(torch.float32).tiny) + 4 / clusters**2


def _share(group: list[_Part], clusters: int) -> None:
    """Give the layers of a group one codebook, in place."""
    weights = torch.cat([part.layer.weight.detach().flatten() for part in group])
    importance = torch.cat([part.importance for part in group])
    free = torch.cat([part.free for part in group])
    has_zero = not bool(free.all())
    if has_zero:
        values = shared_values(weights[free], importance[free], clusters - 1)
        values = torch.cat([torch.zeros(1), values])
    else:
        values = shared_values(weights, importance, clusters)
    for part in group:
        codes = _codes(part, values, has_zero)
        restrict(part.layer, grid=Codebook(values, codes.reshape(part.layer.weight.shape)))


def _codes(part: _Part, values: Tensor, has_zero: bool) -> Tensor:
    """Flat codes of one layer; the first value is the zero of masked weights and of no other."""
    weights = part.layer.weight.detach().flatten()
    if not has_zero:
        return nearest_codes(weights, values)
    return torch.where(part.free, nearest_codes(weights, values[1:]) + 1, 0)
