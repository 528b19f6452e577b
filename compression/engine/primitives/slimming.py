"""One network whose first channels are networks too (Yu and Huang, "Universally slimmable networks", 2019).

A network of width w consists of the first w x n channels of every group of n coupled channels. All widths
share these weights; only batch-norm statistics differ, and are measured anew for the width that is taken.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, fx
from torch.func import functional_call
from torch.nn import functional

from compression.engine.network.form import clone
from compression.engine.primitives.batch_norm import recalibrate
from compression.engine.primitives.channel_labels import OUT
from compression.engine.primitives.channels import Kept, channel_groups, remove_units, reorder_units
from compression.engine.primitives.distillation_losses import soft_target_divergence
from compression.engine.primitives.importance import unit_importance
from compression.kernels import nearest_multiple
from compression.watch import SILENT, Watch

SMALLEST_WIDTH = 0.25
RANDOM_WIDTHS = 2
"""Widths drawn in each step besides the smallest and the full one, as in the paper (n = 4)."""

WIDTHS_PER_UNIT = 100
"""Widths are drawn in steps of a hundredth: as fine as any slider, and few enough to keep every graph."""


def order_channels(model: fx.GraphModule) -> fx.GraphModule:
    """The same function with the channels of every group sorted, the most important (L2 norm) first."""
    ordered = clone(model)
    for group in channel_groups(ordered):
        importance = unit_importance(ordered, group, "l2", seed=0)
        reorder_units(ordered, group, torch.argsort(importance, descending=True, stable=True).tolist())
    return ordered


def first_channels(model: fx.GraphModule, width_mult: float) -> tuple[fx.GraphModule, Kept]:
    """A new model of the first `width_mult` (0 to 1) of each group's channels, in fours, and which those are.

    Batch-norm statistics are those of the full network, and wrong: see `recalibrate`.
    """
    surplus = [unit for group in channel_groups(model) for unit in group[nearest_multiple(len(group), width_mult) :]]
    return remove_units(model, surplus)


def take_width(model: fx.GraphModule, width_mult: float, x: Tensor, watch: Watch = SILENT) -> fx.GraphModule:
    """A new model of width `width_mult` out of a slimmable one, with batch-norm statistics of images `x`.

    `x` is N x C x H x W. Nothing is trained.
    """
    narrow, _ = first_channels(model, width_mult)
    recalibrate(narrow, x, watch)
    return narrow


def sandwich_loss(model: fx.GraphModule, seed: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The loss that trains all widths of `model` at once: (logits of the full width, images, labels) to a scalar.

    The full width learns the labels; the smallest and `RANDOM_WIDTHS` others learn the predictions of the
    full one (in-place distillation) through the parameters they share with it.
    """
    generator = torch.Generator().manual_seed(seed)
    lowest = round(SMALLEST_WIDTH * WIDTHS_PER_UNIT)
    whole = clone(model)  # stays on the CPU, where channels are found
    network_at = functools.cache(lambda width: first_channels(whole, width / WIDTHS_PER_UNIT))

    def loss(logits: Tensor, x: Tensor, y: Tensor) -> Tensor:
        drawn = torch.randint(lowest + 1, WIDTHS_PER_UNIT, (RANDOM_WIDTHS,), generator=generator)
        total = functional.cross_entropy(logits, y)
        for width in (lowest, *drawn.tolist()):
            narrow, kept = network_at(width)
            found = functional_call(narrow.to(x.device).train(), _shared_parameters(model, kept), (x,))
            total = total + soft_target_divergence(found.float(), logits.detach(), temperature=1)
        return total

    return loss


def _shared_parameters(model: fx.GraphModule, kept: Kept) -> dict[str, Tensor]:
    """Parameters of the narrower network as parts of the full one's, so that gradients reach those."""
    shared: dict[str, Tensor] = dict(model.named_parameters())
    for (layer, dim), indices in kept.items():
        for name in (f"{layer}.weight", f"{layer}.bias") if dim == OUT else (f"{layer}.weight",):
            if name in shared:
                shared[name] = shared[name].index_select(dim, indices.to(shared[name].device))
    return shared
