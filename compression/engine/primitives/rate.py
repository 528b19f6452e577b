"""What weights cost in the stored file: as a number that training can lower, and as a reason to round otherwise.

For training the cost of a layer is that of its codes under a distribution that falls off on both sides of zero, which
is fitted to them: a discrete Laplace distribution (Inusah and Kozubowski, 2006), or, where more codes are zero than
that has, zeros apart and geometrically distributed magnitudes. Between two codes it is interpolated. So its gradient
always leads to zero, the harder the fewer weights there are that are not. (The codes' histogram, which the coder of
the file pays by, has valleys elsewhere, from which no weight gets out.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from compression.engine.network.form import WeightedLayer, moving_codes, moving_weight, weight_format, weighted_layers
from compression.engine.network.grids import Affine, Codebook
from compression.engine.primitives.rounding import BLOCK, Problem
from compression.watch import SILENT, Watch


def entropy_penalty(model: nn.Module) -> Tensor:
    """Estimated bits a weight of all convolutions and linear layers together; a scalar with gradient.

    Works inside `network.restricted`, where the gradient reaches the hidden weights and learned scales. For floats,
    whose low bits no coder can save, sign and binary exponent count. The codes of a `Codebook` do not change in
    training, and those of one bit cannot be cheaper: they have no gradient.
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
    """Estimated bits of all weights of one layer; without a gradient where they are the same whatever the weights."""
    restriction = weight_format(layer)
    grid, weight = restriction.grid, moving_weight(layer)
    if isinstance(grid, Codebook) or restriction.bits == 1:
        return torch.tensor(float(restriction.bits * weight.numel()), device=weight.device)
    positions = moving_codes(layer, grid) if isinstance(grid, Affine) else _exponents(weight)
    return _cost(positions if restriction.mask is None else positions * restriction.mask).sum()


def _exponents(weight: Tensor) -> Tensor:
    """Signed binary logarithms: +-1 up to a millionth of the root mean square, 1 more for each doubling; 0 for 0."""
    smallest = 2.0**-20 * weight.detach().square().mean().sqrt().clamp(min=torch.finfo(torch.float32).tiny)
    return torch.sign(weight) * torch.log2((weight.abs() / smallest).clamp(min=1) + 1)


def _cost(positions: Tensor) -> Tensor:
    """Bits of each weight, given where they stand on a line on which neighbouring codes lie 1 apart."""
    size = positions.abs()
    first = size.clamp(max=1)
    zero, step, further = _prices(size.detach(), first.detach())
    return zero + step * first + further * (size - first)


def _prices(size: Tensor, first: Tensor) -> tuple[float, float, float]:
    """Bits of a zero, how many more of a one, and how many more for each next magnitude."""
    mean, others = (float((part.sum() + 0.5) / (part.numel() + 1)) for part in (size, first))
    ratio = (math.sqrt(1 + mean * mean) - 1) / mean
    zeros = (1 - ratio) / (1 + ratio)
    if 1 - others <= zeros:
        return -math.log2(zeros), -math.log2(ratio), -math.log2(ratio)
    tail = max(1e-6, 1 - others / mean)
    one = 1 - math.log2(others) - math.log2(1 - tail)
    zero = -math.log2(1 - others)
    return zero, one - zero, -math.log2(tail)


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
