"""What weights cost in the stored file: as a number that training can lower, and as a reason to round otherwise.

The cost of a layer is the entropy of its codes (Shannon, 1948) under a histogram of the codes themselves,
which is what an adaptive arithmetic coder pays. Between two codes it is interpolated, as in soft-histogram
estimates of the rate (Agustsson et al., "Soft-to-hard vector quantization", 2017), so that its gradient says:
go to the neighbour that is used more often, and the harder the more often it is.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from compression.engine.network.form import WeightedLayer, moving_weight, weight_format, weighted_layers
from compression.engine.network.grids import Affine, Codebook
from compression.engine.primitives.rounding import BLOCK, Problem
from compression.watch import SILENT, Watch


def entropy_penalty(model: nn.Module) -> Tensor:
    """Estimated bits a weight of all convolutions and linear layers together; a scalar with gradient.

    Works inside `network.restricted`, where the gradient reaches the hidden weights. On an `Affine` grid
    the estimate is the entropy of the codes. For floats, whose low bits no coder can save, it is the entropy of
    sign and binary exponent. The codes of a `Codebook` do not change in training: they have no gradient.
    """
    layers = list(weighted_layers(model).values())
    bits = [layer_bits(layer) for layer in layers]
    return torch.stack(bits).sum() / sum(layer.weight.numel() for layer in layers)


def description_length(model: nn.Module, n_images: int) -> Tensor:
    """All bits of the weights in nats for each of `n_images`: what to add to the mean cross entropy.

    The sum is the length of the shortest message that tells both the network and, with its help, the
    labels of the training images (Rissanen, 1978; Hinton and van Camp, 1993).
    """
    n_weights = sum(layer.weight.numel() for layer in weighted_layers(model).values())
    return entropy_penalty(model) * (n_weights * math.log(2) / n_images)


def layer_bits(layer: WeightedLayer) -> Tensor:
    """Estimated bits of all weights of one layer."""
    return _interpolated_cost(_positions(layer)).sum()


def _positions(layer: WeightedLayer) -> Tensor:
    """Where each weight stands on a line on which neighbouring codes lie 1 apart."""
    weight, restriction = moving_weight(layer), weight_format(layer)
    grid = restriction.grid
    if isinstance(grid, Codebook):
        return grid.codes.float()
    if restriction.mask is not None:
        weight = weight * restriction.mask
    if not isinstance(grid, Affine):
        return _exponents(weight)
    scale, offset = grid.broadcast(weight)
    steps = weight / scale
    if grid.bits == 1:
        return steps.clamp(-1, 1)
    return steps.clamp(grid.low - offset, grid.high - offset)


def _exponents(weight: Tensor) -> Tensor:
    """Signed binary logarithms: +-1 up to a millionth of the root mean square, 1 more for each doubling; 0 for 0."""
    smallest = 2.0**-20 * weight.detach().square().mean().sqrt().clamp(min=torch.finfo(torch.float32).tiny)
    return torch.sign(weight) * torch.log2((weight.abs() / smallest).clamp(min=1) + 1)


def _interpolated_cost(position: Tensor) -> Tensor:
    """-log2 of how often the codes on both sides occur, in the middle between them as near as each is."""
    flat = position.flatten()
    base = flat.detach().floor()
    share = flat - base
    low = int(base.min())
    index = (base - low).to(torch.int64)
    counts = _soft_counts(index, share.detach())
    cost = -torch.log2(counts / counts.sum())
    return cost[index] * (1 - share) + cost[index + 1] * share


def _soft_counts(index: Tensor, share: Tensor) -> Tensor:
    """Each weight counts for the code below and the code above it; half a count more keeps all above zero."""
    size = int(index.max()) + 2
    below = torch.bincount(index, weights=1 - share, minlength=size)
    return below + torch.bincount(index + 1, weights=share, minlength=size) + 0.5


# --- rounding for few bits ---------------------------------------------------------------------------------------

SWEEPS = 4
"""How often every code is chosen anew, with the bits that codes take after the time before: twice takes 5 % more."""


def round_for_rate(problem: Problem, levels: Tensor, codes: Tensor, price: float, watch: Watch = SILENT) -> Tensor:
    """Indices of levels that minimise the problem's error plus `price` for each bit; groups x outputs x features.

    `levels` (groups x outputs x k) are the values a weight may take and `codes` their indices so far. Each
    weight in turn gets the level that is best given all others: rate-distortion optimised quantization (Sullivan
    and Wiegand, 1998), here against the layer's answers rather than its weights, so that later weights make
    up for what earlier ones lose. Bits are read off how often each level is used.
    """
    codes = codes.clone()
    for _ in range(SWEEPS):
        costs = price * _bits_of_levels(codes, levels.shape[2])
        slope = (levels.gather(2, codes) - problem.target) @ problem.hessian
        for start in range(0, codes.shape[2], BLOCK):
            watch.check()
            block, behind = slice(start, start + BLOCK), slice(start + BLOCK, None)
            before = levels.gather(2, codes[:, :, block])
            _choose(_part(problem, block), levels, costs, codes[:, :, block], slope[:, :, block])
            moved = levels.gather(2, codes[:, :, block]) - before
            slope[:, :, behind] += moved @ problem.hessian[:, block, behind]
    return codes


def _part(problem: Problem, block: slice) -> Problem:
    """The problem of some features, the others fixed."""
    mask = None if problem.mask is None else problem.mask[:, :, block]
    return Problem(problem.hessian[:, block, block], problem.target[:, :, block], mask)


def _choose(problem: Problem, levels: Tensor, costs: Tensor, codes: Tensor, slope: Tensor) -> None:
    """Change codes in place, and half the derivative of the error, `slope`, with them."""
    for k in range(codes.shape[2]):
        row = problem.hessian[:, None, k]
        curvature = row[:, :, k, None]
        old = levels.gather(2, codes[:, :, k, None])
        best = old - slope[:, :, k, None] / curvature
        chosen = (curvature * (levels - best).square() + costs).argmin(2, keepdim=True)
        if problem.mask is not None:
            chosen = torch.where(problem.mask[:, :, k, None], chosen, codes[:, :, k, None])
        slope += (levels.gather(2, chosen) - old) * row
        codes[:, :, k] = chosen[:, :, 0]


def best_step(curvature: Tensor, price: float) -> float:
    """The step of a uniform grid on which error and bits are in balance, at `price` for each bit.

    `curvature` is the problem's matrix (groups x features x features). Rounding to steps of d loses d^2 / 12 of
    curvature for each weight; a bit more for each weight halves the steps and so saves three quarters of that.
    As later weights make up for earlier ones, what counts of the matrix is the mean logarithm of what is left of
    each weight's curvature: the diagonal of its Cholesky factor.
    """
    factor = torch.linalg.cholesky(curvature.double())
    left = factor.diagonal(dim1=1, dim2=2).log().mean().mul(2).exp()
    return math.sqrt(6 * price / (math.log(2) * float(left)))


def _bits_of_levels(codes: Tensor, k: int) -> Tensor:
    counts = torch.bincount(codes.flatten(), minlength=k) + 0.5
    return -torch.log2(counts / counts.sum())
