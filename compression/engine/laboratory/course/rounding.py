"""What a layer's weights become with 1 to 8 bits."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
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
from compression.engine.primitives.affine import Method, fit_affine
from compression.inquiries.course import BITS, GRIDS, Rounded, RoundingInquiry

SAMPLE = 16
"""Weights on the number line: more would hide each other."""

_METHODS: dict[str, Method] = {"nearest": "nearest", "mse": "mse"}


def rounding(inquiry: RoundingInquiry, bench: Bench) -> Rounded:
    """Symmetric grids, as quantization fits them, and the nearest value on each for every weight."""
    model = network_of(bench)
    weight = layer_of(model, inquiry).weight.detach()
    gram = gram_of(model, inquiry, bench)
    rows = weight.flatten(1)
    ranges = torch.stack([rows.amin(1), rows.amax(1)], 1)
    channel = _middle_channel(ranges)
    sample = _spread(rows[channel])
    levels: dict[str, NDArray[np.float32]] = {}
    rounded: dict[str, NDArray[np.float32]] = {}
    corners: dict[str, NDArray[np.float16]] = {}
    errors: dict[str, NDArray[np.float64]] = {}
    for number, (granularity, method) in enumerate(GRIDS):
        name = f"{granularity} {method}"
        bench.watch.report(0.3 + 0.7 * number / len(GRIDS), f"rounding, {name}")
        grids = []
        for bits in BITS:
            bench.watch.check()
            grids.append(fit_affine(weight, bits, per_channel=granularity == "channel", method=_METHODS[method]))
        levels[name] = np.stack([padded(_levels(grid, channel)) for grid in grids])
        rounded[name] = np.stack([_of_channel(grid, channel).project(sample[None])[0].numpy() for grid in grids])
        corners[name] = np.stack([corner(grid.project(weight)) for grid in grids]).astype(np.float16)
        errors[name] = np.array([answer_error(weight, grid.project(weight), gram) for grid in grids])
    counts, edges = histogram(weight)
    return Rounded(
        counts=counts, edges=edges, weights=corner(weight).astype(np.float16), corners=corners,
        channel=channel, sample=sample.numpy(),
        levels=levels, rounded=rounded, errors=errors, ranges=ranges.numpy(),
    )  # fmt: skip


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


def _levels(grid: Affine, channel: int) -> Tensor:
    """All values that a weight of this output may take."""
    codes = torch.tensor([-1, 1]) if grid.bits == 1 else torch.arange(grid.low, grid.high + 1)
    return _of_channel(grid, channel).dequantize(codes[None].int())[0]
