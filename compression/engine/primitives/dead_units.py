"""Channels and neurons that do nothing any more, and the network without them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn

from compression.engine.network.form import WeightedLayer, clone, module_of
from compression.engine.primitives.batch_norm import BatchNorm, scale_and_shift
from compression.engine.primitives.channel_labels import ELEMENTWISE, IN, POINTWISE, Unit
from compression.engine.primitives.channels import channel_groups, remove_units, units_in_multiples
from compression.errors import InvalidRecipe

_KEEPS_CONSTANTS = (nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def remove_dead_units(model: fx.GraphModule, round_to: int = 1) -> fx.GraphModule:
    """The same function with fewer channels and neurons: meant for pruned networks, right before they are written down.

    A unit (channels that can only go together, see `channels`) is dead where each layer that reads it does so
    with weights that are all zero, or gets the same number from it for every image and at every position: zero,
    or a constant that moves into the reader's bias (linear layers, and convolutions without padding; with padding
    the border sees zeros instead). That is so behind rows of zero weights, whatever bias, batch norm and
    activation make of them. Every layer keeps one unit, since none can be empty. Removing units may kill others,
    so it goes on until nothing is left to remove. Convolutions keep as many dead channels as fill a multiple of
    `round_to`: they take next to no bytes, and without them fast kernels may be out of reach.

    Returns a new model, or the given one itself where nothing is dead or its channels cannot be followed; logits stay
    equal up to float rounding. Masks, grids and hidden weights are cut along.
    """
    while dead := _dead_units(model, round_to):
        whole = clone(model)
        readers = _readers(whole)
        for part in (part for unit in dead for part in unit if part.dim == IN):
            readers[part.layer].take_over(part.position)
        model, _ = remove_units(whole, dead)
    return model


def _dead_units(model: fx.GraphModule, round_to: int) -> list[Unit]:
    """All units that can go now; none where channels cannot be followed, and none that others are normalized with."""
    try:
        groups = channel_groups(model)
    except InvalidRecipe:
        return []
    readers = _readers(model)
    norms = {name for name, layer in model.named_modules() if _mixes_channels(layer)}
    free = (group for group in groups if norms.isdisjoint(part.layer for part in group[0]))
    return [unit for group in free for unit in _dead(group, readers, round_to)]


def _mixes_channels(layer: nn.Module) -> bool:
    """Whether other channels would be normalized in another way without some; groups of few go as a whole."""
    if isinstance(layer, nn.GroupNorm):
        return layer.num_groups <= layer.num_channels // layer.num_groups
    return isinstance(layer, nn.LayerNorm)


@dataclass(frozen=True)
class _Reader:
    """A weighted layer and, for each of its calls, what it gets: a constant for each channel, NaN where it varies."""

    layer: WeightedLayer
    inputs: list[Tensor] = field(default_factory=list)

    def is_deaf(self, position: int) -> bool:
        """Whether what comes in at this position changes no answer, or only by a constant that a bias can take."""
        if not bool(self.layer.weight[:, position].any()):
            return True
        values = torch.stack([constants.reshape(_groups(self.layer), -1)[:, position] for constants in self.inputs])
        return bool((values == 0).all()) or (
            values.numel() == 1 and not bool(values.isnan()) and self._sees_no_border()
        )

    def take_over(self, position: int) -> None:
        """Put what the constant at this position adds to the outputs into the bias, in place."""
        constant = self.inputs[0][position]
        added = self.layer.weight.detach()[:, position].reshape(len(self.layer.weight), -1).sum(1) * constant
        if bool(added.nan_to_num().any()):
            bias = torch.zeros_like(added) if self.layer.bias is None else self.layer.bias.detach()
            self.layer.bias = nn.Parameter(bias + added)

    def _sees_no_border(self) -> bool:
        return isinstance(self.layer, nn.Linear) or _is_unpadded(self.layer)


def _dead(group: list[Unit], readers: dict[str, _Reader], round_to: int) -> list[Unit]:
    """The units of a group that can go; one stays even where all could."""
    dead = [unit for unit in group if all(readers[p.layer].is_deaf(p.position) for p in unit if p.dim == IN)]
    alive = max(1, len(group) - len(dead))
    if any(isinstance(readers[part.layer].layer, nn.Conv2d) for part in group[0] if part.layer in readers):
        multiple = units_in_multiples(group, round_to)
        alive = min(len(group), -(-alive // multiple) * multiple)
    return dead[len(dead) - (len(group) - alive) :]


def _readers(model: fx.GraphModule) -> dict[str, _Reader]:
    """All weighted layers by name, with the constants that reach them."""
    found: dict[str, _Reader] = {}
    constants: dict[fx.Node, Tensor] = {}
    with torch.no_grad():
        for node in model.graph.nodes:
            if node.op == "output":
                continue
            layer = module_of(model, node)
            if isinstance(layer, WeightedLayer):
                found.setdefault(str(node.target), _Reader(layer)).inputs.append(constants[node.all_input_nodes[0]])
            constants[node] = _constants(model, node, constants)
    return found


def _constants(model: fx.GraphModule, node: fx.Node, known: dict[fx.Node, Tensor]) -> Tensor:
    """For each channel of the node's value the number that it always is, or NaN."""
    layer, channels = module_of(model, node), [*node.meta["shape"], 1][1]  # constants may have one dimension
    sources = [known[source] for source in node.all_input_nodes]
    if isinstance(layer, nn.Flatten):
        return sources[0].repeat_interleave(channels // len(sources[0]))
    found = _after_function(node, sources) if layer is None else _after_layer(layer, sources[0])
    return torch.full((channels,), torch.nan) if found is None or len(found) != channels else found


def _after_layer(layer: nn.Module, inputs: Tensor) -> Tensor | None:
    if isinstance(layer, WeightedLayer):
        return _after_weights(layer, inputs)
    if isinstance(layer, BatchNorm):
        return _after_batch_norm(layer, inputs)
    if isinstance(layer, (*POINTWISE, nn.PReLU)):
        return torch.where(inputs.isnan(), inputs, layer(inputs[None])[0])  # quantizers make numbers of NaN
    unpadded = isinstance(layer, nn.AvgPool2d) and layer.padding == 0
    return inputs if unpadded or isinstance(layer, _KEEPS_CONSTANTS) else None


def _after_function(node: fx.Node, sources: list[Tensor]) -> Tensor | None:
    if node.target is torch.cat:
        joined: Tensor = torch.cat(sources)
        return joined
    if node.target not in ELEMENTWISE or len(sources) != 2 or len(sources[0]) != len(sources[1]):
        return None
    value: Tensor = node.target(*sources)
    return value


def _after_weights(layer: WeightedLayer, inputs: Tensor) -> Tensor:
    """Constant where every input that is read with a weight other than zero is; padding mixes in zeros."""
    weight = layer.weight.detach().double().reshape(*layer.weight.shape[:2], -1)
    groups = _groups(layer)
    inputs = inputs.double().reshape(groups, -1).repeat_interleave(len(weight) // groups, 0)  # outputs x inputs
    if isinstance(layer, nn.Conv2d) and not _is_unpadded(layer):
        inputs = torch.where(inputs == 0, inputs, torch.nan)
    total: Tensor = torch.where((weight != 0).any(2), weight.sum(2) * inputs, 0).sum(1)
    return total.float() if layer.bias is None else (total + layer.bias.detach()).float()


def _groups(layer: WeightedLayer) -> int:
    return layer.groups if isinstance(layer, nn.Conv2d) else 1


def _is_unpadded(layer: nn.Conv2d) -> bool:
    return layer.padding in ((0, 0), "valid")


def _after_batch_norm(norm: BatchNorm, inputs: Tensor) -> Tensor:
    """A scale of zero makes any input constant."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return torch.full_like(inputs, torch.nan)
    gamma, beta = scale_and_shift(norm)
    scaled = (inputs - mean) * torch.rsqrt(variance + norm.eps) * gamma
    constants: Tensor = torch.where(gamma == 0, 0, scaled) + beta
    return constants
