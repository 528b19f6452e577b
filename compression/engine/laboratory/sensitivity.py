"""Accuracy on validation images while one layer alone is compressed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from compression.engine.build import load_network
from compression.engine.laboratory.bench import Bench
from compression.engine.network.form import WeightedLayer, weighted_layers
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.execution import Rehearsal
from compression.engine.primitives.patterns import pattern_masks
from compression.inquiries.sensitivity import BITS, SPARSITIES, LayerSensitivity, Sensitivities, SensitivityInquiry

MAX_IMAGES = 500
"""One image is then a fifth of a point. MobileNet takes a minute for as many, the other models seconds."""
BATCH = 50
"""What all layers answered to these is kept, so that only what comes behind the changed layer is computed anew."""

Forms = dict[str, list[Tensor]]
"""The weights of each layer in every compressed form: first `BITS`, then `SPARSITIES`."""
Counts = NDArray[np.int64]
Batch = tuple[NDArray[np.float32], NDArray[np.int64]]


def sensitivity(inquiry: SensitivityInquiry, bench: Bench) -> Sensitivities:
    """Every layer of the uncompressed network rounded and pruned alone, by the simplest means there are.

    Rounding: the nearest code of a symmetric grid for each output channel, clipped where that lowers the squared
    error. Pruning: the smallest weights of the layer. Nothing makes up for either, so that a technique that fits
    what is left, as most here do, loses less.
    """
    model = fold_batch_norm(load_network(bench.subject))
    forms = {name: _forms(layer) for name, layer in weighted_layers(model).items()}
    images = bench.dataset.validation.head(MAX_IMAGES)
    right, whole = {name: np.zeros(len(BITS) + len(SPARSITIES), np.int64) for name in forms}, 0
    for done, batch in enumerate(images.batches(BATCH)):
        bench.watch.report(done * BATCH / len(images), f"image {done * BATCH:,} of {len(images):,}")
        whole += _add_batch(model, forms, batch, right, bench)
    rates = {name: tuple((counts / len(images)).tolist()) for name, counts in right.items()}
    layers = tuple(
        LayerSensitivity(
            name=name,
            weights=layer.weight.numel(),
            by_bits=rates[name][: len(BITS)],
            by_sparsity=rates[name][len(BITS) :],
        )
        for name, layer in weighted_layers(model).items()
    )
    return Sensitivities(n_images=len(images), accuracy=whole / len(images), layers=layers)


def _forms(layer: WeightedLayer) -> list[Tensor]:
    weight = layer.weight.detach()
    rounded = [fit_affine(weight, bits).project(weight) for bits in BITS]
    pruned = [weight * pattern_masks([weight.abs()], sparsity, "layer", "weights")[0] for sparsity in SPARSITIES]
    return [form.clone() for form in (*rounded, *pruned)]


def _add_batch(model: fx.GraphModule, forms: Forms, batch: Batch, right: Mapping[str, Counts], bench: Bench) -> int:
    """Count the images that each form gets right; returns how many the network itself does."""
    x, y = map(torch.from_numpy, batch)
    with torch.no_grad():
        run = Rehearsal(model, x, bench.watch)
        for name, layer in weighted_layers(model).items():
            for which, logits in enumerate(run.logits_with_each(name, layer, forms[name])):
                right[name][which] += int((logits.argmax(1) == y).sum())
    return int((run.logits.argmax(1) == y).sum())
