"""Change a network layer by layer, each layer knowing what it gets from those changed before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from compression.engine.network.form import WeightedLayer, module_of, weighted_layers
from compression.engine.primitives.batch_norm import call_count
from compression.engine.primitives.execution import Walk
from compression.engine.primitives.layer_outputs import answers_in_turn
from compression.engine.primitives.moments import by_group, has_patches, input_rows, sampled_rows
from compression.watch import SILENT, Watch

MOST_FEATURES = 8192
"""Inputs of one output beyond which a layer is not visited: its matrix of products would fill half a gigabyte."""

See = Callable[[fx.Node, Tensor], None]
"""Is shown the value of each node of the changed network."""

Rows = tuple[Tensor, Tensor]
"""Inputs (groups x rows x features) and answers (groups x rows x outputs) at the same positions."""


@dataclass(frozen=True)
class Visit:
    """A layer of the changed network, what it gets there (groups x rows x features), what it should answer there."""

    name: str
    layer: WeightedLayer
    inputs: Tensor
    answers: Tensor


def can_visit(layer: WeightedLayer) -> bool:
    """Whether `layers_in_turn` stops there: padding by other than zeros and huge layers are left out."""
    return has_patches(layer) and layer.weight[0].numel() <= MOST_FEATURES


def layers_in_turn(
    original: fx.GraphModule,
    changed: fx.GraphModule,
    x: Tensor,
    watch: Watch = SILENT,
    see: See = lambda node, value: None,
) -> Iterator[Visit]:
    """Run both networks (same graph) on images `x` (N x C x H x W), stopping at every layer that can be visited.

    Whoever takes a visit changes its layer in place; inputs of the next layer come from the changed one, and
    answers from the original network. A layer that is called several times is visited once, with the inputs
    that it gets in the original. `see` is shown all values, those behind a layer when it has been changed.
    """
    tied = _rows_of_tied(original, x, watch)
    answers = answers_in_turn(original, x, watch)
    visited: set[str] = set()
    walk = Walk(changed, x, watch)
    for node in walk.nodes():
        layer, name = module_of(changed, node), str(node.target)
        if isinstance(layer, WeightedLayer):
            wanted = next(answers)[1].rows
            if can_visit(layer) and name not in visited:
                visited.add(name)
                rows = tied.get(name) or _rows(layer, walk.input_of(node), wanted, node.meta["shape"])
                yield Visit(name, layer, *rows)
        see(node, walk.compute(node))


def _rows(layer: WeightedLayer, inputs: Tensor, answers: Tensor, shape: Sequence[int]) -> Rows:
    """`sampled_rows` where the answers' rows are known; `shape` is that of the layer's output for one image."""
    rows = input_rows(layer, inputs, (len(inputs), *shape[1:]))
    return rows, by_group(answers, len(rows))


def _rows_of_tied(model: fx.GraphModule, x: Tensor, watch: Watch) -> dict[str, Rows]:
    """For each layer that is called several times: its rows of all calls."""
    nodes = [node for node in model.graph.nodes if node.op == "call_module" and call_count(model, node) > 1]
    names = {str(node.target) for node in nodes} & weighted_layers(model).keys()
    if not names:
        return {}
    found: dict[str, list[Rows]] = {name: [] for name in names}
    for call in Walk(model, x, watch).calls():
        if call.name in names and can_visit(call.layer):
            found[call.name].append(sampled_rows(call.layer, call.x, call.y))
    return {
        name: (torch.cat([r[0] for r in rows], 1), torch.cat([r[1] for r in rows], 1))
        for name, rows in found.items()
        if rows
    }
