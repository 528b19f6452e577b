"""Store weights, and optionally activations, with few bits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from compression.engine.network.form import WeightedLayer, clone, place, restrict, weight_format, weighted_layers
from compression.engine.network.grids import Affine, BrainFloat, Half
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.bit_allocation import allocate_bits, bit_losses
from compression.engine.primitives.calibration import (
    Sampler,
    Samples,
    insert_dynamic_quantizers,
    insert_quantizers,
    linear_inputs,
    quantization_points,
    sample_activations,
)
from compression.engine.primitives.equalization import equalize
from compression.engine.primitives.layerwise import Visit, can_visit, layers_in_turn
from compression.engine.primitives.reconstruction import correct_biases
from compression.engine.primitives.rounding import layer_problem, round_layer
from compression.engine.techniques.context import Context, fitting_images
from compression.engine.techniques.levels import levels_of
from compression.errors import NotApplicable
from compression.recipe.steps import GRID_BITS, Quantization

BIAS_CORRECTION_BITS = 4
"""Finer grids shift averages too little for it to show in accuracy (measured on the sample models)."""

FINE_BITS = 7
"""Bits from which, with a scale for each channel, the nearest code is as good as one fitted to the layer's answers:
no sample model, whole, without half of its channels or with 80 % zeros, then differs by more than its validation images
can show. With 6 bits a pruned ResNet-20 loses 0.9 %. Fitting takes three to twenty times as long."""

SENSITIVITY_IMAGES = 64
"""Divergences of predictions are smooth: 128 images give the same bits to the layers of the sample models."""

Bits = dict[str, int]
"""Bits a weight, by layer."""

Rounded = tuple[fx.GraphModule, Samples | None]
"""The network with rounded weights, and what its activations are on calibration images where that is known."""


def quantization(model: fx.GraphModule, step: Quantization, context: Context) -> fx.GraphModule:
    """Move all weights onto grids of `step.weight_bits` bits, after folding batch norm (Jacob et al., 2018).

    Every convolution and linear layer gets an `Affine` grid (1 to 8 bits), `Half` or `BrainFloat` (16); masked
    weights stay zero and biases stay float. `auto` is `nearest` where codes are fine enough for that (`FINE_BITS`),
    and `gptq` below. `nearest` and `mse` look at the weights alone; up to four bits,
    biases then make up for what rounding shifts on average (Nagel et al., 2019), unless fewer calibration images
    get the class they got before. `gptq` (Frantar et al., 2023) and `adaround` (Nagel et al., 2020, its objective
    minimised by coordinate descent) fit each layer's codes, scales and biases to what the layer answered before,
    on 512 images without their labels. Two bits are ternary (Li et al., 2016), one is binary.

    `equalize` first balances ranges between layers (Nagel et al., 2019); `mixed_precision` gives each layer 1 to
    8 bits by how far predictions move when it alone is rounded, `weight_bits` on average; `levels` say the bits of
    single layers. With `activation_bits`
    the input and the activations between layers are rounded too, over ranges fitted on calibration images; or,
    `dynamic`, the inputs of linear layers over a range found for each image.

    Raises `NotApplicable` for `dynamic` without linear layers, integer weights or activation bits, for 16 bits
    with `mixed_precision`, and for `equalize` where no two layers are neighbours.
    """
    _check_applicable(model, step)
    reference = fold_batch_norm(model)
    x = torch.from_numpy(context.dataset.calibration.x)
    if step.equalize and not equalize(reference, x, context.watch):
        raise NotApplicable("No two layers of this network are neighbours with only a ReLU between. Set equalize off.")
    bits = _bits_of_layers(reference, step, x, context)
    context.watch.report(0.1, "rounding weights")
    quantized, samples = _ROUNDERS[_method(step)](reference, bits, step, context)
    context.watch.report(0.9, "rounding activations")
    _quantize_activations(quantized, samples, step, context)
    context.watch.report(1, "quantized")
    return quantized


def _method(step: Quantization) -> str:
    """The name of what rounds the weights."""
    if step.weight_bits == 16:
        return "16-bit"
    if step.method != "auto":
        return step.method
    is_fine = step.lowest_level >= FINE_BITS and step.granularity == "channel" and not step.mixed_precision
    return "nearest" if is_fine else "gptq"


def _check_applicable(model: fx.GraphModule, step: Quantization) -> None:
    if step.mixed_precision and step.weight_bits == 16:
        raise NotApplicable("Mixed precision shares 1 to 8 bits out among layers. Set weight_bits to at most 8.")
    if step.activations == "static":
        return
    if step.activation_bits is None:
        raise NotApplicable("Ranges found for each image need bits to fill them. Set activation_bits, to 8 for one.")
    if step.weight_bits == 16:
        raise NotApplicable("Dynamic ranges serve integer kernels, and 16-bit weights are floats. Use at most 8 bits.")
    if not any(isinstance(layer, nn.Linear) for layer in weighted_layers(model).values()):
        raise NotApplicable("Dynamic ranges serve linear layers, and this network has none. Use static ranges.")


def _bits_of_layers(model: fx.GraphModule, step: Quantization, x: Tensor, context: Context) -> Bits:
    layers = weighted_layers(model)
    if not step.mixed_precision:
        return {name: int(level) for name, level in levels_of(step, layers).items()}
    losses = bit_losses(
        model,
        x[:SENSITIVITY_IMAGES],
        GRID_BITS,
        lambda layer, bits: _grid(layer, bits, step).project(layer.weight),
        context.watch,
    )
    sizes = [int(torch.count_nonzero(layers[name].weight)) for name in losses]
    allocated = allocate_bits(list(losses.values()), sizes, step.weight_bits)
    return dict(zip(losses, allocated, strict=True))


# --- weights -----------------------------------------------------------------------------------------------------


def _to_sixteen_bits(reference: fx.GraphModule, bits: Bits, step: Quantization, context: Context) -> Rounded:
    """Each layer to the kind asked for, or from float16 to bfloat16 where range loses more than fineness wins."""
    kinds = (Half(), BrainFloat()) if step.float_format == "float16" else (BrainFloat(),)
    quantized = clone(reference)
    for layer in weighted_layers(quantized).values():
        context.watch.check()
        weight = layer.weight.detach()
        restrict(layer, grid=min(kinds, key=lambda kind: float((kind.project(weight) - weight).norm())))
    return quantized, None


def _to_nearest(reference: fx.GraphModule, bits: Bits, step: Quantization, context: Context) -> Rounded:
    """Each weight to its nearest code; then biases make up for the shift, where that helps."""
    quantized = clone(reference)
    for name, layer in weighted_layers(quantized).items():
        context.watch.check()
        restrict(layer, grid=_grid(layer, bits[name], step))
    if min(bits.values()) <= BIAS_CORRECTION_BITS:
        x = torch.from_numpy(context.dataset.calibration.x)
        return correct_biases(reference, quantized, x, context.watch), None
    return quantized, None


def _in_turn(reference: fx.GraphModule, bits: Bits, step: Quantization, context: Context) -> Rounded:
    """Layer after layer, each fitted to what it answered before; layers that cannot be fitted: to the nearest.

    The images begin with those for calibration, so that activations are seen on the way.
    """
    quantized = clone(reference)
    layers = weighted_layers(quantized)
    for name, layer in layers.items():
        if not can_visit(layer):
            restrict(layer, grid=_grid(layer, bits[name], step))
    sampler = Sampler(_activations(quantized, step), len(context.dataset.calibration))
    x = fitting_images(context.dataset)
    visits = layers_in_turn(reference, quantized, x, context.watch, sampler.see)
    for done, visit in enumerate(visits, 1):
        _fit(visit, bits[visit.name], step, context)
        context.watch.report((1 + 8 * done / len(layers)) / 10, f"rounded {visit.name}")
    return quantized, sampler.samples()


def _fit(visit: Visit, bits: int, step: Quantization, context: Context) -> None:
    layer = visit.layer
    problem = layer_problem(layer, visit.inputs, visit.answers)
    grid, weight = round_layer(
        problem,
        layer.weight.shape,
        bits,
        per_channel=step.granularity == "channel",
        symmetric=step.symmetric,
        descent=step.method == "adaround",
        watch=context.watch,
    )
    place(layer, grid, weight)
    if layer.bias is not None:
        means = visit.inputs.mean(1, keepdim=True) @ weight.reshape(problem.target.shape).mT
        with torch.no_grad():
            layer.bias.copy_((visit.answers.mean(1, keepdim=True) - means).flatten())


def _grid(layer: WeightedLayer, bits: int, step: Quantization) -> Affine:
    return fit_affine(
        layer.weight,
        bits,
        per_channel=step.granularity == "channel",
        symmetric=step.symmetric,
        method="nearest" if _method(step) == "nearest" else "mse",
        mask=weight_format(layer).mask,
    )


_ROUNDERS: dict[str, Callable[[fx.GraphModule, Bits, Quantization, Context], Rounded]] = {
    "16-bit": _to_sixteen_bits,
    "nearest": _to_nearest,
    "mse": _to_nearest,
    "gptq": _in_turn,
    "adaround": _in_turn,
}


# --- activations -------------------------------------------------------------------------------------------------


def _activations(model: fx.GraphModule, step: Quantization) -> list[fx.Node]:
    """The nodes whose values are to be rounded."""
    if step.activation_bits is None:
        return []
    return quantization_points(model) if step.activations == "static" else linear_inputs(model)


def _quantize_activations(model: fx.GraphModule, samples: Samples | None, step: Quantization, context: Context) -> None:
    if step.activation_bits is None:
        return
    if samples is None:
        x = torch.from_numpy(context.dataset.calibration.x)
        samples = sample_activations(model, _activations(model, step), x, context.watch)
    if step.activations == "static":
        insert_quantizers(model, samples, step.activation_bits, context.watch)
    else:
        insert_dynamic_quantizers(model, samples, step.activation_bits)
