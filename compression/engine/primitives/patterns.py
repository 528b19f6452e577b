"""Which weights stay, given how much each one matters: single weights, N of every M neighbours, whole blocks.

Neighbours are weights of one output channel that follow each other along the inputs: rows of the weight
flattened to out x features. Where the number of features is no multiple of four, the last group is shorter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from compression.engine.primitives.importance import keep_largest
from compression.recipe.steps import Across, Pattern

GROUP = 4
"""Neighbouring weights that an N:M pattern counts (Mishra et al., 2021), and the size of a block."""

KEPT_OF_FOUR: dict[Pattern, int] = {"2:4": 2, "1:4": 1}


def pattern_masks(scores: Sequence[Tensor], sparsity: float, scope: Across, pattern: Pattern) -> list[Tensor]:
    """Masks of the weights that stay: those with the largest `scores` (out x ..., one tensor a layer).

    Scores are 0 or more; -1 stands for a weight that has gone already and stays away. `global` ranks all layers
    together, `layer` each alone. A block's score is the root of its weights' mean square, and `sparsity` is then
    the fraction of blocks. N:M patterns have the sparsity that their name says. Every layer keeps at least one
    weight or block, since a layer of zeros passes nothing on.
    """
    if pattern in KEPT_OF_FOUR:
        return [_n_of_four(score, KEPT_OF_FOUR[pattern]) & (score >= 0) for score in scores]
    if pattern == "blocks":
        kept = pattern_masks([block_scores(score) for score in scores], sparsity, scope, "weights")
        return [spread_blocks(blocks, score) & (score >= 0) for blocks, score in zip(kept, scores, strict=True)]
    masks = _together(scores, sparsity) if scope == "global" else [_alone(score, sparsity) for score in scores]
    return [mask & (score >= 0) for mask, score in zip(masks, scores, strict=True)]


def masks_by_layer(
    scores: Mapping[str, Tensor], sparsity: float, own: Mapping[str, float], scope: Across, pattern: Pattern
) -> dict[str, Tensor]:
    """`pattern_masks` by layer: those in `own` have that sparsity each, and the others `sparsity` as `scope` says."""
    others = [name for name in scores if name not in own]
    shared = pattern_masks([scores[name] for name in others], sparsity, scope, pattern) if others else []
    alone = {name: pattern_masks([scores[name]], own[name], "layer", pattern) for name in scores if name in own}
    return dict(zip(others, shared, strict=True)) | {name: mask for name, (mask,) in alone.items()}


def grouped(values: Tensor, fill: float) -> Tensor:
    """Out x ... as out x groups x 4, the last group filled up."""
    rows = values.flatten(1)
    return functional.pad(rows, (0, -rows.shape[1] % GROUP), value=fill).reshape(len(rows), -1, GROUP)


def ungrouped(groups: Tensor, like: Tensor) -> Tensor:
    """Out x groups x 4 back in the shape of `like`."""
    return groups.flatten(1)[:, : like[0].numel()].reshape(like.shape)


def _alone(score: Tensor, sparsity: float) -> Tensor:
    return keep_largest(score, max(1, _kept(score.numel(), sparsity)))


def _together(scores: Sequence[Tensor], sparsity: float) -> list[Tensor]:
    """One ranking; the largest score of each layer comes first in it, so that no layer vanishes."""
    ranked = [torch.where(keep_largest(score, 1), torch.inf, score) for score in scores]
    everything = torch.cat([score.flatten() for score in ranked])
    kept = keep_largest(everything, max(len(scores), _kept(everything.numel(), sparsity)))
    parts = torch.split(kept, [score.numel() for score in scores])
    return [part.reshape(score.shape) for part, score in zip(parts, scores, strict=True)]


def _kept(n: int, sparsity: float) -> int:
    return n - round(sparsity * n)


def _n_of_four(score: Tensor, n: int) -> Tensor:
    groups = grouped(score, -2.0)  # filling loses against everything
    order = torch.argsort(groups, dim=2, descending=True, stable=True)
    return ungrouped(torch.zeros_like(groups, dtype=torch.bool).scatter_(2, order[:, :, :n], value=True), score)


def block_scores(score: Tensor) -> Tensor:
    """The root of each block's mean square, out x blocks; -1 where a whole block has gone already."""
    real = grouped(torch.ones_like(score), 0).sum(2)
    mean_square = grouped(score.clamp(min=0), 0).square().sum(2) / real
    return torch.where(grouped(score, -1).amax(2) < 0, -1, mean_square.sqrt())


def spread_blocks(blocks: Tensor, like: Tensor) -> Tensor:
    """What holds for each block (out x blocks), for each weight in the shape of `like`."""
    return ungrouped(blocks[:, :, None].expand(-1, -1, GROUP), like)
