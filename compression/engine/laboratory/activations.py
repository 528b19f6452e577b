"""Ranges of activations on calibration images, from the runtime file itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from compression.engine.laboratory.anatomy import Opened, open_both
from compression.engine.laboratory.bench import Bench
from compression.engine.measure.evaluation import watching
from compression.engine.onnx_graph import OnnxGraph
from compression.inquiries.activations import ActivationInquiry, ActivationRange, Activations

BATCH = 32
MAX_IMAGES = 256
SAMPLES = 8192
"""Values of each batch that percentiles are taken from, evenly spaced; the two ends are always looked at."""
RELU6 = 6.0
_FUNCTIONS = {"Relu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh"}
_KEEPING = {"Reshape", "MaxPool", "Clip"}
"""Between a layer and its quantizer they change no value, or only choose among them."""


@dataclass(frozen=True)
class Place:
    """A value to watch, and the grid that it is rounded to afterwards: scale, zero point, last code.

    `limited` where a ReLU6 ends it at 6: between integer kernels the last code of the grid does that.
    """

    name: str
    value: str
    grid: tuple[float, int, int] | None = None
    limited: bool = False


@dataclass
class _Seen:
    """What a value was so far."""

    low: float = math.inf
    high: float = -math.inf
    outside: int = 0
    count: int = 0
    samples: list[NDArray[np.float32]] = field(default_factory=list)


def activations(inquiry: ActivationInquiry, bench: Bench) -> Activations:
    """Run both files on the same calibration images and watch what leaves each layer."""
    images = bench.dataset.calibration.head(MAX_IMAGES).x
    before, after = open_both(inquiry.recipe, bench)
    places = places_of(before)
    limited = {place.name for place in places if place.limited}
    same = [replace(place, limited=place.name in limited) for place in places_of(after)]
    return Activations(
        n_images=len(images),
        baseline=_ranges(before, places, images, bench, 0),
        subject=_ranges(after, same, images, bench, 0.5),
        dynamic=any(node.op_type == "ReduceMax" for node in after.model.graph.node),
    )


def _ranges(
    opened: Opened, places: Sequence[Place], images: NDArray[np.float32], bench: Bench, start: float
) -> tuple[ActivationRange, ...]:
    names = list(dict.fromkeys(place.value for place in places if place.value != opened.model.graph.input[0].name))
    session = watching(opened.model, names)
    source = session.get_inputs()[0].name
    seen = {place.name: _Seen() for place in places}
    for first in range(0, len(images), BATCH):
        bench.watch.check()
        bench.watch.report(start + first / len(images) / 2, f"image {first} of {len(images)}")
        x = images[first : first + BATCH]
        values = dict(zip(names, session.run(names, {source: x}), strict=True)) | {source: x}
        for place in places:
            value = values[place.value]
            _look(seen[place.name], np.minimum(value, RELU6) if place.limited else value, place.grid)
    return tuple(_summary(place, seen[place.name]) for place in places)


def places_of(opened: Opened) -> list[Place]:
    """The image, and what leaves each layer's first call, behind its activation function."""
    graph, source = opened.graph, opened.model.graph.input[0].name
    places = [Place("image", source, _grid(source, graph))]
    for name, calls in opened.groups.items():
        value, limited = calls[0].output, False
        if calls[0].row_scaled:
            for _ in range(2 if calls[0].biases else 1):
                value = graph.readers[value][0].output[0]
        after = graph.only_reader(value)
        if after is not None and after.op_type in _FUNCTIONS:
            value, limited = after.output[0], after.op_type == "Clip" and len(after.input) == 3
        places.append(Place(name, value, _grid(value, graph), limited))
    return places


def _grid(value: str, graph: OnnxGraph) -> tuple[float, int, int] | None:
    """The grid of the quantizer that reads this value, if one does."""
    for node in graph.readers.get(value, []):
        if node.op_type == "QuantizeLinear" and node.input[1] in graph.tensors:
            scale, zero = (graph.array(name).item() for name in node.input[1:3])
            clips = [other for other in graph.readers.get(node.output[0], []) if other.op_type == "Clip"]
            last = int(graph.array(clips[0].input[2])) if clips else 255
            return float(scale), int(zero), last
        if node.op_type in _KEEPING and len(graph.readers[value]) == 1:
            return _grid(node.output[0], graph)
    return None


def _ends(grid: tuple[float, int, int]) -> tuple[float, float]:
    scale, zero, last = grid
    return -zero * scale, (last - zero) * scale


def _look(seen: _Seen, value: NDArray[np.float32], grid: tuple[float, int, int] | None) -> None:
    flat = value.ravel()
    seen.low, seen.high = min(seen.low, float(flat.min())), max(seen.high, float(flat.max()))
    seen.count += len(flat)
    seen.samples.append(flat[:: max(1, len(flat) // SAMPLES)].copy())
    if grid:
        low, high = _ends(grid)
        half = grid[0] / 2  # what is nearer than half a step still gets the last code without being cut
        seen.outside += int(((flat < low - half) | (flat > high + half)).sum())


def _summary(place: Place, seen: _Seen) -> ActivationRange:
    low, high = np.percentile(np.concatenate(seen.samples), [0.1, 99.9]).tolist()
    kept = _ends(place.grid) if place.grid else (None, None)
    return ActivationRange(
        name=place.name,
        min=seen.low,
        low=low,
        high=high,
        max=seen.high,
        kept_low=kept[0],
        kept_high=kept[1],
        bits=(place.grid[2] + 1).bit_length() - 1 if place.grid else 0,
        clipped=seen.outside / max(1, seen.count),
    )
