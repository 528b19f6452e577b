"""Which weights of a layer go at each sparsity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, fx

from compression.engine.build import load_network
from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.course.chosen_layer import answer_error, corner, gram_of, layer_of, mean_of
from compression.engine.primitives.channel_labels import OUT
from compression.engine.primitives.channels import channel_groups
from compression.engine.primitives.importance import keep_largest, unit_importance
from compression.engine.primitives.patterns import KEPT_OF_FOUR, pattern_masks
from compression.inquiries.course import PATTERNS, SPARSITIES, Pruned, PruningInquiry
from compression.kernels import KERNEL_CHANNELS, nearest_multiple
from compression.recipe.steps import Pattern

_SINGLE: tuple[Pattern, ...] = ("weights", "blocks")


def pruning(inquiry: PruningInquiry, bench: Bench) -> Pruned:
    """Masks of the layer, by size of the weights, as the techniques choose them where each layer loses the same share.

    Errors are those of the layer as it is cut: nothing is fitted afterwards, and a shifted average is an error too.
    """
    model = load_network(bench.subject)
    weight = layer_of(model, inquiry).weight.detach()
    gram, mean = gram_of(model, inquiry, bench), mean_of(model, inquiry, bench)
    found: dict[str, list[Tensor]] = {}
    for number, (pattern, mask) in enumerate(_masks(model, inquiry.layer, weight)):
        bench.watch.check()
        bench.watch.report(min(0.95, 0.3 + number / 50), f"pruning: {pattern}")
        found.setdefault(pattern, []).append(mask)
    return Pruned(
        weights=corner(weight).astype(np.float16),
        gone_at={name: corner(torch.stack(masks).sum(0)).astype(np.uint8) for name, masks in found.items()},
        zeros={name: np.array([1 - mask.float().mean().item() for mask in masks]) for name, masks in found.items()},
        errors={
            name: np.array([answer_error(weight, weight * mask, gram, mean) for mask in masks])
            for name, masks in found.items()
        },
    )


def _masks(model: fx.GraphModule, name: str, weight: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Pattern by pattern: True at the weights that stay, from the least sparsity to the largest."""
    score = weight.abs()
    for pattern in _SINGLE:
        for sparsity in SPARSITIES:
            yield pattern, pattern_masks([score], sparsity, "layer", pattern)[0]
    yield from (("channels", mask) for mask in _channel_masks(model, name, weight))
    for fixed in KEPT_OF_FOUR:
        yield fixed, pattern_masks([score], 0, "layer", fixed)[0]


def _channel_masks(model: fx.GraphModule, name: str, weight: Tensor) -> Iterator[Tensor]:
    """Whole outputs, with what is coupled to them; nothing for the layer of the classes, which all have to stay."""
    groups = (group for group in channel_groups(model) if any(part[:2] == (name, OUT) for part in group[0]))
    units = next(groups, None)
    if units is None:
        return
    importance = unit_importance(model, units, "l2", seed=0)
    places = [[part.position for part in unit if part[:2] == (name, OUT)] for unit in units]
    for sparsity in SPARSITIES:
        kept = keep_largest(importance, nearest_multiple(len(units), 1 - sparsity, KERNEL_CHANNELS))
        mask = torch.ones_like(weight, dtype=torch.bool)
        for unit, stays in zip(places, kept.tolist(), strict=True):
            if not stays:
                mask[unit] = False
        yield mask


assert {*_SINGLE, "channels", *KEPT_OF_FOUR} == set(PATTERNS)  # the page draws exactly these
