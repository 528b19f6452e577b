"""Batch normalization: folding it into the layer before it, and measuring its statistics anew."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from compression.engine.network import functions
from compression.engine.network.form import WeightedLayer, clone, module_of, propagate_shapes, weight_format
from compression.engine.primitives.execution import Walk, images_at_once
from compression.watch import SILENT, Watch

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d

RECALIBRATION_BATCH = 256
"""Images at once: enough for the mean of the batches' variances to be close to the variance of all."""


def fold_batch_norm(model: fx.GraphModule) -> fx.GraphModule:
    """Merge every batch norm into the convolution or linear layer right before it (Jacob et al., 2018).

    Returns a new model, in evaluation mode the same function up to float rounding; the layers get a bias.
    Zero weights stay zero and masks stay; pixel shuffle may lie between. A batch norm stays where it cannot be
    folded: behind another kind of layer, behind a layer whose output or weights are also used elsewhere, without
    running statistics, or behind weights that lie on a grid already (scaling would move them off it).
    """
    folded = clone(model)
    for node in list(folded.graph.nodes):
        layer_node = _foldable(folded, node)
        if layer_node is not None:
            _fold(folded.get_submodule(str(layer_node.target)), folded.get_submodule(str(node.target)))
            node.replace_all_uses_with(node.all_input_nodes[0])
            folded.graph.erase_node(node)
    folded.delete_all_unused_submodules()
    folded.recompile()
    return propagate_shapes(folded)


def recalibrate(model: nn.Module, x: Tensor, watch: Watch = SILENT) -> None:
    """Measure the running mean and variance of every batch norm anew on images `x` (N x C x H x W), in place.

    The statistics are plain averages over all batches, not moving ones; weights do not change. Networks
    whose weights were changed without training need this (Li et al., "EagleEye", 2020).
    """
    norms = [layer for layer in model.modules() if isinstance(layer, BatchNorm) and layer.running_mean is not None]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: a cumulative average
        norm.train()
    room = images_at_once(model) if isinstance(model, fx.GraphModule) else RECALIBRATION_BATCH
    try:
        with torch.no_grad():
            for batch in torch.split(x, min(RECALIBRATION_BATCH, room)):  # type: ignore[no-untyped-call]
                watch.check()
                model(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def measure_statistics(walk: Walk, node: fx.Node) -> None:
    """Make the running statistics those of what this node gets, in place, if it calls a batch norm used only once."""
    norm = module_of(walk.model, node)
    if not isinstance(norm, BatchNorm) or norm.running_mean is None or norm.running_var is None:
        return
    if call_count(walk.model, node) == 1:
        x = walk.input_of(node)  # N x C, or N x C x H x W
        mean, variance = torch.batch_norm_update_stats(x, None, None, 0)  # a quarter of the time of x.var
        values = x.numel() // x.shape[1]
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance * (values / max(values - 1, 1)))


def scale_and_shift(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """What each normalized channel is multiplied with, and what is added: ones and zeros where there are none."""
    gamma = torch.ones(norm.num_features) if norm.weight is None else norm.weight
    return gamma, torch.zeros_like(gamma) if norm.bias is None else norm.bias


def call_count(model: fx.GraphModule, node: fx.Node) -> int:
    """How often the graph uses the layer of this node."""
    return sum(other.op == "call_module" and other.target == node.target for other in model.graph.nodes)


def _foldable(model: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """The node whose layer `node`'s batch norm can be merged into, or None."""
    norm = module_of(model, node)
    if not isinstance(norm, BatchNorm) or norm.running_mean is None or call_count(model, node) > 1:
        return None
    before = node.all_input_nodes[0]
    while len(before.users) == 1 and _is_rearranged(model, before):
        before = before.all_input_nodes[0]
    layer = module_of(model, before)
    if not isinstance(layer, WeightedLayer) or len(before.users) > 1 or call_count(model, before) > 1:
        return None
    return before if weight_format(layer).grid is None else None


def _is_rearranged(model: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a value only puts channels together or is cut at the borders, as behind a transposed convolution."""
    is_cut = node.target is functions.part and len(node.meta["shape"]) == 4 and node.args[1] in (2, 3)
    return is_cut or isinstance(module_of(model, node), nn.PixelShuffle)


def _fold(layer: nn.Module, norm: nn.Module) -> None:
    """Weight: w * gamma / sqrt(var + eps); bias: (b - mean) * gamma / sqrt(var + eps) + beta."""
    assert isinstance(layer, WeightedLayer) and isinstance(norm, BatchNorm)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    with torch.no_grad():
        numbers = (*scale_and_shift(norm), mean, variance)
        gamma, beta, mean, variance = (one.repeat_interleave(len(layer.weight) // len(one)) for one in numbers)
        bias = torch.zeros_like(mean) if layer.bias is None else layer.bias
        factor = gamma * torch.rsqrt(variance + norm.eps)
        layer.weight.mul_(factor.reshape(-1, *[1] * (layer.weight.dim() - 1)))
        layer.bias = nn.Parameter((bias - mean) * factor + beta)
