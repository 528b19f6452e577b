"""Histograms, zeros and filters of each layer's weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.engine.laboratory.anatomy import Opened, open_both
from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.names import is_other_family, original_of
from compression.engine.onnx_graph import per_channel
from compression.engine.onnx_layers import Weight, weight_of
from compression.inquiries.weights import Histogram, LayerWeights, WeightInquiry, Weights

BINS = 80
FINE_STEPS = 64
"""Up to so many steps of a grid each gets several bins; a grid with more has about `BINS` bins."""
MAX_CELLS = (64, 128)
"""Rows and columns of the picture of zeros: more are smaller than a pixel on a telephone."""
CORNER = (16, 32)
"""Weights that are shown one by one."""
MAX_FILTERS = (16, 8)
"""Outputs and inputs whose kernels are shown."""

Floats = NDArray[np.float32]


def weights(inquiry: WeightInquiry, bench: Bench) -> Weights:
    """Every layer of the decoded file beside the one that it was made from."""
    bench.watch.report(0, "reading the stored files")
    uncompressed, opened = open_both(inquiry.recipe, bench)
    before, after = _weights_of(uncompressed), _weights_of(opened)
    originals = [] if is_other_family(inquiry.recipe) or not opened.named else list(before)
    image = bench.dataset.input_shape
    layers = []
    for done, (name, weight) in enumerate(after.items()):
        bench.watch.check()
        bench.watch.report(done / len(after), name)
        original = original_of(name, originals)
        layers.append(_layer(name, original, weight, before.get(original), image))
    return Weights(layers=tuple(layers))


def _weights_of(opened: Opened) -> dict[str, Weight]:
    return {name: weight_of(opened.graph, calls[0]) for name, calls in opened.groups.items()}


def _layer(
    name: str, original: str, weight: Weight, before: Weight | None, image: tuple[int, int, int]
) -> LayerWeights:
    shares, cell = zero_cells(weight.values == 0)
    flat = _matrix(weight.values == 0)
    same = before is not None and before.values.shape == weight.values.shape
    return LayerWeights(
        name=name,
        original=original,
        shape=weight.values.shape,
        original_shape=before.values.shape if before is not None else (),
        n_zeros=int((weight.values == 0).sum()),
        values=histogram(weight.values, before.values if before is not None else None, _levels(weight)),
        steps=_steps(weight, before.values if before is not None and same else None),
        zeros=shares,
        cell=cell,
        corner=flat[: CORNER[0], : CORNER[1]],
        filters=_filters(weight.values, image),
        filters_before=_filters(before.values, image) if before is not None else np.zeros((0, 0, 0, 0), np.float16),
    )


def histogram(
    after: Floats, before: Floats | None, levels: NDArray[Any], edges: NDArray[Any] | None = None
) -> Histogram:
    """Counts of both over common bins that cover all values."""
    after = after.ravel()
    before = np.zeros(0, np.float32) if before is None else before.ravel()
    if edges is None:
        largest = max(float(np.abs(values).max(initial=0)) for values in (after, before)) or 1.0
        edges = np.linspace(-largest, largest, BINS + 1)
    counts = [np.histogram(np.clip(values[values != 0], edges[0], edges[-1]), edges)[0] for values in (before, after)]
    return Histogram(
        edges=edges.astype(np.float32),
        before=counts[0].astype(np.int32) if len(before) else np.zeros(0, np.int32),
        after=counts[1].astype(np.int32),
        levels=levels.astype(np.float32),
        zeros_before=int((before == 0).sum()),
        zeros_after=int((after == 0).sum()),
    )


def _levels(weight: Weight) -> NDArray[Any]:
    """The values that weights may take, where they are the same for all channels."""
    if weight.book is not None:
        return np.unique(weight.values)
    if weight.scale is not None and weight.zero_point is not None and len(weight.scale) == 1:
        return (_grid(weight) * float(weight.scale[0])).astype(np.float32)
    return np.zeros(0, np.float32)


def _grid(weight: Weight) -> NDArray[np.int64]:
    """The whole numbers between the smallest and the largest code that is used, counted from zero's code.

    Two codes are all that there are: one bit has no zero between its two values.
    """
    assert weight.scale is not None and weight.codes is not None
    steps = np.rint(weight.values / per_channel(weight.scale, weight.values)).astype(np.int64)
    used: NDArray[np.int64] = np.unique(steps)
    return used if len(used) <= 2 else np.arange(used[0], used[-1] + 1)


def _steps(weight: Weight, before: Floats | None) -> Histogram | None:
    """The histogram in steps of each channel's grid: then all channels have their levels at the same places."""
    if weight.scale is None or len(weight.scale) == 1:
        return None
    scale = per_channel(weight.scale, weight.values)
    grid = _grid(weight)
    reach = max(float(np.abs(grid).max()), 1.0) + 0.5
    pieces = 5 if reach < FINE_STEPS else 1
    edges = np.arange(-pieces * round(reach + 0.5), pieces * round(reach + 0.5) + 1) / pieces + 0.5 / pieces
    return histogram(weight.values / scale, None if before is None else before / scale, grid, edges)


def _matrix(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(len(values), -1)


def zero_cells(is_zero: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The share of zeros in each cell (255 is all) of the matrix outputs x inputs, and a cell's rows and columns."""
    matrix = _matrix(is_zero).astype(np.float64)
    cell = tuple(-(-size // most) for size, most in zip(matrix.shape, MAX_CELLS, strict=True))
    starts = [np.arange(0, size, step) for size, step in zip(matrix.shape, cell, strict=True)]
    sums = np.add.reduceat(np.add.reduceat(matrix, starts[0], axis=0), starts[1], axis=1)
    sizes = [np.diff([*begin, size]) for begin, size in zip(starts, matrix.shape, strict=True)]
    shares = sums / np.outer(*sizes)
    return np.rint(255 * shares).astype(np.uint8), (cell[0], cell[1])


def _filters(values: Floats, image: tuple[int, int, int]) -> NDArray[np.float16]:
    """The first kernels of a convolution; of a linear layer that reads the image itself, its rows as images."""
    if values.ndim == 2 and values.shape[1] == image[0] * image[1] * image[2]:
        values = values.reshape(len(values), *image)
    if values.ndim != 4 or values.shape[2] * values.shape[3] == 1:
        return np.zeros((0, 0, 0, 0), np.float16)
    return values[: MAX_FILTERS[0], : MAX_FILTERS[1]].astype(np.float16)
