"""The codebooks of a layer, from 2 to 256 values."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.course.chosen_layer import histogram, layer_of, network_of, padded
from compression.engine.primitives.affine import CLIP_RATIOS
from compression.engine.primitives.clustering import nearest_codes, shared_values
from compression.inquiries.course import CLUSTERS, Shared, SharingInquiry

TRIED = 20_000
"""Weights on which the range of evenly spaced values is chosen; the error is then that of all."""


def sharing(inquiry: SharingInquiry, bench: Bench) -> Shared:
    """The best shared values (k-means), and for comparison the best evenly spaced ones."""
    weights = layer_of(network_of(bench), inquiry).weight.detach().flatten()
    books: list[Tensor] = []
    even: list[Tensor] = []
    for number, clusters in enumerate(CLUSTERS):
        bench.watch.check()
        bench.watch.report(number / len(CLUSTERS), f"{clusters} shared values")
        books.append(shared_values(weights, torch.ones_like(weights), clusters))
        even.append(_even_values(weights[:: max(1, weights.numel() // TRIED)], clusters))
    counts, edges = histogram(weights)
    return Shared(
        counts=counts,
        edges=edges,
        values=np.stack([padded(book) for book in books]),
        members=np.stack([_members(weights, book) for book in books]),
        errors=np.array([_error(weights, book) for book in books]),
        even_errors=np.array([_error(weights, book) for book in even]),
        size=weights.numel(),
    )


def _members(weights: Tensor, values: Tensor) -> np.ndarray:
    counts: np.ndarray = torch.bincount(nearest_codes(weights, values).long(), minlength=256).numpy()
    return counts


def _error(weights: Tensor, values: Tensor) -> float:
    """Mean squared change of a weight, relative to the weights' mean square."""
    change = values[nearest_codes(weights, values).long()] - weights
    return float(change.double().square().sum() / weights.double().square().sum())


def _even_values(weights: Tensor, count: int) -> Tensor:
    """Evenly spaced values over the range of the weights, or over the part of it that serves them best."""
    low, high = weights.min(), weights.max()
    tried = [torch.linspace(float(ratio * low), float(ratio * high), count) for ratio in CLIP_RATIOS]
    return min(tried, key=lambda values: _error(weights, values))
