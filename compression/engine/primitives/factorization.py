"""Write a layer as a chain of thinner layers whose answers, on the data, differ least.

All errors are weighted with the inputs that the layer gets: a factorization minimizes ||(W - W')x||² over
images instead of ||W - W'||². For a matrix that is reduced-rank regression: the outputs are projected onto
their leading principal directions (Zhang et al., "Accelerating very deep convolutional networks", 2016,
section 3.1), which equals the truncated SVD of W C^(1/2), C being the inputs' covariance.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

HOOI_ROUNDS = 3
"""Alternations between the two sides of a Tucker-2 factorization; further ones change errors by less than 1 %."""


def matrix_factors(weight: Tensor, gram: Tensor, rank: int) -> list[Tensor]:
    """The best product of two matrices, rank x features and outputs x rank, for `weight` (outputs x features).

    `gram` is the inputs' second moment (features x features). The second factor's columns are orthonormal.
    """
    basis = _leading(weight @ gram @ weight.mT, rank)
    return [basis.mT @ weight, basis]


def tucker_factors(weight: Tensor, gram: Tensor, rank_in: int, rank_out: int) -> list[Tensor]:
    """Tucker-2 of a kernel (outputs x inputs x height x width): 1 x 1 in, a small core, 1 x 1 out (Kim et al., 2016).

    `gram` is the second moment of patches, in the order of the flattened kernel. Starts from the truncated
    SVDs of both unfoldings (HOSVD) and alternates between the sides (HOOI; De Lathauwer et al., 2000). For
    given input directions the core and the output directions are the exact optimum; the input directions
    are chosen as if all positions of the kernel saw inputs of the same covariance. A side of full rank gets no
    factor of its own.
    """
    outputs, inputs, *kernel = weight.shape
    reduces_in, reduces_out = rank_in < inputs, rank_out < outputs
    basis = torch.eye(outputs, dtype=weight.dtype)
    for _ in range(HOOI_ROUNDS if reduces_in and reduces_out else 1):
        reduction = torch.eye(inputs, dtype=weight.dtype)
        if reduces_in:
            reduction = _input_directions(torch.tensordot(basis.mT, weight, dims=1), gram, rank_in)
        fitted, inner = _fit_behind(weight, gram, reduction)
        if reduces_out:
            basis = _leading(fitted @ inner @ fitted.mT, rank_out)
    core = (basis.mT @ fitted).reshape(-1, len(reduction), *kernel)
    first = [reduction[:, :, None, None]] if reduces_in else []
    last = [basis[:, :, None, None]] if reduces_out else []
    return [*first, core, *last]


def spatial_factors(weight: Tensor, gram: Tensor, rank: int) -> list[Tensor]:
    """A column and then a row for a kernel: rank x inputs x height x 1, outputs x rank x 1 x width.

    Jaderberg et al. (2014), in closed form (Tai et al., 2016): the truncated SVD of the rearranged kernel
    chooses the columns, as if all columns of a patch had the same covariance; the rows then are the exact
    least-squares fit.
    """
    outputs, inputs, height, width = weight.shape
    matrix, column_gram = _columns(weight, gram)
    columns = _row_space(matrix, column_gram, rank).reshape(rank, inputs, height)
    patches = gram.reshape(inputs, height, width, inputs, height, width)
    half = torch.einsum("riy,iyxjzw->rxjzw", columns, patches)
    inner = torch.einsum("rxjzw,sjz->rxsw", half, columns).reshape(rank * width, -1)
    cross = torch.einsum("ojzw,rxjzw->orx", weight, half).reshape(outputs, -1)
    rows = _solve(inner, cross).reshape(outputs, rank, 1, width)
    return [columns[..., None], rows]


def separable_factors(weight: Tensor, gram: Tensor, rounds: int) -> list[Tensor]:
    """A depthwise and a pointwise kernel for a kernel: inputs x 1 x height x width, outputs x inputs x 1 x 1.

    Starts from the best rank-1 approximation of each input channel's filters; then, in turns, each of the
    two is fitted by least squares to the kernel's answers while the other stays.
    """
    outputs, inputs, *kernel = weight.shape
    filters = weight.reshape(outputs, inputs, -1)
    patches = gram.reshape(inputs, filters.shape[2], inputs, -1)
    answers = (weight.reshape(outputs, -1) @ gram).reshape(filters.shape)
    depthwise = torch.linalg.svd(filters.transpose(0, 1), full_matrices=False).Vh[:, 0]
    pointwise = _fit_pointwise(depthwise, patches, answers)
    for _ in range(rounds):
        depthwise = _fit_depthwise(pointwise, patches, answers)
        pointwise = _fit_pointwise(depthwise, patches, answers)
    return [depthwise.reshape(inputs, 1, *kernel), pointwise[:, :, None, None]]


def matrix_spectrum(weight: Tensor, gram: Tensor) -> Tensor:
    """Relative squared error of `matrix_factors` at rank 0, 1, ... full: 1 falling to 0."""
    return _tails(torch.linalg.eigvalsh(weight @ gram @ weight.mT).flip(0))


def tucker_spectra(weight: Tensor, gram: Tensor) -> tuple[Tensor, Tensor]:
    """What each rank of the input and of the output side costs alone; their sum bounds HOSVD's error."""
    matrix, channel_gram = _unfold_inputs(weight, gram)
    inputs = _tails(torch.linalg.svdvals(_root(channel_gram).mT @ matrix).square())
    return inputs, matrix_spectrum(weight.flatten(1), gram)


def spatial_spectrum(weight: Tensor, gram: Tensor) -> Tensor:
    """Relative squared error of the rearranged kernel at rank 0, 1, ... full."""
    matrix, column_gram = _columns(weight, gram)
    return _tails(torch.linalg.svdvals(_root(column_gram).mT @ matrix).square())


def composed(factors: Sequence[Tensor]) -> Tensor:
    """The one kernel that a chain of kernels amounts to; of two neighbours, one is 1 long in each direction."""
    result = factors[0]
    for factor in factors[1:]:
        product = torch.einsum("hiab,ohcd->oiacbd", result, factor)
        outputs, inputs, a, c, b, d = product.shape
        result = product.reshape(outputs, inputs, a * c, b * d)
    return result


def balanced(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The same product with equal norms on both sides of each hidden channel.

    `first` is hidden x ..., `second` outputs x hidden x ...; gradient descent keeps such a balance, and
    neither side's training drowns the other's.
    """
    norm_in = first.flatten(1).norm(dim=1)
    norm_out = second.transpose(0, 1).flatten(1).norm(dim=1)
    scale = torch.where((norm_in > 0) & (norm_out > 0), (norm_out / norm_in).sqrt(), 1.0)
    return first * _shaped(scale, first, 0), second / _shaped(scale, second, 1)


def _shaped(scale: Tensor, like: Tensor, dim: int) -> Tensor:
    return scale.reshape([-1 if index == dim else 1 for index in range(like.dim())])


def _leading(symmetric: Tensor, count: int) -> Tensor:
    """Eigenvectors of the `count` largest eigenvalues, as columns, each with its largest entry positive."""
    vectors = torch.linalg.eigh(symmetric).eigenvectors[:, -count:].flip(1)
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    signed: Tensor = vectors * largest.sign()
    return signed


def _root(gram: Tensor) -> Tensor:
    factor: Tensor = torch.linalg.cholesky(gram)
    return factor


def _solve(inner: Tensor, cross: Tensor) -> Tensor:
    """The product cross inner⁻¹, for symmetric `inner` of full or nearly full rank."""
    floor = inner.diagonal().mean() * 1e-12  # directions that the ridge on `gram` leaves near zero
    regular = inner + floor * torch.eye(len(inner), dtype=inner.dtype)
    solution: Tensor = torch.linalg.solve(regular, cross.mT)
    return solution.mT


def _row_space(matrix: Tensor, gram: Tensor, rank: int) -> Tensor:
    """Orthonormal rows (rank x features) of the best rank-`rank` map from features to the columns of `matrix`.

    `matrix` is features x outputs, `gram` the features' second moment.
    """
    right = torch.linalg.svd(_root(gram).mT @ matrix, full_matrices=False).Vh[:rank]
    rows: Tensor = torch.linalg.qr(matrix @ right.mT).Q.mT
    return rows


def _unfold_inputs(weight: Tensor, gram: Tensor) -> tuple[Tensor, Tensor]:
    """The kernel as inputs x (outputs, positions), and the inputs' second moment over all positions."""
    inputs = weight.shape[1]
    patches = gram.reshape(inputs, weight[0, 0].numel(), inputs, -1)
    return weight.transpose(0, 1).flatten(1), torch.einsum("ikjk->ij", patches)


def _input_directions(weight: Tensor, gram: Tensor, rank: int) -> Tensor:
    """Rows (rank x inputs) onto which the inputs of a kernel can be projected at the least cost."""
    return _row_space(*_unfold_inputs(weight, gram), rank)


def _fit_behind(weight: Tensor, gram: Tensor, reduction: Tensor) -> tuple[Tensor, Tensor]:
    """The best kernel (outputs x features) behind a projection of the inputs, and the projected patches' moment."""
    outputs, inputs = weight.shape[:2]
    area = weight[0, 0].numel()
    half = torch.einsum("qi,iajb->qajb", reduction, gram.reshape(inputs, area, inputs, area))
    inner = torch.einsum("qajb,sj->qasb", half, reduction).reshape(len(reduction) * area, -1)
    cross = torch.einsum("ojb,qajb->oqa", weight.reshape(outputs, inputs, area), half).reshape(outputs, -1)
    return _solve(inner, cross), inner


def _columns(weight: Tensor, gram: Tensor) -> tuple[Tensor, Tensor]:
    """The kernel as (inputs, height) x (outputs, width), and the second moment of a patch's columns."""
    _, inputs, height, width = weight.shape
    patches = gram.reshape(inputs, height, width, inputs, height, width)
    column_gram = torch.einsum("iyxjzx->iyjz", patches).reshape(inputs * height, -1)
    return weight.permute(1, 2, 0, 3).reshape(inputs * height, -1), column_gram


def _fit_pointwise(depthwise: Tensor, patches: Tensor, answers: Tensor) -> Tensor:
    """Least squares for outputs x inputs, given inputs x positions."""
    inner = torch.einsum("ia,iajb,jb->ij", depthwise, patches, depthwise)
    return _solve(inner, torch.einsum("oia,ia->oi", answers, depthwise))


def _fit_depthwise(pointwise: Tensor, patches: Tensor, answers: Tensor) -> Tensor:
    """Least squares for inputs x positions, given outputs x inputs."""
    inner = (pointwise.mT @ pointwise)[:, None, :, None] * patches
    wanted = torch.einsum("oi,oia->ia", pointwise, answers)
    return _solve(inner.reshape(wanted.numel(), -1), wanted.reshape(1, -1)).reshape(wanted.shape)


def _tails(energies: Tensor) -> Tensor:
    """Share of the energy that is lost when only the first 0, 1, ... n components stay."""
    kept = torch.cat([energies.new_zeros(1), energies.clamp(min=0).cumsum(0)])
    return (1 - kept / kept[-1].clamp(min=torch.finfo(energies.dtype).tiny)).clamp(min=0)
