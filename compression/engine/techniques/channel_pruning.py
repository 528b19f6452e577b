"""Remove whole channels and neurons, wherever they are coupled."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, fx

from compression.engine.files.export import to_onnx
from compression.engine.measure.latency import measure_ratios
from compression.engine.network.form import clone, input_shape, weighted_layers
from compression.engine.primitives.channel_labels import Unit
from compression.engine.primitives.channel_use import activation_importance, taylor_importance
from compression.engine.primitives.channels import channel_groups, group_layers, remove_units
from compression.engine.primitives.importance import least_of, unit_importance
from compression.engine.primitives.reconstruction import reconstruct
from compression.engine.primitives.width_search import Plan, widths_for_time
from compression.engine.primitives.widths import WidthCosts, Widths, distortion_curves, greedy_widths
from compression.engine.techniques.context import Context, fitting_images
from compression.engine.techniques.levels import levels_of
from compression.errors import NotApplicable
from compression.recipe.steps import ChannelPruning


def channel_pruning(model: fx.GraphModule, step: ChannelPruning, context: Context) -> fx.GraphModule:
    """Cut the least important channels out of every group of coupled channels (Li et al., 2017; Fang et al., 2023).

    `step.pruning_ratio` is the fraction that goes of each group's channels, or with `target="macs"` of the
    network's operations, met as nearly as whole channels allow. With `target="latency"` it is the fraction of the
    time that one image takes in ONNX Runtime on this machine: some networks of other widths are measured side by
    side with the given one, and of those that save that much the one with the most operations is taken. Time does
    not follow width smoothly: kernels work on blocks of channels, so that the nearest network may save much more
    (see `widths_for_time`). Small networks take most of their time whatever their width, so that large fractions may
    be out of reach, where the fastest is taken; and another machine may choose other channels.

    With `ratios="sensitivity"` as many channels go (or operations), but more of them where the logits move least:
    see `distortion_curves`. Layers that are used several times lose the same channels each time. Every group keeps
    at least one channel, and with `round_to` a multiple of it where it has that many. With `recalibrate` the
    remaining weights are then fitted, layer by layer and without training, to what the layers answered before.

    A layer's level is the ratio of all groups that its outputs are in. Raises `NotApplicable` where two layers of one
    group have different ones, and `InvalidRecipe` where channels cannot be followed through the model.
    """
    if step.pruning_ratio == 0 and not step.levels:
        return clone(model)
    groups = channel_groups(model)
    importances = _importances(model, groups, step, context)
    doomed = _doomed(groups, importances, _widths(model, groups, importances, step, context))
    if not doomed:
        return clone(model)
    pruned, kept = remove_units(model, doomed)
    if step.recalibrate:
        reconstruct(model, pruned, kept, fitting_images(context.dataset), watch=context.watch)
    context.watch.report(1, "pruned")
    return pruned


def _importances(
    model: fx.GraphModule, groups: list[list[Unit]], step: ChannelPruning, context: Context
) -> list[Tensor]:
    """One number for each unit of each group, comparable within the group."""
    if step.importance == "taylor":
        train = context.dataset.train.head(context.dataset.fits_on)
        return taylor_importance(model, groups, torch.from_numpy(train.x), torch.from_numpy(train.y), context.watch)
    if step.importance == "activation":
        return activation_importance(model, groups, fitting_images(context.dataset), context.watch)
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
    if step.levels:
        return costs.at(_ratios(model, groups, step), step.round_to)
    plan = _uniform(costs, step)
    if step.ratios == "sensitivity":
        x = fitting_images(context.dataset)
        curves = distortion_curves(model, groups, importances, x, seed=context.seed, watch=context.watch)
        plan = _by_sensitivity(costs, curves, step)
    if step.target != "latency":
        return plan(step.pruning_ratio, step.round_to)

    def savings(candidates: Sequence[Widths]) -> list[float]:
        smaller = [remove_units(model, _doomed(groups, importances, widths))[0] for widths in candidates]
        return _time_savings(smaller, model, context)

    return widths_for_time(
        plan, step.round_to, step.pruning_ratio, sizes=costs.sizes, operations=costs.macs, savings=savings
    )


def _ratios(model: fx.GraphModule, groups: list[list[Unit]], step: ChannelPruning) -> list[float]:
    """How much of each group goes."""
    own, members = dict(step.levels), group_layers(model, groups)
    levels_of(step, dict.fromkeys(itertools.chain(*members)), others=weighted_layers(model))
    ratios = []
    for layers in members:
        named = [name for name in layers if name in own]
        for one, other in itertools.pairwise(named):
            if own[one] != own[other]:
                raise NotApplicable(
                    f"The layers {one!r} and {other!r} lose the same channels, so they cannot have the levels "
                    f"{own[one]:g} and {own[other]:g}. Give both the same, or only one of them a level."
                )
        ratios.append(own[named[0]] if named else step.pruning_ratio)
    return ratios


def _uniform(costs: WidthCosts, step: ChannelPruning) -> Plan:
    """The same ratio in each group; the plan's fraction counts channels, or operations."""
    return costs.uniform_macs if step.target == "macs" else costs.uniform


def _by_sensitivity(costs: WidthCosts, curves: list[Tensor], step: ChannelPruning) -> Plan:
    """More where it matters less; the plan's fraction counts channels, else operations."""
    cost, whole = (sum, 0.0) if step.target == "channels" else (costs.macs, costs.macs(costs.sizes))

    def plan(fraction: float, round_to: int) -> Widths:
        wanted = sum(costs.uniform(fraction, round_to)) if step.target == "channels" else (1 - fraction) * whole
        return greedy_widths(curves, cost, wanted, costs.multiples(round_to))

    return plan


def _time_savings(networks: Sequence[fx.GraphModule], reference: fx.GraphModule, context: Context) -> list[float]:
    """Fraction of the reference's time for one image that each network saves in ONNX Runtime on this machine."""
    files = []
    for network in networks:
        context.watch.check()
        files.append(to_onnx(network).SerializeToString())
    whole = to_onnx(reference).SerializeToString()
    ratios = measure_ratios(files, whole, input_shape(reference), seed=context.seed, watch=context.watch)
    return [1 - ratio for ratio in ratios]
