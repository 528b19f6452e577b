"""Remove whole channels and neurons, wherever they are coupled."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from compression.network import clone
from compression.primitives.channels import Unit, channel_groups, remove_units
from compression.primitives.importance import least_of, unit_importance
from compression.primitives.latency import latency_ratio
from compression.primitives.readings import activation_importance, taylor_importance
from compression.primitives.reconstruction import reconstruct
from compression.primitives.widths import WidthCosts, Widths, distortion_curves, greedy_widths
from compression.recipe import ChannelPruning, limits
from compression.techniques.context import FITTING_IMAGES, Context, fitting_images

LATENCY_TRIALS = 7
"""Halvings of the range of ratios: afterwards one step is less than a channel in a hundred."""

_, LARGEST_RATIO = limits(ChannelPruning, "pruning_ratio")


def channel_pruning(model: fx.GraphModule, step: ChannelPruning, context: Context) -> fx.GraphModule:
    """Cut the least important channels out of every group of coupled channels (Li et al., 2017; Fang et al., 2023).

    `step.pruning_ratio` is the fraction that goes of each group's channels, or with `target="macs"` of the
    network's operations, met as nearly as whole channels allow. With `target="latency"` it is the fraction of the
    time that one image takes in ONNX Runtime on this machine: the search measures some networks of other widths
    against the given one and takes the nearest. That is no more exact than those short measurements, by some
    percent; small networks take most of their time whatever their width, so that large fractions may be out of
    reach; and another machine, or a second run, may choose other channels.

    With `ratios="sensitivity"` as many channels go (or operations), but more of them where the logits move least:
    see `distortion_curves`. Layers that are used several times lose the same channels each time. Every group keeps
    at least one channel, and with `round_to` a multiple of it where it has that many. With `recalibrate` the
    remaining weights are then fitted, layer by layer and without training, to what the layers answered before.
    Raises `InvalidRecipe` where channels cannot be followed through the model.
    """
    context.check_cancelled()
    if step.pruning_ratio == 0:
        return clone(model)
    groups = channel_groups(model)
    importances = _importances(model, groups, step, context)
    doomed = _doomed(groups, importances, _widths(model, groups, importances, step, context))
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


def _importances(
    model: fx.GraphModule, groups: list[list[Unit]], step: ChannelPruning, context: Context
) -> list[Tensor]:
    """One number for each unit of each group, comparable within the group."""
    if step.importance == "taylor":
        train = context.dataset.train.head(FITTING_IMAGES)
        return taylor_importance(
            model, groups, torch.from_numpy(train.x), torch.from_numpy(train.y), context.check_cancelled
        )
    if step.importance == "activation":
        return activation_importance(model, groups, fitting_images(context.dataset), context.check_cancelled)
    return [
        unit_importance(model, group, step.importance, context.seed + number) for number, group in enumerate(groups)
    ]


def _doomed(groups: list[list[Unit]], importances: list[Tensor], widths: Widths) -> list[Unit]:
    """The units that have to go, from all groups."""
    chosen = zip(groups, importances, widths, strict=True)
    return [unit for group, importance, width in chosen for unit in least_of(group, importance, width)]


def _widths(
    model: fx.GraphModule,
    groups: list[list[Unit]],
    importances: list[Tensor],
    step: ChannelPruning,
    context: Context,
) -> Widths:
    """How many units of each group stay."""
    costs = WidthCosts(model, groups)
    plan = _uniform(costs, step)
    if step.ratios == "sensitivity":
        x = fitting_images(context.dataset)
        curves = distortion_curves(
            model, groups, importances, x, seed=context.seed, check_cancelled=context.check_cancelled
        )
        plan = _by_sensitivity(costs, curves, step)
    if step.target != "latency":
        return plan(step.pruning_ratio)

    def measured(widths: Widths) -> float:
        smaller, _ = remove_units(model, _doomed(groups, importances, widths))
        return 1 - latency_ratio(smaller, model, context.seed, context.check_cancelled)

    return _nearest(plan, measured, step.pruning_ratio)


def _uniform(costs: WidthCosts, step: ChannelPruning) -> Callable[[float], Widths]:
    """From the fraction that goes (of channels or operations) to widths, the same ratio in each group."""
    if step.target == "macs":
        return lambda fraction: costs.uniform_macs(fraction, step.round_to)
    return lambda fraction: costs.uniform(fraction, step.round_to)


def _by_sensitivity(costs: WidthCosts, curves: list[Tensor], step: ChannelPruning) -> Callable[[float], Widths]:
    """From the fraction that goes (of channels, else of operations) to widths, more where it matters less."""
    if step.target == "channels":
        return lambda fraction: greedy_widths(curves, sum, sum(costs.uniform(fraction, step.round_to)), step.round_to)
    whole = costs.macs(costs.sizes)
    return lambda fraction: greedy_widths(curves, costs.macs, (1 - fraction) * whole, step.round_to)


def _nearest(plan: Callable[[float], Widths], measured: Callable[[Widths], float], wanted: float) -> Widths:
    """Of the widths tried while halving the range of the plan's fraction, those that saved most nearly `wanted`."""
    low, high = 0.0, LARGEST_RATIO
    tried: list[tuple[float, Widths]] = []
    for _ in range(LATENCY_TRIALS):
        middle = (low + high) / 2
        widths = plan(middle)
        saved = measured(widths)
        tried.append((abs(saved - wanted), widths))
        low, high = (middle, high) if saved < wanted else (low, middle)
    return min(tried)[1]
