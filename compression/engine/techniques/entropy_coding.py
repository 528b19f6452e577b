"""How the stored file writes weights down, and rounding that makes them cheap to write."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, fx
from torch.nn import functional

from compression.engine.network.form import WeightedLayer, clone, place, restrict, weight_format, weighted_layers
from compression.engine.network.grids import Affine, Codebook, storable_scale
from compression.engine.primitives.layerwise import Visit, layers_in_turn
from compression.engine.primitives.rate import best_step, round_for_rate
from compression.engine.primitives.rounding import Problem, best_scale, layer_problem, levels_of
from compression.engine.techniques.context import Context, fitting_images
from compression.errors import NotApplicable
from compression.recipe.steps import EntropyCoding

IMAGES = 1024
"""Whose answers are kept: with half as many, files are 5 % larger where predictions on other images move as much."""

RIDGE = 1.0
"""Pull towards the weights before rounding, relative to the inputs' mean square: images show what matters, but only
where they differ. With 0.5 filters get smaller, but not a first layer that looks at 784 pixels, 40 % of them dark."""

LARGEST_ERROR = 0.2
"""Share of a layer's answers that rounding may spoil at `rate_weight` 1, on average; accuracy then suffers visibly."""


def entropy_coding(model: fx.GraphModule, step: EntropyCoding, context: Context) -> fx.GraphModule:
    """Round to cheaper codes where that changes a layer's answers little; `rate_weight` 0 changes nothing.

    The coding itself is chosen where the file is written (`storage.encode`). With a `rate_weight`, each layer
    on an `Affine` grid or with a `Codebook` gets the codes that minimise the squared error of its answers on 1,024
    images plus a price for each bit (`primitives.rate.round_for_rate`); scales and biases then follow. The
    price is the same in all layers, relative to the size of their answers, and grows with the square of
    `rate_weight`. The network to stay close to is the one with the weights before rounding, or, if that
    predicts worse (after training on the grid), the given one.

    Float layers and binary ones stay as they are: each of their weights takes the same bits, whatever its
    value. Raises `NotApplicable` where all layers are such and `rate_weight` is above 0.
    """
    rounded = clone(model)
    if step.rate_weight > 0:
        count = sum(layer.weight.numel() for layer in weighted_layers(rounded).values() if _has_rate(layer))
        if not count:
            raise NotApplicable(
                "No layer has codes that could be cheaper. Put quantization (2 to 8 bits) or weight sharing before "
                "entropy coding, or set rate_weight to 0."
            )
        price = _price(step.rate_weight, len(weighted_layers(model)), count)
        _round_layers(_reference(model, context), rounded, price, context)
    context.watch.report(1, "rounded")
    return rounded


def _has_rate(layer: WeightedLayer) -> bool:
    """Whether some codes can be cheaper than others."""
    grid = weight_format(layer).grid
    return isinstance(grid, Codebook) or (isinstance(grid, Affine) and grid.bits > 1)


def _price(rate_weight: float, layers: int, weights: int) -> float:
    """What a bit may cost, as a share of a layer's answers.

    With b bits a weight the error falls like 4^-b: at an error e, one bit more for one of n weights lowers it
    by 2 ln(2) e / n, and that is the price at which error and bits are in balance there.
    """
    return 2 * math.log(2) * LARGEST_ERROR * rate_weight**2 * layers / weights


def _reference(model: fx.GraphModule, context: Context) -> fx.GraphModule:
    """The network whose answers are to be kept: with the weights before rounding, unless that predicts worse."""
    hidden = clone(model)
    for layer in weighted_layers(hidden).values():
        before, restriction = getattr(layer, "hidden_weight", None), weight_format(layer)
        if isinstance(restriction.grid, Affine) and before is not None:
            with torch.no_grad():
                layer.weight.copy_(before if restriction.mask is None else before * restriction.mask)
    split = context.dataset.calibration
    x, y = torch.from_numpy(split.x), torch.from_numpy(split.y)
    with torch.no_grad():
        losses = [functional.cross_entropy(candidate(x), y).item() for candidate in (hidden, model)]
    return hidden if losses[0] <= losses[1] else model


def _round_layers(original: fx.GraphModule, rounded: fx.GraphModule, price: float, context: Context) -> None:
    x = fitting_images(context.dataset, IMAGES)
    total = len(weighted_layers(rounded))
    for done, visit in enumerate(layers_in_turn(original, rounded, x, context.watch)):
        if _has_rate(visit.layer):
            reference = original.get_parameter(f"{visit.name}.weight").detach()
            _round_layer(visit, reference, price, context)
        context.watch.report((done + 1) / (total + 1), f"rounded {visit.name}")


def _round_layer(visit: Visit, reference: Tensor, price: float, context: Context) -> None:
    layer, grid = visit.layer, weight_format(visit.layer).grid
    problem = layer_problem(layer, visit.inputs, visit.answers)
    reference = reference.reshape(problem.target.shape)
    ridge = RIDGE * problem.hessian.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    answers = visit.answers - visit.answers.mean(1, keepdim=True)
    price *= float(answers.square().sum() + (ridge * reference.square()).sum())
    problem = _near(problem, reference, ridge)
    if isinstance(grid, Affine):
        _round_codes(layer, grid, problem, price, context)
    elif isinstance(grid, Codebook):
        _round_indices(layer, grid, problem, price, context)
    _follow_with_bias(visit, price)


def _near(problem: Problem, reference: Tensor, ridge: Tensor) -> Problem:
    """The problem with `ridge` times the squared distance from the reference weight added to its error."""
    added = ridge * torch.eye(problem.hessian.shape[1])
    hessian = problem.hessian + added
    pulled = problem.target @ problem.hessian + reference @ added
    target = torch.cholesky_solve(pulled.mT.double(), torch.linalg.cholesky(hessian.double())).mT.float()
    return Problem(hessian, target, problem.mask)


def _round_codes(layer: WeightedLayer, grid: Affine, problem: Problem, price: float, context: Context) -> None:
    """Widen steps that are finer than their bits are worth, choose codes, then the scale that fits them best."""
    step = best_step(problem.hessian, price)
    grid = replace(grid, scale=storable_scale(grid.scale.clamp(min=step)))
    levels = levels_of(grid, problem)
    zero = -levels.low.to(torch.int64)
    codes = problem.masked(levels.nearest(problem.target)).to(torch.int64) + zero
    steps = torch.arange(grid.high - grid.low + 1).expand(*levels.scale.shape[:2], -1) - zero
    codes = round_for_rate(problem, steps * levels.scale, codes, price, context.watch) - zero
    is_common = bool((grid.scale == grid.scale[0]).all())
    levels = best_scale(problem, codes.float(), levels, per_channel=not is_common)
    scale = levels.scale.flatten()[: grid.scale.numel()]
    place(layer, replace(grid, scale=scale), (codes * levels.scale).reshape(layer.weight.shape))


def _round_indices(layer: WeightedLayer, grid: Codebook, problem: Problem, price: float, context: Context) -> None:
    values = grid.values.expand(*problem.target.shape[:2], -1)
    codes = grid.codes.long().reshape(problem.target.shape)
    codes = round_for_rate(problem, values, codes, price, context.watch)
    restrict(layer, grid=replace(grid, codes=codes.to(torch.uint8).reshape(layer.weight.shape)))


def _follow_with_bias(visit: Visit, price: float) -> None:
    """The layer answers right on average; its bias has no more digits than their bits are worth."""
    layer = visit.layer
    if layer.bias is None:
        return
    groups, rows, features = visit.inputs.shape
    weight = layer.weight.detach().reshape(groups, -1, features)
    bias = (visit.answers.mean(1) - visit.inputs.mean(1, keepdim=True).bmm(weight.mT)[:, 0]).flatten()
    step = best_step(torch.full((1, 1, 1), float(rows)), price)  # a bias adds to the answer at every row
    step = 2.0 ** math.floor(math.log2(max(step, _SMALLEST_STEP)))  # leaves lower bits of the mantissa zero
    with torch.no_grad():
        layer.bias.copy_(torch.round(bias / step) * step)


_SMALLEST_STEP = 2.0**-20
"""Finer than what float32 holds next to answers of size 1."""
