"""How many channels each group keeps: what that costs, and where the network notices least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx

from compression.engine.network.form import WeightedLayer, places_of, weighted_calls, weighted_layers
from compression.engine.primitives.channel_labels import IN, Unit
from compression.engine.primitives.channels import units_in_multiples
from compression.engine.primitives.curvature import output_sensitivities
from compression.engine.primitives.moments import layer_grams
from compression.kernels import nearest_multiple
from compression.watch import SILENT, Watch

Widths = list[int]
"""How many units of each group stay, in the order of the groups."""

GRID = 1000
"""Ratios that are looked at between 0 and 1: steps of a tenth of a percent, finer than channels are."""


class WidthCosts:
    """Operations of a network for any widths of its groups, without building it."""

    def __init__(self, model: fx.GraphModule, groups: Sequence[Sequence[Unit]]) -> None:
        self.groups, self.sizes = groups, [len(group) for group in groups]
        self.dims: dict[str, dict[int, int]] = {}
        self.macs_before: Counter[str] = Counter()
        for node, layer in weighted_calls(model):
            self.macs_before[str(node.target)] += layer.weight.numel() * places_of(node, layer)
            self.dims[str(node.target)] = dict(enumerate(layer.weight.shape[:2]))
        # how many positions of each (layer, dimension) one unit of each group takes
        self.positions = [Counter((part.layer, part.dim) for part in group[0]) for group in groups]

    def macs(self, widths: Sequence[int]) -> float:
        """Multiply-accumulates for one image."""
        gone: Counter[tuple[str, int]] = Counter()
        for size, width, positions in zip(self.sizes, widths, self.positions, strict=True):
            for place, count in positions.items():
                gone[place] += count * (size - width)
        total = 0.0
        for name, macs in self.macs_before.items():
            share = 1.0
            for dim, size in self.dims[name].items():
                share *= 1 - gone[name, dim] / size
            total += macs * share
        return total

    def uniform(self, pruning_ratio: float, round_to: int) -> Widths:
        """Each group without the same fraction of its units, its layers with multiples of `round_to` channels."""
        return self.at([pruning_ratio] * len(self.sizes), round_to)

    def at(self, ratios: Sequence[float], round_to: int) -> Widths:
        """Each group without its own fraction of its units, its layers with multiples of `round_to` channels."""
        each = zip(self.sizes, ratios, self.multiples(round_to), strict=True)
        return [nearest_multiple(size, 1 - ratio, multiple) for size, ratio, multiple in each]

    def multiples(self, round_to: int) -> Widths:
        """How many units of each group are taken at a time."""
        return [units_in_multiples(group, round_to) for group in self.groups]

    def uniform_macs(self, fraction: float, round_to: int) -> Widths:
        """The same ratio for each group, such that as nearly as possible `fraction` of the operations go."""
        wanted = (1 - fraction) * self.macs(self.sizes)
        choices = (self.uniform(number / GRID, round_to) for number in range(GRID + 1))
        return min(choices, key=lambda widths: abs(self.macs(widths) - wanted))


def greedy_widths(
    curves: Sequence[Tensor], cost: Callable[[Sequence[int]], float], wanted: float, multiples: Widths
) -> Widths:
    """Take units away where they cost least distortion per cost saved, until `cost(widths)` is at most `wanted`.

    `curves[g][k]` is the distortion without k units of group g (rising with k, 0 for none). Of the last step, the
    side nearer to `wanted` is taken. Units of group g go `multiples[g]` at a time, and as many stay at least.
    """
    widths = [len(curve) - 1 for curve in curves]
    steepest = [0.0] * len(curves)
    now = cost(widths)
    while now > wanted:
        choices = []
        for group, curve in enumerate(curves):
            width = _next_width(widths[group], multiples[group])
            if width is None:
                continue
            after = cost([*widths[:group], width, *widths[group + 1 :]])
            size = len(curve) - 1
            rise = max(
                float(curve[size - width] - curve[size - widths[group]]) / max(now - after, 1e-9), steepest[group]
            )
            choices.append((rise, group, width, after))
        if not choices:
            break
        rise, group, width, after = min(choices)
        if after < wanted and wanted - after > now - wanted:
            break
        widths[group], steepest[group], now = width, rise, after
    return widths


def _next_width(width: int, multiple: int) -> int | None:
    """The next smaller multiple, if there is one."""
    smaller = (width - 1) // multiple * multiple
    return smaller if smaller > 0 else None


def distortion_curves(
    model: fx.GraphModule,
    groups: Sequence[Sequence[Unit]],
    importances: Sequence[Tensor],
    x: Tensor,
    *,
    seed: int,
    watch: Watch = SILENT,
) -> list[Tensor]:
    """For each group of n units, how far the logits move without its k least important ones, k = 0..n.

    Measured on images `x` (N x C x H x W) for each group alone: the squared error that remains in the layers
    which read the group after their other weights have been fitted to make up for the loss, weighted by
    how far each of their outputs moves the logits. With H the products of a reader's inputs and D the removed
    ones, that error is w_D [H^-1]_DD^-1 w_D for each row w of weights (Hassibi and Stork, 1993), and one
    Cholesky factorization in the order of removal gives it for every k.
    """
    grams = layer_grams(model, x, watch)
    sensitivities = output_sensitivities(model, x, seed, watch)
    layers = weighted_layers(model)
    inverses = {name: torch.linalg.inv(gram) for name, gram in grams.items()}
    curves = []
    for group, importance in zip(groups, importances, strict=True):
        watch.check()
        order = [group[index] for index in torch.argsort(importance, stable=True).tolist()]
        readers = sorted({part.layer for part in group[0] if part.dim == IN})
        curve = torch.zeros(len(group) + 1, dtype=torch.float64)
        for name in readers:
            curve[1:] += _reader_errors(layers[name], inverses[name], sensitivities[name], name, order)
        curves.append(curve)
    return curves


def _reader_errors(
    layer: WeightedLayer, inverse: Tensor, sensitivity: Tensor, name: str, order: Sequence[Unit]
) -> Tensor:
    """The reader's weighted squared error after each unit in turn has gone."""
    positions = [[part.position for part in unit if part.layer == name and part.dim == IN] for unit in order]
    area = layer.weight[0, 0].numel()
    features = (torch.tensor(positions)[:, :, None] * area + torch.arange(area)).flatten()
    groups = len(inverse)
    rows = layer.weight.detach().double().reshape(groups, -1, inverse.shape[1])[:, :, features]
    factor = torch.linalg.cholesky(inverse[:, features[:, None], features])
    explained = torch.linalg.solve_triangular(factor, rows.mT, upper=False).square() / 2
    errors = (explained * sensitivity.double().reshape(groups, 1, -1)).sum((0, 2))
    curve: Tensor = errors.reshape(len(order), -1).sum(1).cumsum(0)
    return curve
