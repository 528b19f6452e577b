"""Store weights, and optionally activations, with few bits."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from compression.network import Affine, Half, WeightedLayer, clone, restrict, weight_format, weighted_layers
from compression.primitives.affine import fit_affine
from compression.primitives.batch_norm import fold_batch_norm
from compression.primitives.calibration import insert_quantizers
from compression.primitives.reconstruction import reconstruct
from compression.recipe import Quantization
from compression.techniques.context import Context

BIAS_CORRECTION_BITS = 4
"""Finer grids shift averages too little for it to show in accuracy (measured on the sample models)."""


def quantization(model: fx.GraphModule, step: Quantization, context: Context) -> fx.GraphModule:
    """Move all weights onto grids of `step.weight_bits` bits, after folding batch norm (Jacob et al., 2018).

    Every convolution and linear layer gets an `Affine` grid (1 to 8 bits) or `Half` (16); masked weights
    stay zero and biases stay float. Up to four bits, rounding shifts what a layer answers on average; its
    bias makes up for that, unless fewer calibration images then get the class they got before. With
    `activation_bits` the input and the activations between layers are rounded too, over ranges fitted on
    the calibration images.
    """
    folded = fold_batch_norm(model)
    quantized = clone(folded)
    layers = weighted_layers(quantized)
    for number, (name, layer) in enumerate(layers.items()):
        context.check_cancelled()
        restrict(layer, grid=_grid(layer, step))
        context.report((number + 1) / (len(layers) + 1), f"quantized {name}")
    x = torch.from_numpy(context.dataset.calibration.x)
    if step.weight_bits <= BIAS_CORRECTION_BITS:
        quantized = _correct_biases(folded, quantized, x, context)
    if step.activation_bits is not None:
        insert_quantizers(quantized, x, step.activation_bits, context.check_cancelled)
    context.report(1, "quantized")
    return quantized


def _correct_biases(folded: fx.GraphModule, quantized: fx.GraphModule, x: Tensor, context: Context) -> fx.GraphModule:
    """Move biases so that layers answer the same on average (Nagel et al., 2019), where that helps."""
    corrected = clone(quantized)
    reconstruct(folded, corrected, {}, x, check_cancelled=context.check_cancelled)
    with torch.no_grad():
        expected = folded(x).argmax(1)
        agreeing = [int((candidate(x).argmax(1) == expected).sum()) for candidate in (quantized, corrected)]
    return corrected if agreeing[1] >= agreeing[0] else quantized


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
