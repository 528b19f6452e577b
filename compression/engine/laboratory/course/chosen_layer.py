"""The layer that a lesson is about, and how far off its answers are when its weights change."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from compression.engine.build import load_network
from compression.engine.laboratory.bench import Bench
from compression.engine.network.form import WeightedLayer, weighted_layers
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.execution import Walk
from compression.engine.primitives.moments import has_patches, input_rows, layer_grams
from compression.errors import InvalidRecipe
from compression.inquiries.course import COLUMNS, ROWS, LayerInquiry


def network_of(bench: Bench) -> fx.GraphModule:
    """The trained network as quantization sees it, with batch norm folded into the layers before it."""
    return fold_batch_norm(load_network(bench.subject))


def layer_of(model: fx.GraphModule, inquiry: LayerInquiry) -> WeightedLayer:
    """The inquiry's layer; raises `InvalidRecipe` with the names there are."""
    layers = weighted_layers(model)
    if inquiry.layer not in layers:
        raise InvalidRecipe(f"There is no layer {inquiry.layer[:80]!r}. Choose one of: {', '.join(layers)}.")
    return layers[inquiry.layer]


def gram_of(model: fx.GraphModule, inquiry: LayerInquiry, bench: Bench) -> Tensor:
    """Mean products of what reaches the layer on calibration images, about its mean: groups x features x features."""
    bench.watch.report(0, "running images through the network")
    x = torch.from_numpy(bench.dataset.calibration.x)
    with torch.no_grad():
        return layer_grams(model, x, bench.watch)[inquiry.layer]


def mean_of(model: fx.GraphModule, inquiry: LayerInquiry, bench: Bench) -> Tensor:
    """The mean of what reaches the layer on calibration images: groups x features; of all calls of the layer."""
    x = torch.from_numpy(bench.dataset.calibration.x)
    with torch.no_grad():
        calls = [call for call in Walk(model, x, bench.watch).calls() if call.name == inquiry.layer]
        if not has_patches(calls[0].layer):  # as `layer_grams`, which then knows nothing of the inputs either
            return torch.zeros(getattr(calls[0].layer, "groups", 1), calls[0].layer.weight[0].numel())
        return torch.stack([input_rows(call.layer, call.x, call.y.shape).mean(1) for call in calls]).mean(0)


def answer_error(weight: Tensor, new: Tensor, gram: Tensor, mean: Tensor | None = None) -> float:
    """The squared error of the layer's answers with weights `new`, relative to how much the answers vary.

    0 is the same, and 1 what a layer gives that always answers the average. Where a bias makes up for it, a shift of
    the average is no error; without, `mean` (groups x features) says what reaches the layer on average.
    """
    reached = gram.float()
    wrong, right = (_answers(one, reached) for one in (new - weight, weight))
    if mean is not None:
        shift = (new - weight).reshape(len(mean), -1, mean.shape[-1]) @ mean[:, :, None]
        wrong = wrong + shift.square().sum()
    return float(wrong / right.clamp(min=torch.finfo(torch.float32).tiny))


def _answers(weight: Tensor, gram: Tensor) -> Tensor:
    rows = weight.reshape(len(gram), -1, gram.shape[-1])
    return ((rows @ gram) * rows).sum()


def corner(weight: Tensor) -> NDArray[Any]:
    """The part of a weight (outputs x ...) that is drawn, as a matrix."""
    shown: NDArray[Any] = weight.detach().flatten(1)[:ROWS, :COLUMNS].numpy()
    return shown


def padded(values: Tensor, width: int = 256) -> NDArray[np.float32]:
    """A vector filled up with NaN."""
    row = np.full(width, np.nan, np.float32)
    row[: values.numel()] = values.detach().flatten().numpy()
    return row


def histogram(weight: Tensor, bins: int = 80) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many weights lie in each of `bins` intervals of equal width, and their edges."""
    counts, edges = np.histogram(weight.detach().numpy(), bins=bins)
    return counts.astype(np.int64), edges.astype(np.float64)
