"""Groups of coupled channels at every width that techniques have for them, and the layers they run through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import fx

from compression.engine.laboratory.layer_tables.lone_forms import Seen, changed, without_inputs
from compression.engine.network.form import WeightedLayer, weighted_calls
from compression.engine.primitives.channel_labels import IN, OUT, Unit
from compression.engine.primitives.channels import channel_groups, units_in_multiples
from compression.engine.primitives.execution import Changed
from compression.engine.primitives.importance import least_of, unit_importance
from compression.errors import InvalidRecipe
from compression.inquiries.layer_tables import LEVELS
from compression.kernels import KERNEL_CHANNELS, nearest_multiple

Sizes = tuple[int, int]
"""Of a layer's weight in its first two dimensions: outputs and inputs (of one group)."""


@dataclass(frozen=True)
class Narrower:
    """A group of channels at one level: the layers that read it without them, and the sizes of all that it touches."""

    layer: str
    level: float
    changed: Mapping[str, Changed]
    sizes: Mapping[str, Sizes]


def narrower(
    original: fx.GraphModule, folded: fx.GraphModule, layers: Mapping[str, WeightedLayer], seen: Mapping[str, Seen]
) -> Iterator[Narrower]:
    """Each group without its least important channels, as `channel_pruning` chooses them, from few to many.

    Importance is that of the `original` network's filters, as batch norms are not yet folded when a recipe begins.
    None where channels cannot be followed through the network, nor of a second group of one layer's outputs: levels
    go by layer.
    """
    order = list(dict.fromkeys(str(node.target) for node, _ in weighted_calls(folded)))
    named: set[str] = set()
    for group in _groups(original):
        outputs = {part.layer for part in group[0] if part.dim == OUT}
        name = next((name for name in order if name in outputs), None)
        if name is not None and name not in named:
            named.add(name)
            importance = unit_importance(original, group, "l2", 0)
            for level, width in _widths(group).items():
                yield _without(name, level, least_of(group, importance, width), layers, seen)


def _groups(model: fx.GraphModule) -> Sequence[Sequence[Unit]]:
    try:
        return channel_groups(model)
    except InvalidRecipe:
        return []


def _widths(group: Sequence[Unit]) -> dict[float, int]:
    """The level for each width that there is."""
    multiple = units_in_multiples(group, KERNEL_CHANNELS)
    widths = {level: nearest_multiple(len(group), 1 - level, multiple) for level in LEVELS["channel_pruning"]}
    first = {width: level for level, width in reversed(widths.items()) if width < len(group)}
    return {level: width for width, level in reversed(first.items())}


def _without(
    name: str,
    level: float,
    units: Sequence[Unit],
    layers: Mapping[str, WeightedLayer],
    seen: Mapping[str, Seen],
) -> Narrower:
    gone = sorted({(part.layer, part.dim, part.position) for unit in units for part in unit if part.layer in layers})
    counts = Counter((layer, dim) for layer, dim, _ in gone)
    readers = {
        layer: [at for other, dim, at in gone if (other, dim) == (layer, IN)] for layer, dim in counts if dim == IN
    }
    return Narrower(
        layer=name,
        level=level,
        changed={
            reader: changed(layers[reader], seen[reader], without_inputs(layers[reader], seen[reader], places))
            for reader, places in readers.items()
        },
        sizes={
            layer: (
                layers[layer].weight.shape[0] - counts[layer, OUT],
                layers[layer].weight.shape[1] - counts[layer, IN],
            )
            for layer, _ in counts
        },
    )
