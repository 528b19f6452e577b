"""Store weights, and optionally activations, with few bits."""

from __future__ import annotations

import torch
from torch import fx

from compression.network import Affine, Half, WeightedLayer, restrict, weight_format, weighted_layers
from compression.primitives.affine import fit_affine
from compression.primitives.batch_norm import fold_batch_norm
from compression.primitives.calibration import insert_quantizers
from compression.recipe import Quantization
from compression.techniques.context import Context


def quantization(model: fx.GraphModule, step: Quantization, context: Context) -> fx.GraphModule:
    """Move all weights onto grids of `step.weight_bits` bits, after folding batch norm (Jacob et al., 2018).

    Every convolution and linear layer gets an `Affine` grid (1 to 8 bits) or `Half` (16); masked weights
    stay zero and biases stay float. With `activation_bits` the input and the activations between layers
    are rounded too, over ranges fitted on the calibration images.
    """
    quantized = fold_batch_norm(model)
    layers = weighted_layers(quantized)
    for number, (name, layer) in enumerate(layers.items()):
        context.check_cancelled()
        restrict(layer, grid=_grid(layer, step))
        context.report((number + 1) / (len(layers) + 1), f"quantized {name}")
    if step.activation_bits is not None:
        x = torch.from_numpy(context.dataset.calibration.x)
        insert_quantizers(quantized, x, step.activation_bits, context.check_cancelled)
    context.report(1, "quantized")
    return quantized


def _grid(layer: WeightedLayer, step: Quantization) -> Affine | Half:
    if step.weight_bits == 16:
        return Half()
    return fit_affine(
        layer.weight,
        step.weight_bits,
        per_channel=step.granularity == "channel",
        symmetric=step.symmetric,
        method=step.method,
        mask=weight_format(layer).mask,
    )
