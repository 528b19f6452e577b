"""The codebooks of a layer, from 2 to 256 values."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.course.chosen_layer import histogram, layer_of, network_of, padded
from compression.engine.primitives.affine import CLIP_RATIOS
from compression.engine.primitives.clustering import nearest_codes, shared_values
from compression.engine.primitives.curvature import squared_derivatives
from compression.engine.techniques.context import fitting_images
from compression.engine.techniques.weight_sharing import CURVATURE_IMAGES, relative_importance
from compression.inquiries.course import CLUSTERS, Shared, SharingInquiry

SEED = 0
"""That of the recipes that the course measures."""

TRIED = 20_000
"""Weights on which the range of evenly spaced values is chosen; the error is then that of all."""


def sharing(inquiry: SharingInquiry, bench: Bench) -> Shared:
    """The best shared values (k-means), as weight sharing finds them, and beside them the best evenly spaced ones."""
    model = network_of(bench)
    weights = layer_of(model, inquiry).weight.detach().flatten()
    bench.watch.report(0, "how much each weight matters")
    x = fitting_images(bench.dataset)[:CURVATURE_IMAGES]
    curvature = squared_derivatives(model, x, SEED, bench.watch)[inquiry.layer].flatten()
    books: list[Tensor] = []
    errors: list[float] = []
    even_errors: list[float] = []
    for number, clusters in enumerate(CLUSTERS):
        bench.watch.check()
        bench.watch.report(0.2 + 0.8 * number / len(CLUSTERS), f"{clusters} shared values")
        importance = relative_importance(curvature, curvature.mean(), clusters)
        books.append(shared_values(weights, importance, clusters))
        errors.append(_error(weights, importance, books[-1]))
        even_errors.append(_error(weights, importance, _even_values(weights, importance, clusters)))
    counts, edges = histogram(weights)
    return Shared(
        counts=counts,
        edges=edges,
        values=np.stack([padded(book) for book in books]),
        members=np.stack([_members(weights, book) for book in books]),
        errors=np.array(errors),
        even_errors=np.array(even_errors),
        size=weights.numel(),
    )


def _members(weights: Tensor, values: Tensor) -> np.ndarray:
    counts: np.ndarray = torch.bincount(nearest_codes(weights, values).long(), minlength=256).numpy()
    return counts


def _error(weights: Tensor, importance: Tensor, values: Tensor) -> float:
    """Mean squared change of a weight, relative to the weights' mean square; each counts by its importance."""
    change = values[nearest_codes(weights, values).long()] - weights
    counted = importance.double()
    return float((counted * change.square()).sum() / (counted * weights.square()).sum())


def _even_values(weights: Tensor, importance: Tensor, count: int) -> Tensor:
    """Evenly spaced values over the range of the weights, or over the part of it that serves them best."""
    low, high, some = weights.min(), weights.max(), slice(None, None, max(1, weights.numel() // TRIED))
    tried = [torch.linspace(float(ratio * low), float(ratio * high), count) for ratio in CLIP_RATIOS]
    return min(tried, key=lambda values: _error(weights[some], importance[some], values))
