"""Remove whole channels and neurons, wherever they are coupled."""

from __future__ import annotations

from torch import fx

from compression.network import clone
from compression.primitives.channels import Unit, channel_groups, remove_units
from compression.primitives.importance import least_important
from compression.primitives.reconstruction import reconstruct
from compression.recipe import ChannelPruning
from compression.techniques.context import Context, fitting_images


def channel_pruning(model: fx.GraphModule, step: ChannelPruning, context: Context) -> fx.GraphModule:
    """Cut the `step.pruning_ratio` least important channels of every group of coupled channels.

    Every group keeps at least one channel, and with `round_to` a multiple of it where it has that many.
    With `recalibrate` the remaining weights are then fitted, layer by layer and without training, to what
    the layers answered before. Raises `InvalidRecipe` where channels cannot be followed through the model.
    """
    context.check_cancelled()
    if step.pruning_ratio == 0:
        return clone(model)
    doomed = _least_important(model, step, context.seed)
    if not doomed:
        return clone(model)
    pruned, kept = remove_units(model, doomed)
    if step.recalibrate:
        reconstruct(
            model,
            pruned,
            kept,
            fitting_images(context.dataset),
            report=context.report,
            check_cancelled=context.check_cancelled,
        )
    context.report(1, "pruned")
    return pruned


def kept_count(n: int, pruning_ratio: float, round_to: int) -> int:
    """How many of `n` channels stay: the nearest multiple of `round_to`, as far as there is one in 1..n."""
    kept = n - round(pruning_ratio * n)
    if n < round_to:
        return n
    nearest = round_to * round(kept / round_to)
    return max(min(nearest, n // round_to * round_to), round_to)


def _least_important(model: fx.GraphModule, step: ChannelPruning, seed: int) -> list[Unit]:
    """The units that have to go, from all groups."""
    doomed: list[Unit] = []
    for number, group in enumerate(channel_groups(model)):
        count = kept_count(len(group), step.pruning_ratio, step.round_to)
        doomed += least_important(model, group, count, step.importance, seed + number)
    return doomed
