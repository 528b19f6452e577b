"""Put chains of thinner layers in the place of layers, each fitted to what the original network answers.

The original network and the one in the making run side by side on images. Each new chain is made for the
inputs that it really gets, from the chains before it, and for the outputs of the original layer, so that it
makes up for their errors (the asymmetric reconstruction of Zhang et al., 2016, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, fx, nn

from compression.engine.network.form import (
    WeightedLayer,
    WeightFormat,
    clone,
    free_name,
    module_of,
    propagate_shapes,
    weight_format,
)
from compression.engine.primitives.batch_norm import BatchNorm, call_count, measure_statistics
from compression.engine.primitives.execution import Walk
from compression.engine.primitives.moments import Moments, is_plain, second_moments
from compression.watch import SILENT, Watch

MakeChain = Callable[[WeightedLayer, Moments], nn.Sequential]
"""(the layer, moments of its inputs and wanted outputs) to named layers that take its place."""


def replaceable(model: fx.GraphModule) -> dict[str, fx.Node]:
    """Layers that a chain could take the place of, by name: ordinary ones, used once, with free weights."""
    return {str(node.target): node for node in model.graph.nodes if _is_replaceable(model, node)}


def moments_of(model: fx.GraphModule, x: Tensor, watch: Watch) -> dict[str, Moments]:
    """The moments of every replaceable layer on images `x` (N x C x H x W), in the model as it is."""
    nodes = set(replaceable(model).values())
    found: dict[str, Moments] = {}
    walk = Walk(model, x, watch, plain=True)
    with torch.no_grad():
        for node in walk.nodes():
            y = walk.compute(node)
            if node in nodes:
                found[str(node.target)] = _moments(model, node, walk.input_of(node), y)
    return found


def replace_layers(
    model: fx.GraphModule, chains: Mapping[str, MakeChain], x: Tensor, *, watch: Watch = SILENT
) -> fx.GraphModule:
    """A new model with chains in the place of the layers named in `chains`, all fitted on images `x`.

    Layers that stay are fitted too, unless they are grouped, shared or restricted to a format, and batch-norm
    statistics become those of `x`. The chains' layers get the name of the layer that they replace, followed by
    `_` and their name in the chain.
    """
    changed = clone(model)
    before, after = (Walk(network, x, watch, plain=True) for network in (model, changed))
    with torch.no_grad():
        for number, (node, twin) in enumerate(zip(before.nodes(), after.nodes(), strict=True), 1):
            _renew(changed, twin, after, before.compute(node), chains.get(str(node.target)))
            after.compute(twin)
            watch.report(number / (len(model.graph.nodes) - 1), f"fitting {node.name}")
    for name in chains:
        _unroll(changed, name)
    changed.delete_all_unused_submodules()
    changed.recompile()
    return propagate_shapes(changed)


def _is_replaceable(model: fx.GraphModule, node: fx.Node) -> bool:
    layer = module_of(model, node)
    if not isinstance(layer, WeightedLayer) or not is_plain(layer) or weight_format(layer) != WeightFormat():
        return False
    return call_count(model, node) == 1 and (isinstance(layer, nn.Conv2d) or len(node.meta["shape"]) == 2)


def _moments(model: fx.GraphModule, node: fx.Node, x: Tensor, target: Tensor) -> Moments:
    layer = module_of(model, node)
    assert isinstance(layer, WeightedLayer)
    is_normalized = all(isinstance(module_of(model, user), BatchNorm) for user in node.users)
    return second_moments(layer, x, target, centred=layer.bias is not None or is_normalized)


def _renew(model: fx.GraphModule, node: fx.Node, walk: Walk, target: Tensor, make: MakeChain | None) -> None:
    """Replace or fit the layer that this node calls."""
    layer = module_of(model, node)
    measure_statistics(walk, node)
    if isinstance(layer, WeightedLayer) and _is_replaceable(model, node):
        moments = _moments(model, node, walk.input_of(node), target)
        if make is not None:
            model.set_submodule(str(node.target), make(layer, moments))
        else:
            _fit(layer, moments)


def _fit(layer: WeightedLayer, moments: Moments) -> None:
    weight = moments.best_weight()
    layer.weight.copy_(weight.reshape(layer.weight.shape))
    if layer.bias is not None:
        layer.bias.copy_(moments.bias(weight))


def _unroll(model: fx.GraphModule, name: str) -> None:
    """Call the layers of the chain called `name` one by one."""
    (node,) = [node for node in model.graph.nodes if node.op == "call_module" and node.target == name]
    value = node.args[0]
    with model.graph.inserting_before(node):
        for part, layer in model.get_submodule(name).named_children():
            free = free_name(model, f"{name}_{part}")
            model.add_submodule(free, layer)
            value = model.graph.call_module(free, (value,))
    node.replace_all_uses_with(value)
    model.graph.erase_node(node)
