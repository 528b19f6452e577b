"""A layer as a product of two thinner ones, at every rank."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from compression.engine.build import load_network
from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.course.chosen_layer import corner, gram_of, layer_of
from compression.engine.primitives.factorization import matrix_factors, matrix_spectrum
from compression.errors import NotApplicable
from compression.inquiries.course import COLUMNS, ROWS, Factored, FactorInquiry


def factors(inquiry: FactorInquiry, bench: Bench) -> Factored:
    """The layer as a matrix, outputs x inputs, as factorization sees it: not for larger windows or layers in groups."""
    model = load_network(bench.subject)
    layer = layer_of(model, inquiry)
    if getattr(layer, "groups", 1) != 1 or layer.weight[0, 0].numel() != 1:
        raise NotApplicable(f"The layer {inquiry.layer} is no matrix: it has a window, or treats each channel alone.")
    weight = layer.weight.detach().flatten(1).double()
    gram = gram_of(model, inquiry, bench)[0]
    rank = min(weight.shape)
    bench.watch.report(0.5, "finding the most important directions")
    right, left = matrix_factors(weight, gram, rank)
    bench.watch.check()
    bench.watch.report(0.8, "errors at every rank")
    errors = matrix_spectrum(weight, gram)
    outputs, inputs = weight.shape
    return Factored(
        weights=corner(weight).astype(np.float16),
        left=left[:ROWS].numpy().astype(np.float16),
        right=right[:, :COLUMNS].numpy().astype(np.float16),
        errors=errors[: rank + 1].numpy(),
        plain_errors=_plain_errors(weight, gram).numpy(),
        shape=(outputs, inputs),
    )


def _plain_errors(weight: Tensor, gram: Tensor) -> Tensor:
    """Relative squared error of the answers at rank 0, 1, ... full of the weights' own singular value decomposition."""
    left = torch.linalg.svd(weight, full_matrices=False).U
    directions = left.mT @ weight
    answered = ((directions @ gram) * directions).sum(1)
    error = 1 - torch.cat([torch.zeros(1, dtype=weight.dtype), answered.cumsum(0)]) / answered.sum()
    bounded: Tensor = error.clamp(min=0)
    return bounded
