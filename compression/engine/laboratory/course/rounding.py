"""What a layer's weights become with 1 to 8 bits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.course.chosen_layer import (
    answer_error,
    corner,
    gram_of,
    histogram,
    layer_of,
    network_of,
    padded,
)
from compression.engine.network.grids import Affine
from compression.engine.primitives.affine import fit_affine
from compression.inquiries.course import BITS, GRIDS, Rounded, RoundingInquiry

SAMPLE = 16
"""Weights on the number line: more would hide each other."""


def rounding(inquiry: RoundingInquiry, bench: Bench) -> Rounded:
    """Symmetric grids, as quantization fits them, and the nearest value on each for every weight."""
    model = network_of(bench)
    weight = layer_of(model, inquiry).weight.detach()
    gram = gram_of(model, inquiry, bench)
    rows = weight.flatten(1)
    ranges = torch.stack([rows.amin(1), rows.amax(1)], 1)
    channel = _middle_channel(ranges)
    sample = _spread(rows[channel])
    grids: dict[str, list[Affine]] = {}
    for number, (granularity, method) in enumerate(GRIDS):
        name, settings = f"{granularity} {method}", {"per_channel": granularity == "channel", "method": method}
        bench.watch.report(0.3 + 0.7 * number / len(GRIDS), f"rounding, {name}")
        bench.watch.check()
        grids[name] = [fit_affine(weight, bits, **settings) for bits in BITS]  # type: ignore[arg-type]
    ones = {name: [_of_channel(grid, channel) for grid in some] for name, some in grids.items()}
    weights = {name: [grid.project(weight) for grid in some] for name, some in grids.items()}
    counts, edges = histogram(weight)
    return Rounded(
        counts=counts,
        edges=edges,
        weights=corner(weight).astype(np.float16),
        corners={name: np.stack([corner(one) for one in some]).astype(np.float16) for name, some in weights.items()},
        channel=channel,
        sample=sample.numpy(),
        levels={name: np.stack([padded(_levels(one)) for one in some]) for name, some in ones.items()},
        rounded={name: np.stack([one.project(sample[None])[0] for one in some]) for name, some in ones.items()},
        errors={name: np.array([answer_error(weight, one, gram) for one in some]) for name, some in weights.items()},
        ranges=ranges.numpy(),
    )


def _middle_channel(ranges: Tensor) -> int:
    """The output whose largest weight is the middle one of all."""
    reach = ranges.abs().amax(1)
    return int(reach.argsort()[len(reach) // 2])


def _spread(row: Tensor) -> Tensor:
    """Some weights of an output, from its least to its largest."""
    ordered = row.sort().values
    return ordered[torch.linspace(0, len(ordered) - 1, min(SAMPLE, len(ordered))).long()]


def _of_channel(grid: Affine, channel: int) -> Affine:
    """The grid of one output alone."""
    at = channel if grid.scale.numel() > 1 else 0
    return Affine(grid.bits, grid.scale[at : at + 1], grid.zero_point[at : at + 1], grid.low, grid.high)


def _levels(grid: Affine) -> Tensor:
    """All values that a weight of one output may take."""
    codes = torch.tensor([-1, 1]) if grid.bits == 1 else torch.arange(grid.low, grid.high + 1)
    return grid.dequantize(codes[None].int())[0]
