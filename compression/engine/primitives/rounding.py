"""Which code each weight gets, so that a layer's answers change least: no labels, no training.

A layer with inputs `x` (rows x features) should answer `y`. For each output, with weights `w`, the squared error
is a quadratic form,

    |y - x w|^2 = (w - t)' H (w - t) + constant,      H = x'x,      t = H^-1 x'y,

so that everything there is to know about the images stands in `H` and `t`. Where the layer has a bias, `x` and
`y` are centred: the bias takes up whatever rounding does to the mean. GPTQ (Frantar et al., 2023) goes over the
features once. AdaRound (Nagel et al., 2020) minimises the same error by gradient descent over soft roundings; here
coordinate descent over the integers does, which needs no step size and never makes it worse, and takes turns with
the scale, whose best value is known in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from compression.engine.network.form import WeightedLayer, weight_format
from compression.engine.network.grids import Affine, storable_scale
from compression.engine.primitives.affine import fit_affine
from compression.watch import SILENT, Watch

DAMPING = 1e-2
"""Added to the diagonal of `H`, relative to its mean (Frantar et al., 2023)."""

BLOCK = 32
"""Features after which the remaining ones learn of what was done: as one matrix product, which is fast."""

ROWS_AT_ONCE = 512
"""Rows that products are summed over at once: of a depthwise layer they then stay in the cache, where the few features
of one group lie far apart from row to row (twice as fast on MobileNet's layers); other layers do not mind."""

TURNS = 3
"""How often codes and scales take turns; later turns change little."""

SWEEPS = 2
"""Passes over all features in each turn."""


@dataclass(frozen=True)
class Problem:
    """What rounding one layer should minimise, for all groups of its outputs.

    `hessian` is groups x features x features, damped; `target` is groups x outputs x features; `mask` (like
    `target`) is True where a weight may differ from zero.
    """

    hessian: Tensor
    target: Tensor
    mask: Tensor | None = None

    def error(self, weight: Tensor) -> Tensor:
        """The quadratic form for each output, groups x outputs; `weight` is groups x outputs x features."""
        difference = weight - self.target
        return ((difference @ self.hessian) * difference).sum(2)

    def masked(self, codes: Tensor, columns: slice = slice(None)) -> Tensor:
        """Zeros where the mask is False; `codes` is groups x outputs x those columns."""
        return codes if self.mask is None else codes * self.mask[:, :, columns]


@dataclass(frozen=True)
class Levels:
    """An `Affine` grid in the layout of a `Problem`: scale and bounds are groups x outputs x 1."""

    scale: Tensor
    low: Tensor
    high: Tensor
    is_binary: bool

    def nearest(self, weight: Tensor) -> Tensor:
        """Steps from zero to the nearest level, groups x outputs x any; whole numbers in floating point."""
        if self.is_binary:
            return torch.where(weight < 0, -1.0, 1.0)
        return torch.minimum(torch.maximum(torch.round(weight / self.scale), self.low), self.high)


def layer_problem(layer: WeightedLayer, inputs: Tensor, answers: Tensor) -> Problem:
    """The problem of a layer from inputs (groups x rows x features) and what it should answer (... x outputs)."""
    groups, _, features = inputs.shape
    weight = layer.weight.detach().reshape(groups, -1, features)
    mask = weight_format(layer).mask
    hessian, cross = _products(inputs, answers, weight, centred=layer.bias is not None)
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    diagonal += DAMPING * diagonal.mean(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    change = torch.cholesky_solve(cross, torch.linalg.cholesky(hessian)).mT.float()
    return Problem(hessian.float(), weight + change, None if mask is None else mask.reshape(weight.shape))


def _products(inputs: Tensor, answers: Tensor, weight: Tensor, *, centred: bool) -> tuple[Tensor, Tensor]:
    """Sums over rows of inputs x inputs and of inputs x what `weight` lacks; groups x features x ..., float64."""
    mean_x, mean_y = (rows.mean(1, keepdim=True) if centred else 0 for rows in (inputs, answers))
    groups, _, features = inputs.shape
    hessian = torch.zeros(groups, features, features)
    cross = torch.zeros(groups, features, answers.shape[2])
    for part, answered in zip(*(torch.split(rows, ROWS_AT_ONCE, 1) for rows in (inputs, answers)), strict=True):
        x = (part - mean_x).contiguous()
        hessian.baddbmm_(x.mT, x)
        cross.baddbmm_(x.mT, answered - mean_y - x @ weight.mT)
    return hessian.double(), cross.double()


def round_layer(
    problem: Problem,
    shape: torch.Size,
    bits: int,
    *,
    per_channel: bool,
    symmetric: bool,
    descent: bool,
    watch: Watch = SILENT,
) -> tuple[Affine, Tensor]:
    """A grid and the weights on it that minimise the problem's error; `shape` is that of the layer's weight.

    Codes come from GPTQ on a grid clipped for the least squared error; scales are then fitted to the codes, and
    with `descent` codes and scales take turns.
    """
    target = problem.masked(problem.target)
    mask = None if problem.mask is None else problem.mask.reshape(shape)
    grid = fit_affine(target.reshape(shape), bits, per_channel=per_channel, symmetric=symmetric, mask=mask)
    levels = levels_of(grid, problem)
    codes = gptq(problem, levels, watch)
    levels = best_scale(problem, codes, levels, per_channel=per_channel)
    for _ in range(TURNS if descent else 0):
        codes = descend(problem, levels, codes, watch)
        levels = best_scale(problem, codes, levels, per_channel=per_channel)
    scale = levels.scale.flatten()[: grid.scale.numel()]
    return replace(grid, scale=scale), (codes * levels.scale).reshape(shape)


def levels_of(grid: Affine, problem: Problem) -> Levels:
    """The grid's steps below and above zero, for each output."""
    groups, outputs, _ = problem.target.shape

    def spread(values: Tensor) -> Tensor:
        return values.expand(groups * outputs).reshape(groups, outputs, 1)

    zero_point = spread(grid.zero_point).float()
    return Levels(spread(grid.scale), grid.low - zero_point, grid.high - zero_point, grid.bits == 1)


def gptq(problem: Problem, levels: Levels, watch: Watch = SILENT) -> Tensor:
    """Round feature by feature; features not rounded yet make up for the error (Frantar et al., GPTQ, 2023).

    Optimal brain quantization in a fixed order, with the Cholesky factor of the inverse of `H`. Masked weights
    become zero, which the others make up for as well. Returns codes: groups x outputs x features.
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(problem.hessian.double()))
    factor = torch.linalg.cholesky(inverse, upper=True).float()
    weight, codes = problem.target.clone(), torch.empty_like(problem.target)
    for start in range(0, weight.shape[2], BLOCK):
        watch.check()
        block = slice(start, start + BLOCK)
        local, part = weight[:, :, block], factor[:, block, block]
        errors = torch.empty_like(local)
        for k in range(local.shape[2]):
            column = slice(start + k, start + k + 1)
            code = problem.masked(levels.nearest(local[:, :, k : k + 1]), column)
            error = (local[:, :, k : k + 1] - code * levels.scale) / part[:, None, k : k + 1, k]
            local -= error * part[:, None, k]
            codes[:, :, column], errors[:, :, k : k + 1] = code, error
        weight[:, :, start + BLOCK :] -= errors @ factor[:, block, start + BLOCK :]
    return codes


def descend(problem: Problem, levels: Levels, codes: Tensor, watch: Watch = SILENT) -> Tensor:
    """Set each weight in turn to the best code given all others; the error never rises. Returns new codes."""
    codes = codes.clone()
    for _ in range(SWEEPS):
        slope = (codes * levels.scale - problem.target) @ problem.hessian
        before = codes.clone()
        for start in range(0, codes.shape[2], BLOCK):
            watch.check()
            block = slice(start, start + BLOCK)
            moved = _descend_block(problem, levels, codes, slope[:, :, block], block)
            slope[:, :, start + BLOCK :] += moved @ problem.hessian[:, block, start + BLOCK :]
        if torch.equal(before, codes):
            break
    return codes


def _descend_block(problem: Problem, levels: Levels, codes: Tensor, slope: Tensor, block: slice) -> Tensor:
    """Change the codes of one block in place; returns how far the weights moved: groups x outputs x block."""
    before = codes[:, :, block].clone()
    part = problem.hessian[:, block, block]
    for k in range(slope.shape[2]):
        column = slice(block.start + k, block.start + k + 1)
        old = codes[:, :, column]
        best = old * levels.scale - slope[:, :, k : k + 1] / part[:, None, k : k + 1, k]
        new = problem.masked(levels.nearest(best), column)
        slope += ((new - old) * levels.scale) * part[:, None, k]
        codes[:, :, column] = new
    return (codes[:, :, block] - before) * levels.scale


def best_scale(problem: Problem, codes: Tensor, levels: Levels, *, per_channel: bool) -> Levels:
    """The levels with the scale of least error for these codes: (c'H t) / (c'H c), in its short form."""
    product = codes @ problem.hessian
    above, below = (product * problem.target).sum(2, keepdim=True), (product * codes).sum(2, keepdim=True)
    if not per_channel:
        above, below = above.sum().expand_as(above), below.sum().expand_as(below)
    fitted = above / below.clamp(min=torch.finfo(torch.float32).tiny)
    scale = torch.where((above > 0) & (below > 0), fitted, levels.scale)
    return replace(levels, scale=storable_scale(scale))
