"""Where bytes and energy go, and where skipping zeros pays: first the numbers, then the pictures. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from compression import units
from compression.charts.figure import Figure, Trace, bars, figure, line, rows, scatter, waterfall
from compression.charts.palette import ACCENT, BLUE, GREEN, NEUTRAL, ORANGE, PINK, ROW_HEIGHT, VIOLET
from compression.explain.layers import time_by_kind
from compression.explain.sizes import PARTS, Part, runtime_parts, stored_parts
from compression.inquiries.anatomy import FileAnatomy
from compression.results.energy import Memory, energy
from compression.results.record import RUNTIME_PARTS, STORED_PARTS, Measures, Result, SparseTiming
from compression.results.sparse import crossover


@dataclass(frozen=True)
class Slice:
    """One part of a whole: what it is, bytes or joules, and its share of the whole (0..1)."""

    title: str
    meaning: str
    colour: str
    amount: float
    share: float


_COLOURS = {
    "codes": BLUE,
    "weights": BLUE,
    "positions": ORANGE,
    "zeros": ORANGE,
    "codebooks": VIOLET,
    "scales": GREEN,
    "biases": PINK,
    "rounding": ACCENT,
    "graph": NEUTRAL,
    "header": "#5f6b7a",
}
"""Of the parts of a file."""


def stored_slices(measures: Measures) -> tuple[Slice, ...]:
    """Where the bytes of the stored file go; they add up to it. Empty for rows from before there was a ledger."""
    return _file_slices(stored_parts(measures), STORED_PARTS)


def runtime_slices(measures: Measures) -> tuple[Slice, ...]:
    """Where the bytes of the runtime file go; they add up to it."""
    return _file_slices(runtime_parts(measures), RUNTIME_PARTS)


def _file_slices(ledger: Mapping[str, int], parts: Sequence[str]) -> tuple[Slice, ...]:
    found = {part: ledger[part] for part in parts if ledger.get(part, 0) > 0}
    return _slices(found, {part: (*PARTS[part], _COLOURS[part]) for part in found})


def _slices(amounts: Mapping[str, float], meanings: Mapping[str, tuple[str, str, str]]) -> tuple[Slice, ...]:
    total = sum(amounts.values()) or 1.0
    return tuple(Slice(*meanings[part], amount, amount / total) for part, amount in amounts.items())


ENERGY_PARTS = {
    "arithmetic": ("Arithmetic", "multiplying and adding", BLUE),
    "weights": ("Fetching weights", "every weight once for each image", ORANGE),
    "activations": ("Moving activations", "what layers write and the next ones read", GREEN),
}


def energy_slices(measures: Measures, memory: Memory) -> tuple[Slice, ...]:
    """What one image costs by the energy model, in joules."""
    return _slices(asdict(energy(measures, memory)), ENERGY_PARTS)


TIME_PARTS = {
    "layers": ("Layers with weights", "multiplying by weights", BLUE),
    "rounding": ("Rounding to integers and back", "only where activations have few bits", ORANGE),
    "ranges": ("Finding ranges for each image", "only with dynamic activations", PINK),
    "layout": ("Rearranging numbers in memory", "so that fast kernels find numbers where they want them", GREEN),
    "others": ("Pooling, additions and the rest", "", NEUTRAL),
}


def time_slices(file: FileAnatomy) -> tuple[Slice, ...]:
    """What the time of all nodes is spent on, in milliseconds."""
    return _slices({kind: ms for kind, ms in time_by_kind(file).items() if ms}, TIME_PARTS)


def draw_bytes(measures: Measures) -> Figure:
    """The stored and the runtime file as bars of their parts, on one axis in KB."""
    files = {"Stored file": stored_slices(measures), "Runtime file": runtime_slices(measures)}
    return _stacked(files, 1 / 1000, "KB", units.size)


def draw_energy(result: Result, memory: Memory) -> Figure:
    """The baseline's and this network's energy as bars of their parts, on one axis in microjoules."""
    both = {"This setting": energy_slices(result, memory), "Baseline": energy_slices(result.baseline, memory)}
    return _stacked(both, 1e6, "µJ for one image", units.energy)


def _stacked(
    measured: Mapping[str, Sequence[Slice]], factor: float, unit: str, words: Callable[[float], str]
) -> Figure:
    traces = [
        bars(
            piece.title,
            [factor * piece.amount],
            [title],
            piece.colour,
            [f"<b>{piece.title}</b> {words(piece.amount)}, {units.share(piece.share, 1)}<br>{piece.meaning}"],
            orientation="h",
        )
        for title, slices in measured.items()
        for piece in slices
    ]
    top_down = {"autorange": "reversed", "ticksuffix": " "}
    return figure(traces, ROW_HEIGHT * len(measured) + 56, unit, yaxis=top_down, barmode="stack", bargap=0.35)


def draw_waterfall(parts: Sequence[Part]) -> Figure:
    """How the theoretical size becomes the stored, the runtime and the zipped one, from top to bottom, in KB."""
    places, edges = list(range(len(parts))), _right_edges(parts)
    words = [change_in_words(part) for part in parts]
    steps = waterfall(
        places,
        [part.bytes / 1000 for part in parts],
        ORANGE,
        GREEN,
        measure=["absolute" if part.is_total else "relative" for part in parts],
        hovertext=[f"<b>{part.label}</b> {said}<br>{part.cause}" for part, said in zip(parts, words, strict=True)],
        hoverinfo="text",
        connector={"line": {"color": NEUTRAL, "width": 1}},
    )
    beside = scatter(
        "",
        [edge / 1000 for edge in edges],
        places,
        mode="text",
        text=[f" {said}" for said in words],
        textposition="middle right",
        cliponaxis=False,
    )
    labels = [f"<b>{part.label}</b>" if part.is_total else part.label for part in parts]
    return figure(
        [steps, beside],
        WATERFALL_ROW * len(parts) + 56,
        "KB",
        xaxis={"range": (0, 1.25 * max(edges, default=1) / 1000)},
        yaxis=rows(labels),
        waterfallgap=0.25,
    )


def change_in_words(part: Part) -> str:
    """A size, or a signed change: '+1.20 KB', '−300 bytes'."""
    if part.is_total:
        return units.size(part.bytes)
    return f"{'+' if part.bytes > 0 else '−'}{units.size(abs(part.bytes))}"


def _right_edges(parts: Sequence[Part]) -> list[int]:
    """How far each bar reaches to the right: a total, or the larger of before and after a change."""
    edges, at = [], 0
    for part in parts:
        before, at = at, part.bytes if part.is_total else at + part.bytes
        edges.append(at if part.is_total else max(before, at))
    return edges


WATERFALL_ROW = 30
"""Pixels for one bar of the waterfall."""


# Sparse execution.


def timed_layers(results: Iterable[Result]) -> dict[str, str]:
    """All layers that were timed, the largest first, with titles for a list: 'linear1 (500 × 800)'.

    That is its weight as a matrix. Where all weights of an output became zero it has a row less, so the largest counts.
    """
    shapes: dict[str, tuple[int, int]] = {}
    for timing in (timing for result in results for timing in result.sparse):
        rows, columns = shapes.get(timing.layer, (0, 0))
        shapes[timing.layer] = max(rows, timing.rows), max(columns, timing.columns)
    largest_first = sorted(shapes.items(), key=lambda one: (-math.prod(one[1]), one[0]))
    return {name: f"{name} ({rows:,} × {columns:,})" for name, (rows, columns) in largest_first}


def timings_of(layer: str, results: Iterable[Result]) -> dict[int, list[SparseTiming]]:
    """A layer's timings by batch size, each by rising sparsity."""
    found: dict[int, list[SparseTiming]] = {}
    for timing in (timing for result in results for timing in result.sparse if timing.layer == layer):
        found.setdefault(timing.batch_size, []).append(timing)
    return {batch: sorted(found[batch], key=lambda timing: timing.sparsity) for batch in sorted(found)}


def crossover_words(timings: Mapping[int, Sequence[SparseTiming]]) -> str:
    """From where on skipping zeros is faster, or that it never is; batch sizes of which the same holds together."""
    found: dict[str, list[str]] = {}
    for batch, group in timings.items():
        images = "one image at a time" if batch == 1 else f"{batch} images together"
        found.setdefault(_crossover_clause(group), []).append(images)
    return " ".join(f"With {' and with '.join(images)} it is {clause}." for clause, images in found.items())


def _crossover_clause(timings: Sequence[SparseTiming]) -> str:
    start = crossover(timings)
    if start is None:
        most = max(timing.sparsity for timing in timings)
        return f"not faster at any measured sparsity (up to {units.share(most)})"
    return f"faster from **{units.share(start)}** zeros on"


_BATCH_LOOKS = ((BLUE, "circle"), (ORANGE, "square"), (VIOLET, "diamond"))
_RATIO_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
SPARSE_HEIGHT = 340


def draw_sparse(timings: Mapping[int, Sequence[SparseTiming]]) -> Figure:
    """Sparse time over dense time against sparsity, a line for each batch size, crossings marked."""
    looks = dict(zip(timings, _BATCH_LOOKS, strict=False))
    crossings = [(colour, crossover(timings[batch])) for batch, (colour, _) in looks.items()]
    return figure(
        [_sparse_trace(batch, timings[batch], *look) for batch, look in looks.items()],
        SPARSE_HEIGHT,
        "weights that are zero, %",
        "sparse time / dense time",
        legend=True,
        xaxis={"range": (0, 101), "zeroline": True},
        yaxis={
            "type": "log",
            "tickvals": _RATIO_TICKS,
            "ticktext": [f"{tick:g}" for tick in _RATIO_TICKS],
            "range": _ratio_range(timings),
        },
        shapes=[
            *(line(colour, dash="dot", x=100 * start) for colour, start in crossings if start is not None),
            line(NEUTRAL, 1.5, y=1),
        ],
    )


def _ratio_range(timings: Mapping[int, Sequence[SparseTiming]]) -> tuple[float, float]:
    """Decades of the ratio's axis: all points, and 1 with room around it."""
    ratios = [_ratio(timing) for group in timings.values() for timing in group]
    return math.log10(min(0.5, *ratios)) - 0.1, math.log10(max(2.0, *ratios)) + 0.1


def points_of(timings: Sequence[SparseTiming]) -> list[SparseTiming]:
    """One point a percent of sparsity, the middle one by its ratio: several settings may make a layer as sparse."""
    found: dict[int, list[SparseTiming]] = {}
    for timing in sorted(timings, key=_ratio):
        found.setdefault(round(100 * timing.sparsity), []).append(timing)
    return [group[len(group) // 2] for _, group in sorted(found.items())]


def _ratio(timing: SparseTiming) -> float:
    return timing.sparse_ms / timing.dense_ms


def _sparse_trace(batch: int, timings: Sequence[SparseTiming], colour: str, symbol: str) -> Trace:
    timings = points_of(timings)
    return scatter(
        f"batch {batch}",
        [100 * timing.sparsity for timing in timings],
        [_ratio(timing) for timing in timings],
        [_sparse_hover(timing) for timing in timings],
        mode="lines+markers",
        line={"color": colour, "width": 1.5},
        marker={"color": colour, "size": 9, "symbol": symbol},
    )


def _sparse_hover(timing: SparseTiming) -> str:
    return (
        f"<b>{units.share(timing.sparsity)} zeros, batch {timing.batch_size}</b><br>"
        f"{timing.rows:,} × {timing.columns:,} weights<br>"
        f"sparse {units.milliseconds(timing.sparse_ms)} · dense {units.milliseconds(timing.dense_ms)}"
    )
