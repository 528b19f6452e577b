"""One layer in every form that techniques have for it, fitted as they fit it, the layer alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from compression.engine.laboratory.layer_tables.sizes import codes_bytes, floats_bytes
from compression.engine.network.form import WeightedLayer
from compression.engine.network.grids import Affine
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.clustering import nearest_codes, shared_values
from compression.engine.primitives.execution import Changed, Walk
from compression.engine.primitives.factorization import composed
from compression.engine.primitives.least_squares import masked_solve
from compression.engine.primitives.moments import gram_matrix, has_patches, input_rows
from compression.engine.primitives.patterns import pattern_masks
from compression.engine.primitives.rounding import Problem, round_layer
from compression.engine.primitives.thin_layers import Ranks, ThinForm
from compression.engine.techniques.quantization import FINE_BITS
from compression.engine.techniques.weight_sharing import relative_importance
from compression.inquiries.layer_tables import LEVELS, Both
from compression.kernels import KERNEL_CHANNELS
from compression.watch import Watch

SAMPLE = 1 << 13
"""Weights, whole outputs, on which the size of two techniques together is estimated."""
MOST_FITTED_BITS = 4
"""With more hardly anything is lost, however codes are chosen."""
FIT_ITERATIONS = 25
"""Of conjugate gradients: within some percent of the best fit."""
MOST_FEATURES = 2048
"""Inputs of one output up to which a layer's codes are fitted to its answers; beyond, that would take seconds."""


@dataclass(frozen=True)
class Seen:
    """What a layer gets on some images: mean products of its inputs (groups x features x features, float64), and means.

    `means` are groups x features, zeros where inputs cannot be cut into patches; the products are then the identity. Of
    too many features no products are taken.
    """

    gram: Tensor
    means: Tensor


@dataclass(frozen=True)
class Form:
    """A layer at one level of a technique, with what it takes then.

    `thinner` are the kernels of the layers whose product it is, and `ranks` theirs; `values` are those that it shares.
    """

    technique: str
    level: float
    changed: Changed
    bytes: float
    ranks: Ranks | None = None
    thinner: Sequence[Tensor] = ()
    values: Tensor | None = None


def seen_by_layers(model: fx.GraphModule, x: Tensor, watch: Watch) -> dict[str, Seen]:
    """What each weighted layer gets on images `x` (N x C x H x W); the mean over its calls where it has several."""
    found: dict[str, list[Seen]] = {}
    for call in Walk(model, x, watch).calls():
        found.setdefault(call.name, []).append(_seen(call.layer, call.x, call.y))
    return {
        name: Seen(torch.stack([one.gram for one in each]).mean(0), torch.stack([one.means for one in each]).mean(0))
        for name, each in found.items()
    }


def _seen(layer: WeightedLayer, x: Tensor, y: Tensor) -> Seen:
    groups, features = getattr(layer, "groups", 1), layer.weight[0].numel()
    if features > MOST_FEATURES:
        return Seen(torch.ones(groups, 1, 1, dtype=torch.float64), torch.zeros(groups, features))
    if not has_patches(layer):
        return Seen(gram_matrix(layer, x, y), torch.zeros(groups, features))
    return Seen(gram_matrix(layer, x, y), input_rows(layer, x, y.shape).mean(1))


def changed(layer: WeightedLayer, seen: Seen, weight: Tensor) -> Changed:
    """The layer with another weight (of any shape), and the bias with which it is right on average."""
    weight = weight.float().reshape(layer.weight.shape)
    lost = (layer.weight.detach() - weight).reshape(len(seen.gram), -1, seen.means.shape[1])
    bias = None if layer.bias is None else layer.bias.detach() + (lost @ seen.means[:, :, None]).flatten()
    return Changed(weight, bias)


def forms_of(layer: WeightedLayer, seen: Seen, curvature: Tensor, thin: ThinForm | None, watch: Watch) -> list[Form]:
    """All forms of a layer, technique by technique, from the mildest to the hardest."""
    return [
        *_rounded(layer, seen, watch),
        *_pruned(layer, seen),
        *_shared(layer, seen, curvature),
        *(_thinner(layer, seen, thin) if thin is not None and _is_fitted(seen) else ()),
    ]


def _is_fitted(seen: Seen) -> bool:
    return seen.gram.shape[1] == seen.means.shape[1]


def _rounded(layer: WeightedLayer, seen: Seen, watch: Watch) -> Iterator[Form]:
    weight = layer.weight.detach()
    problem = Problem(seen.gram.float(), weight.reshape(len(seen.gram), -1, seen.means.shape[1]))
    for bits in map(int, LEVELS["quantization"]):
        if bits > MOST_FITTED_BITS or not _is_fitted(seen):
            grid = fit_affine(weight, bits, method="nearest" if bits >= FINE_BITS else "mse")
            rounded = grid.project(weight)
        else:
            settings = {"per_channel": True, "symmetric": True, "descent": False}
            grid, rounded = round_layer(problem, weight.shape, bits, watch=watch, **settings)
        yield Form("quantization", bits, changed(layer, seen, rounded), _on_grid(layer, grid, rounded))


def _on_grid(layer: WeightedLayer, grid: Affine, rounded: Tensor) -> float:
    codes = torch.round(rounded / grid.broadcast(rounded)[0])
    return codes_bytes(codes, scales=grid.scale.numel()) + bias_bytes(layer)


def bias_bytes(layer: WeightedLayer) -> float:
    """Of a layer's biases, zero without any."""
    return 0.0 if layer.bias is None else floats_bytes(layer.bias)


def _mask(layer: WeightedLayer, sparsity: float) -> Tensor:
    return pattern_masks([layer.weight.detach().abs()], sparsity, "layer", "weights")[0]


def _pruned(layer: WeightedLayer, seen: Seen) -> Iterator[Form]:
    for sparsity in LEVELS["magnitude_pruning"]:
        weight = fitted(layer, seen, _mask(layer, sparsity))
        size = floats_bytes(weight) + bias_bytes(layer)
        yield Form("magnitude_pruning", sparsity, changed(layer, seen, weight), size)


def fitted(layer: WeightedLayer, seen: Seen, mask: Tensor) -> Tensor:
    """The layer's weight where `mask` (of its shape) is False zero, and the others making up for that; its shape."""
    weight = layer.weight.detach()
    if not _is_fitted(seen):
        return weight * mask
    rows = weight.reshape(len(seen.gram), -1, seen.means.shape[1])
    cross = rows.double() @ seen.gram
    return masked_solve(seen.gram, cross, mask.reshape(rows.shape), FIT_ITERATIONS).reshape(weight.shape)


def without_inputs(layer: WeightedLayer, seen: Seen, places: Sequence[int]) -> Tensor:
    """The layer's weight with zeros for some of its inputs (of each group), and the others making up for them."""
    weight = layer.weight.detach().clone()
    stays = torch.ones(weight.shape[1:], dtype=torch.bool)
    stays[places] = False
    rows, kept = weight.reshape(len(seen.gram), -1, seen.means.shape[1]), stays.flatten()
    fitted = torch.zeros_like(rows)
    if _is_fitted(seen):
        cross = (rows.double() @ seen.gram)[:, :, kept]
        fitted[:, :, kept] = torch.linalg.solve(seen.gram[:, kept][:, :, kept], cross.mT).mT.float()
    else:
        fitted[:, :, kept] = rows[:, :, kept]
    return fitted


def _shared(layer: WeightedLayer, seen: Seen, curvature: Tensor) -> Iterator[Form]:
    weight = layer.weight.detach().flatten()
    for clusters in map(int, LEVELS["weight_sharing"]):
        if clusters < weight.numel():
            importance = relative_importance(curvature, curvature.mean(), clusters).flatten()
            values = shared_values(weight, importance, clusters)
            codes = nearest_codes(weight, values)
            size = codes_bytes(codes, values=len(values)) + bias_bytes(layer)
            yield Form("weight_sharing", clusters, changed(layer, seen, values[codes.long()]), size, values=values)


def _thinner(layer: WeightedLayer, seen: Seen, thin: ThinForm) -> Iterator[Form]:
    kernel = layer.weight.detach().double()
    kernel = kernel if kernel.dim() == 4 else kernel[:, :, None, None]
    before: Ranks | None = None
    for ratio in LEVELS["low_rank"]:
        ranks = thin.ranks_at(ratio, KERNEL_CHANNELS)
        if thin.shrinks(ranks) and ranks != before:
            factors = thin.factors(kernel, seen.gram[0], ranks)
            size = sum(map(floats_bytes, (factor.float() for factor in factors))) + bias_bytes(layer)
            yield Form("low_rank", ratio, changed(layer, seen, composed(factors)), size, ranks, factors)
            before = ranks


def both_of(layer: WeightedLayer, forms: Sequence[Form]) -> Iterator[Both]:
    """What zeros and few codes take together: codes are chosen for the weights that are left.

    Estimated on some of the layer's outputs, and with the values that it shares without zeros.
    """
    whole = layer.weight.detach()
    weight = whole[:: max(1, whole.numel() // SAMPLE)].contiguous()
    times = whole.numel() / weight.numel()
    sizes = whole.abs().flatten().sort().values
    books = {form.level: form.values for form in forms if form.values is not None}
    for sparsity in LEVELS["magnitude_pruning"]:
        mask = weight.abs() > sizes[min(round(sparsity * len(sizes)), len(sizes) - 1) - 1]
        for technique, level, size in (
            *_codes_left(weight, mask, times),
            *_values_left(weight, mask, books, times),
        ):
            yield Both(zeros=sparsity, technique=technique, level=level, bytes=size + bias_bytes(layer))


def _codes_left(weight: Tensor, mask: Tensor, times: float) -> Iterator[tuple[str, float, float]]:
    left = weight * mask
    for bits in map(int, LEVELS["quantization"]):
        grid = fit_affine(left, bits, mask=mask, method="nearest" if bits >= FINE_BITS else "mse")
        codes = left.sign() if bits == 1 else torch.round(left / grid.broadcast(left)[0]).clamp(grid.low, grid.high)
        yield "quantization", bits, codes_bytes(codes, scales=times * grid.scale.numel(), times=times)


def _values_left(
    weight: Tensor, mask: Tensor, books: Mapping[float, Tensor], times: float
) -> Iterator[tuple[str, float, float]]:
    for clusters, values in books.items():
        codes = torch.where(mask, nearest_codes(weight, values).long() + 1, 0)
        yield "weight_sharing", clusters, codes_bytes(codes, values=len(values), times=times)
