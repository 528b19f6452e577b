"""A layer as a product of two thinner ones, at every rank."""

from __future__ import annotations

import numpy as np
import torch

from compression.errors import NotApplicable
from compression.laboratory.bench import Bench
from compression.laboratory.lessons.layer import corner, gram_of, layer_of, network_of
from compression.primitives.factorization import matrix_factors, matrix_spectrum
from compression.studies.lessons import COLUMNS, ROWS, Factored, FactorStudy


def factors(study: FactorStudy, bench: Bench) -> Factored:
    """The layer as a matrix, outputs x inputs: a filter's places count as inputs. Not for layers in groups."""
    model = network_of(bench)
    layer = layer_of(model, study)
    if getattr(layer, "groups", 1) != 1:
        raise NotApplicable(f"The layer {study.layer} treats each channel alone: there is no product to take apart.")
    weight = layer.weight.detach().flatten(1).double()
    gram = gram_of(model, study, bench)[0]
    rank = min(weight.shape)
    bench.report(0.5, "finding the most important directions")
    right, left = matrix_factors(weight, gram, rank)
    bench.check_cancelled()
    bench.report(0.8, "errors at every rank")
    errors, plain = (matrix_spectrum(weight, of) for of in (gram, torch.eye(len(gram), dtype=gram.dtype)))
    outputs, inputs = weight.shape
    return Factored(
        weights=corner(weight).astype(np.float16),
        left=left[:ROWS].numpy().astype(np.float16),
        right=right[:, :COLUMNS].numpy().astype(np.float16),
        errors=errors[: rank + 1].numpy(),
        plain_errors=plain[: rank + 1].numpy(),
        shape=(outputs, inputs),
    )
