"""Which layer gets how many bits, under a budget for all of them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, fx
from torch.nn import functional

from compression.engine.network.form import WeightedLayer, weighted_calls
from compression.engine.primitives.execution import Changed, Rehearsal
from compression.knapsack import choose
from compression.watch import Watch

Curve = Mapping[int, float]
"""What a layer costs in quality at each number of bits."""

Rounded = Callable[[WeightedLayer, int], Tensor]
"""A layer's weight rounded to that many bits."""


def bit_losses(
    model: fx.GraphModule, x: Tensor, bits: Sequence[int], rounded: Rounded, watch: Watch
) -> dict[str, Curve]:
    """How far predictions on images `x` (N x C x H x W) move when one layer alone is rounded, for all layers.

    For each layer and number of bits: Kullback-Leibler divergence from the model's own predictions, in nats, mean
    over the images. Only what comes behind the layer is computed anew. The model is left as it was.
    """
    losses: dict[str, Curve] = {}
    with torch.no_grad():
        run = Rehearsal(model, x, watch)
        for name, layer in {str(node.target): layer for node, layer in weighted_calls(model)}.items():
            answers = run.logits_with_each({name: Changed(rounded(layer, count))} for count in bits)
            losses[name] = {
                count: max(0.0, float(divergences(run.logits, found).mean()))
                for count, found in zip(bits, answers, strict=True)
            }
    return losses


def divergences(expected: Tensor, found: Tensor) -> Tensor:
    """KL(expected || found) of two sets of logits (N x classes), N; float rounding may put it below 0."""
    logs = functional.log_softmax(expected, 1), functional.log_softmax(found, 1)
    return functional.kl_div(logs[1], logs[0], reduction="none", log_target=True).sum(1)


def allocate_bits(losses: Sequence[Curve], sizes: Sequence[int], average: float) -> list[int]:
    """Bits for each layer with the least sum of losses and sum(size x bits) <= average x sum(sizes): see `choose`.

    `losses[i]` maps every number of bits that layer i may have to its loss; `sizes[i]` is its number of weights.
    Losses are taken to add up and not to rise with more bits, and bits that gain nothing are not spent. Raises
    `ValueError` if not even the fewest bits fit.
    """
    curves = [_falling(curve) for curve in losses]
    options = [[(loss, size * bits) for bits, loss in curve.items()] for curve, size in zip(curves, sizes, strict=True)]
    chosen = choose(options, [average * sum(sizes)])
    if chosen is None:
        fewest = min(min(curve) for curve in curves)
        raise ValueError(f"an average of {average} bits is below the fewest that the layers can have, {fewest}")
    return [list(curve)[number] for curve, number in zip(curves, chosen, strict=True)]


def _falling(curve: Curve) -> dict[int, float]:
    """The curve without noise that would make more bits look worse."""
    lowest, result = float("inf"), {}
    for bits in sorted(curve):
        lowest = min(lowest, curve[bits])
        result[bits] = lowest
    return result
