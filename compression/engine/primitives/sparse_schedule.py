"""Masks that change while a network trains: sparsity rises, and zeros may come back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from compression.engine.network.form import WeightedLayer, moving_weight, restrict, weight_format
from compression.engine.primitives.importance import keep_largest
from compression.engine.primitives.patterns import block_scores, pattern_masks, spread_blocks
from compression.recipe.steps import Across, Pattern, Regrowth

UPDATES = 50
"""How often masks change, or after every step of the optimizer where there are fewer."""

RAMP = 0.75
"""Share of the training after which the masks are final; the rest is for the weights that stay."""

SWAPPED = 0.3
"""Share of the weights that RigL exchanges at the start of training, as in the paper (Evci et al., 2020)."""


def cubic_sparsity(initial: float, final: float, fraction: float) -> float:
    """Sparsity after `fraction` (0 to 1) of the schedule: fast at first, then slower (Zhu and Gupta, 2017)."""
    return final + (initial - final) * (1 - fraction) ** 3


class SparseSchedule:
    """Changes the masks of layers that are being trained inside `network.restricted`.

    Make it before training starts: it gives every layer a mask of its own, writes into that during training, and the
    next forward pass sees it. `sparsity` is reached after three quarters of the training, along the cubic
    schedule. What has become zero comes back with `regrowth="magnitude"` when the hidden weight below, which
    training goes on moving, is among the largest again (dynamic network surgery; Guo et al., 2016). With
    `"gradient"` a share of the smallest weights is exchanged at each change, within each layer, for the zeros
    with the largest gradients, which start from zero (RigL; Evci et al., 2020). With `"none"` zeros stay zero.
    What was masked before never comes back.
    """

    def __init__(
        self, layers: Sequence[WeightedLayer], sparsity: float, scope: Across, pattern: Pattern, regrowth: Regrowth
    ) -> None:
        self.layers, self.sparsity, self.scope, self.pattern, self.regrowth = layers, sparsity, scope, pattern, regrowth
        self.masks = [_own_mask(layer) for layer in layers]
        self.allowed = [mask.clone() for mask in self.masks]
        weights = sum(mask.numel() for mask in self.masks)
        self.initial = 1 - sum(int(mask.sum()) for mask in self.masks) / weights

    def on_step(self, step: int, steps: int) -> None:
        """After the optimizer's step number `step` (from 1) of `steps`: change the masks if it is time."""
        last = max(1, round(RAMP * steps))
        every = max(1, last // UPDATES)
        if step <= last and (step % every == 0 or step == last):
            with torch.no_grad():
                self._change(step / last)

    def _change(self, fraction: float) -> None:
        scores = [self._score(*item) for item in zip(self.layers, self.masks, self.allowed, strict=True)]
        masks = self._pruned(scores, fraction)
        if self.regrowth == "gradient" and fraction < 1:
            share = SWAPPED / 2 * (1 + math.cos(math.pi * fraction))
            masks = [self._exchange(*item, share) for item in zip(self.layers, masks, self.allowed, strict=True)]
        for mask, new in zip(self.masks, masks, strict=True):
            mask.copy_(new)

    def _score(self, layer: WeightedLayer, mask: Tensor, allowed: Tensor) -> Tensor:
        candidates = allowed if self.regrowth == "magnitude" else mask
        return torch.where(candidates, moving_weight(layer).abs(), -1)

    def _pruned(self, scores: list[Tensor], fraction: float) -> list[Tensor]:
        """Of what the final masks remove, as much as the schedule has come to, the smallest first."""
        pooled = [self._pool(score) for score in scores]
        final = pattern_masks(pooled, self.sparsity, self.scope, self._pattern_of_pooled)
        masks = final if fraction >= 1 else self._so_far(final, pooled, fraction)
        return [self._spread(mask, score) & (score >= 0) for mask, score in zip(masks, scores, strict=True)]

    def _so_far(self, final: list[Tensor], scores: list[Tensor], fraction: float) -> list[Tensor]:
        goal = max(self.sparsity, self.initial)
        share = cubic_sparsity(self.initial, goal, fraction) / goal if goal > 0 else 0.0
        if self.scope == "layer":
            return [_partly(mask, score, share) for mask, score in zip(final, scores, strict=True)]
        together = _partly(_flat(final), _flat(scores), share)
        parts = torch.split(together, [score.numel() for score in scores])
        return [part.reshape(score.shape) for part, score in zip(parts, scores, strict=True)]

    def _exchange(self, layer: WeightedLayer, mask: Tensor, allowed: Tensor, share: float) -> Tensor:
        """The mask with the places of the smallest weights given to zeros with the largest gradients."""
        weight = moving_weight(layer)
        assert weight.grad is not None
        size, gradient = (
            self._pool(torch.where(where, value.abs(), -1)) for where, value in ((mask, weight), (allowed, weight.grad))
        )
        here = size >= 0
        count = int(here.sum())
        staying = keep_largest(size, max(1, count - round(share * count)))
        scores = torch.where(staying, torch.inf, torch.where(here, 0, gradient))  # what was just given up comes last
        (fitting,) = pattern_masks([scores], 1 - count / here.numel(), "layer", self._pattern_of_pooled)
        chosen = keep_largest(torch.where(fitting, torch.inf, scores), max(count, int(fitting.sum())))
        grown = self._spread(chosen & (scores >= 0), weight) & allowed
        weight[grown & ~mask] = 0
        return grown

    @property
    def _pattern_of_pooled(self) -> Pattern:
        """Blocks are ranked as if each was a weight."""
        return "weights" if self.pattern == "blocks" else self.pattern

    def _pool(self, scores: Tensor) -> Tensor:
        return block_scores(scores) if self.pattern == "blocks" else scores

    def _spread(self, mask: Tensor, like: Tensor) -> Tensor:
        return spread_blocks(mask, like) if self.pattern == "blocks" else mask


def _own_mask(layer: WeightedLayer) -> Tensor:
    """The layer's mask as memory that nobody else holds; one that allows everything where it had none."""
    found = weight_format(layer).mask
    mask = torch.ones_like(layer.weight, dtype=torch.bool) if found is None else found.clone()
    restrict(layer, mask=mask)
    return mask


def _partly(final: Tensor, score: Tensor, share: float) -> Tensor:
    """A mask that removes only this share of what `final` removes, the smallest scores first."""
    kept = final.numel() - round(share * (final.numel() - int(final.sum())))
    return keep_largest(torch.where(final, torch.inf, score), kept) & (score >= 0)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])
