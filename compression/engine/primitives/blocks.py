"""Blocks that repeat in a network: neighbours with the same layers of the same shapes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from torch import fx, nn

from compression.engine.network.form import WeightedLayer, clone, module_of, propagate_shapes
from compression.engine.primitives.batch_norm import call_count

Signature = tuple[object, ...]


def repeated_blocks(model: fx.GraphModule) -> list[list[str]]:
    """Runs of at least two neighbouring blocks that have the same layers, each block by its name.

    A block is a module that holds others ("stages.1" with "stages.1.conv1" and so on); neighbours follow each
    other in the graph and have the same parent. The same layers means: the same names inside the block, types,
    shapes of weights, strides, paddings and so on. The outermost blocks count.
    """
    calls = _calls(model)
    runs: list[list[str]] = []
    for parent in _containers(calls):
        if any(_is_inside(f"{parent}.", block) for run in runs for block in run):
            continue
        children = _children(calls, parent)
        for _, group in groupby(children, key=lambda block: _signature(calls, block)):
            blocks = list(group)
            if len(blocks) > 1 and _has_weights(calls, blocks[0]):
                runs.append(blocks)
    return runs


def tie_blocks(model: fx.GraphModule, blocks: Sequence[str], keep: str) -> fx.GraphModule:
    """A new model in which all these blocks use the convolutions and linear layers of block `keep`.

    Everything else, batch norm above all, stays each block's own.
    """
    tied = clone(model)
    for node in tied.graph.nodes:
        layer = module_of(tied, node)
        block = next((block for block in blocks if _is_inside(str(node.target), block)), None)
        if isinstance(layer, WeightedLayer) and block is not None:
            node.target = keep + str(node.target)[len(block) :]
    tied.delete_all_unused_submodules()
    tied.recompile()
    return propagate_shapes(tied)


def weighted_names(model: fx.GraphModule, block: str) -> list[str]:
    """Names inside the block ("conv1") of its convolutions and linear layers, in the order of their calls."""
    calls = _calls(model)
    return [
        name[len(block) + 1 :]
        for name, layer in calls.items()
        if _is_inside(name, block) and isinstance(layer, WeightedLayer)
    ]


def _calls(model: fx.GraphModule) -> dict[str, nn.Module]:
    """The layers that the graph calls once, in that order."""
    found = {str(node.target): node for node in model.graph.nodes if node.op == "call_module"}
    return {name: model.get_submodule(name) for name, node in found.items() if call_count(model, node) == 1}


def _containers(calls: dict[str, nn.Module]) -> list[str]:
    """Names of everything that holds layers, the outermost ("", the network) first."""
    names = {".".join(parts[:depth]) for parts in (name.split(".") for name in calls) for depth in range(len(parts))}
    return sorted(names, key=lambda name: (len(name.split(".")) if name else 0, name))


def _children(calls: dict[str, nn.Module], parent: str) -> list[str]:
    """The blocks right under `parent` in the order of the graph; single layers between them separate."""
    prefix = f"{parent}." if parent else ""
    return [
        name
        for name, _ in groupby(
            prefix + name.removeprefix(prefix).split(".")[0] for name in calls if name.startswith(prefix)
        )
    ]


def _signature(calls: dict[str, nn.Module], block: str) -> Signature:
    inside = {name[len(block) :]: layer for name, layer in calls.items() if _is_inside(name, block)}
    return tuple((name, _describe(layer)) for name, layer in inside.items()) or (block,)


def _describe(layer: nn.Module) -> Signature:
    """Type, settings and shapes."""
    return (repr(layer), tuple(parameter.shape for parameter in layer.parameters()))


def _has_weights(calls: dict[str, nn.Module], block: str) -> bool:
    return any(isinstance(layer, WeightedLayer) and _is_inside(name, block) for name, layer in calls.items())


def _is_inside(name: str, block: str) -> bool:
    return name.startswith(f"{block}.")
