"""Which weights of a layer matter to its output, and how the others make up for them.

The optimal brain surgeon (Hassibi and Stork, 1993) for the squared error of one layer, row by row, as in Frantar,
Singh and Alistarh, "Optimal Brain Compression" (2022): with H the products of the layer's inputs, removing weight p
costs w_p^2 / (2 [H^-1]_pp), moves the others by -H^-1_:p w_p / [H^-1]_pp, and takes p out of H^-1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from compression.engine.primitives.least_squares import chunks_of_rows, masked_parts, masked_solve, places_in_use
from compression.engine.primitives.patterns import GROUP
from compression.watch import SILENT, Watch

LAZY_COLUMNS = 32
"""Removals that are remembered as columns before they are multiplied into the inverses, which is costly to do often."""

COMPACT_BELOW = 0.8
"""Share of positions still there at which the others are dropped: copying pays when enough are gone."""

EXACT_WORK = 1.5e10
"""Rows x features^3 up to which a layer is done exactly: seconds. Only the 800 x 500 layer of LeNet-5 and the first
one of LeNet-300 are larger."""

SCREENED_WORK = 1e9
"""What is left to be done exactly of a larger layer. With 1.5e10 LeNet-5 takes twice as long at 95 %, for the same
validation accuracy."""


def removal_costs(
    weight: Tensor, gram: Tensor, mask: Tensor, *, block: int = 1, per_four: int | None = None, watch: Watch = SILENT
) -> Tensor:
    """What removing each weight costs when it is its turn, rows x features; -1 where the mask has removed it already.

    `weight` and `mask` (True where there is a weight) are rows x features, and `gram` (features x features) is the
    rows' common H. From each row one weight after another goes, always the one that costs least, and the
    others make up for it. The cost is half the squared error that a removal adds, or that of an earlier removal
    if that was larger: then taking all weights below any cost takes them in that order. With `block` that
    many neighbouring weights go together and have one cost. With `per_four` at most that many of every four
    neighbouring weights go, and the others cost infinity. Both need a multiple of four features.

    Exact, like the original: the inverses of all rows are downdated after each removal. Only the arithmetic is
    arranged otherwise: as a Cholesky factorization of H^-1 with each row's own pivots, in which a column is
    computed when it is needed, and 32 columns at a time are multiplied into what is left. Where rows x features^3
    exceeds `EXACT_WORK`, the weights that alone would cost least go first, all at once, until `SCREENED_WORK` is left.
    """
    costs = torch.where(mask, torch.inf, -1.0)
    mask = mask.clone()
    if len(weight) * weight.shape[1] ** 3 > EXACT_WORK:
        weight = _screen(weight, gram, mask, costs, block=block, per_four=per_four)
    for rows in chunks_of_rows(mask):
        watch.check()
        state = _State(weight[rows], gram, mask[rows], block, per_four)
        while state.steps_left > 0:
            watch.check()
            state.remove_some()
        costs[rows] = torch.where(mask[rows], state.costs(), costs[rows])
    return costs


def _screen(weight: Tensor, gram: Tensor, mask: Tensor, costs: Tensor, *, block: int, per_four: int | None) -> Tensor:
    """Remove the cheapest weights of a large layer at once: `mask` and `costs` change in place.

    Each costs what it would cost alone. Returns the weights after the others have made up for the loss.
    """
    rows, features = weight.shape
    alone = torch.where(mask, weight.square() / (2 * torch.linalg.inv(gram).diagonal()).float(), -1)
    if per_four is not None:
        gone = _ranks(alone.reshape(rows, -1, GROUP)) < per_four
    else:
        limit = int((SCREENED_WORK / rows) ** (1 / 3))
        alone = alone.reshape(rows, -1, block).sum(2, keepdim=True).expand(-1, -1, block)
        gone = (_ranks(alone[:, :, 0]) < (features - limit) // block)[:, :, None].expand(-1, -1, block)
    gone = gone.reshape(rows, features) & mask
    costs[gone] = alone.reshape(rows, features)[gone]
    mask &= ~gone
    return masked_solve(gram[None], (weight.double() @ gram)[None], mask[None])[0]


def _ranks(values: Tensor) -> Tensor:
    """Place of each value in the order of its row (the last dimension), from 0 for the smallest."""
    return values.argsort(dim=-1, stable=True).argsort(dim=-1)


class _State:
    """Some rows on their way: what is left of their weights, inverses and places (blocks; without any, weights)."""

    def __init__(self, weight: Tensor, gram: Tensor, mask: Tensor, block: int, per_four: int | None) -> None:
        self.block = block
        alive = mask.reshape(len(mask), -1, block).any(2)
        self.places, self.free = places_in_use(alive)
        members = self._members(self.places)
        real = mask.gather(1, members)
        self.weight = weight.gather(1, members).float() * real
        self.inverse = _inverses(gram, members, real)
        self.quota = None if per_four is None else per_four - (~mask).reshape(len(mask), -1, GROUP).sum(2)
        left = alive if self.quota is None else self.quota.clamp(min=0)
        self.steps_left = int(left.sum(1).max())
        self.found = torch.full(alive.shape, torch.inf)
        self.highest = torch.zeros(len(alive), 1)

    def costs(self) -> Tensor:
        """Rows x features, infinity for what has not been removed."""
        return self.found.repeat_interleave(self.block, 1)

    def remove_some(self) -> None:
        """As many removals as are remembered as columns; then multiply them in and drop what is gone."""
        rows, count = self.places.shape
        steps = min(self.steps_left, LAZY_COLUMNS // self.block)
        factor = self.weight.new_zeros(rows, steps * self.block, count * self.block)
        pivots = self._diagonal_blocks()
        for step in range(steps):
            self._remove_one(factor, step * self.block, pivots)
        self.steps_left -= steps
        if self.steps_left > 0:
            self.inverse = torch.baddbmm(self.inverse, factor.mT, factor, alpha=-1)
            self._compact()

    def _remove_one(self, factor: Tensor, done: int, pivots: Tensor) -> None:
        """The cheapest place of each row; `factor` gets its columns, and rows that are through get zeros."""
        size = self.block
        losses = _removal_losses(pivots, self.weight.reshape(len(self.weight), -1, size))
        losses[~self._allowed()] = torch.inf
        loss, best = losses.min(1, keepdim=True)
        members, known = self._members(best), factor[:, :done]
        columns = self.inverse.gather(1, members[:, :, None].expand(-1, -1, self.inverse.shape[2]))
        columns = columns - known.gather(2, members[:, None, :].expand(-1, done, -1)).mT @ known
        half = _inverse_factor(columns.gather(2, members[:, None, :].expand(-1, size, -1)))
        new = (half @ columns) * (loss < torch.inf)[:, :, None]
        factor[:, done : done + size] = new
        self.weight = self.weight - ((half @ self.weight.gather(1, members)[:, :, None]).mT @ new)[:, 0]
        parts = new.reshape(len(new), size, -1, size)
        pivots -= (parts[..., :, None] * parts[..., None, :]).sum(1)
        self._record(best, loss)

    def _allowed(self) -> Tensor:
        return self.free if self.quota is None else self.free & (self.quota.gather(1, self.places // GROUP) > 0)

    def _record(self, best: Tensor, loss: Tensor) -> None:
        """A cost is no lower than those before it; a row that is through writes nothing down."""
        place, removed = self.places.gather(1, best), loss < torch.inf
        self.highest = torch.where(removed, torch.maximum(self.highest, loss), self.highest)
        self.found.scatter_(1, place, torch.where(removed, self.highest, self.found.gather(1, place)))
        self.free.scatter_(1, best, self.free.gather(1, best) & ~removed)
        if self.quota is not None:
            self.quota.scatter_add_(1, place // GROUP, -removed.long())

    def _members(self, places: Tensor) -> Tensor:
        """The positions of each place's weights, rows x (places x block)."""
        return (places[:, :, None] * self.block + torch.arange(self.block)).flatten(1)

    def _diagonal_blocks(self) -> Tensor:
        """Rows x places x block x block."""
        rows, count = self.places.shape
        blocks: Tensor = self.inverse.reshape(rows, count, self.block, count, self.block).diagonal(dim1=1, dim2=3)
        return blocks.permute(0, 3, 1, 2).contiguous()

    def _compact(self) -> None:
        """Forget removed places, once enough of them are gone."""
        count = int(self.free.sum(1).max())
        if count > COMPACT_BELOW * self.free.shape[1]:
            return
        rows = torch.arange(len(self.free))[:, None]
        stay = torch.argsort((~self.free).to(torch.uint8), dim=1, stable=True)[:, :count]
        self.places, self.free = self.places.gather(1, stay), self.free.gather(1, stay)
        members = self._members(stay)
        self.weight = self.weight.gather(1, members)
        some = self.inverse[rows, members].mT.contiguous()
        self.inverse = some[rows, members]  # symmetric: columns are gathered as rows, which lie together in memory


def _inverses(gram: Tensor, members: Tensor, real: Tensor) -> Tensor:
    """Inverse of each row's part of `gram`, rows x n x n, float32; the identity where a row has nothing."""
    if members.shape[1] == len(gram) and bool(real.all()):
        common: Tensor = torch.linalg.inv(gram)
        return common.float().expand(len(members), -1, -1)
    parts = masked_parts(gram.float()[None], torch.zeros(len(members), dtype=torch.int64), members, real)
    inverses: Tensor = torch.cholesky_inverse(torch.linalg.cholesky(parts))
    return inverses


def _removal_losses(pivots: Tensor, weight: Tensor) -> Tensor:
    """Half of w P^-1 w for each block: pivots ... x n x n, weight ... x n, by forward substitution written out."""
    size = weight.shape[-1]
    lower: dict[tuple[int, int], Tensor] = {}
    solved: list[Tensor] = []
    for i in range(size):
        for j in range(i):
            known = sum((lower[i, k] * lower[j, k] for k in range(j)), torch.zeros(()))
            lower[i, j] = (pivots[..., i, j] - known) / lower[j, j]
        rest = pivots[..., i, i] - sum((lower[i, k].square() for k in range(i)), torch.zeros(()))
        lower[i, i] = rest.clamp(min=torch.finfo(rest.dtype).tiny).sqrt()
        solved.append(
            (weight[..., i] - sum((lower[i, k] * solved[k] for k in range(i)), torch.zeros(()))) / lower[i, i]
        )
    return sum((value.square() for value in solved), torch.zeros(())) / 2


def _inverse_factor(pivot: Tensor) -> Tensor:
    """U with U^T U = pivot^-1, rows x n x n; a pivot that rounding made singular counts as its diagonal."""
    if pivot.shape[-1] == 1:
        return pivot.clamp(min=torch.finfo(pivot.dtype).tiny).rsqrt()
    lower, failed = torch.linalg.cholesky_ex(pivot)
    diagonal = torch.diag_embed(pivot.diagonal(dim1=1, dim2=2).clamp(min=torch.finfo(pivot.dtype).tiny).sqrt())
    lower = torch.where((failed > 0)[:, None, None], diagonal, lower)
    factor: Tensor = torch.linalg.solve_triangular(lower, torch.eye(pivot.shape[-1]).expand_as(lower), upper=False)
    return factor
