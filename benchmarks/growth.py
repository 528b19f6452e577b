"""How time and memory grow: with the model, the points on the charts, the test images, and the stored results.

    python -m benchmarks.growth [models] [points] [images] [results] [--json OUT.json]

Each part is a table: a line for each size, a column for each step with its seconds (the median of up to three runs) and
its peak memory (MB beyond what the process held before; Linux only). Below stand the exponents, the slopes of log
seconds against log size: over all sizes, and over the upper end, where constant costs no longer hide them. A step is
marked when its exponent there is more than `TOLERANCE` above that of n log n over the same sizes.

    models    residual networks of 10 thousand to 25 million parameters, with weights as floats and in 8 bits, through
              tracing, exporting, encoding, decoding, evaluating and timing
    points    10 to 1,000 measured points on the two charts and in the table, as Explore draws them
    images    100 to 60,000 test images, through ResNet-8 and the statistics
    results   10 to 100,000 rows in a store on SQLite, all of the model that Explore shows; its queries, and one redraw

`python -m benchmarks` leaves out the largest store. It keeps the largest network: small ones are stored without
entropy coding, and between them and one that is coded decoding jumps, which a slope would take for growth.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import functools
import gc
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from benchmarks.goals import Goal, add_parts, chosen_parts
from compression.charts import drawing, tradeoff
from compression.charts.axes import DEFAULT_AXES
from compression.engine.build import load_network
from compression.engine.files import export, stored_file
from compression.engine.measure import evaluation, latency
from compression.engine.measure.process_peak import process_peak
from compression.engine.network.form import restrict, weighted_layers
from compression.engine.network.tracing import trace
from compression.engine.primitives.affine import fit_affine
from compression.engine.run import run_recipe
from compression.models.data import Split
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.recipe.settings import Settings
from compression.recipe.steps import MagnitudePruning
from compression.results import significance
from compression.results.conditions import Conditions, conditions_of, key
from compression.results.record import Result
from compression.search.curves import DEFAULT_CURVES, curve_recipes
from compression.search.estimate import Known, estimate
from compression.store import deletion, history
from compression.store.store import Store
from compression.store.tables import RESULTS
from sample_models.resnet import BasicBlock

T = TypeVar("T")

WIDTHS = (6, 18, 56, 176, 300)
"""Channels of the first stage: 10 thousand, 90 thousand, 0.9, 9 and 25 million parameters."""
POINTS = (10, 30, 100, 300, 1000)
IMAGES = (100, 1_000, 10_000, 60_000)
"""Up to a larger test split than any data set here has."""
ROWS = (10, 100, 1_000, 10_000, 100_000)
REDRAWN, MAX_REDRAW_S = 10_000, 1.0
"""So many results are to be drawn anew in so many seconds."""
ROWS_AT_ONCE = 1_000
"""Written to the store together, so that making them takes little memory."""
INPUT = (1, 28, 28)
CLASSES = 10
MODEL_IMAGES = 100
LATENCY_RUNS = 8
"""One a round: the slope is wanted, not the number."""
REPEATS, ENOUGH_S = 3, 2.0
"""A step that took this long is not repeated."""
TOLERANCE = 0.1
"""What noise and steps of the memory hierarchy do to an exponent."""
MB = 1e6
WIDE = 200
"""Characters a line where no terminal says how wide it is."""


@dataclass(frozen=True)
class Cost:
    """What a step took: seconds, and bytes beyond what the process held before (None where unknown)."""

    seconds: float
    peak_bytes: int | None


Rows = dict[int, dict[str, Cost]]
"""The costs of every step by size."""


class Meter:
    """Measures steps and keeps their costs by name."""

    def __init__(self, repeats: int = REPEATS) -> None:
        self.costs: dict[str, Cost] = {}
        self._repeats = repeats

    def __call__(self, name: str, step: Callable[[], T]) -> T:
        """Carry out a step up to `repeats` times, the first for its peak too; returns what it returned."""
        before = _start_of_peak()
        found, first = _timed(step)
        peak = None if before is None else _memory("VmHWM") - before
        seconds = [first]
        while len(seconds) < self._repeats and sum(seconds) < ENOUGH_S:
            seconds.append(_timed(step)[1])
        self.costs[name] = Cost(median(seconds), peak)
        return found


def _timed(step: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    found = step()
    return found, time.perf_counter() - started


def _start_of_peak() -> int | None:
    """Begin to watch for the highest memory from now on; returns the present one, None where there is no telling."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # man 5 proc: start VmHWM anew
        return _memory("VmRSS")
    return None


def _memory(name: str) -> int:
    """Bytes from a line of /proc/self/status, which has kB of 1,024 bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


# --- models ------------------------------------------------------------------------------------------------------


def residual_network(width: int) -> nn.Module:
    """A residual network with a stage each of `width`, 2 and 4 `width` channels; its stem halves the image."""
    stem = nn.Conv2d(INPUT[0], width, 3, 2, 1, bias=False)
    stages = [BasicBlock(width, width, 1), BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, 4 * width, 2)]
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, CLASSES))
    return nn.Sequential(stem, nn.BatchNorm2d(width), nn.ReLU(), *stages, *head).eval()


def grow_models(widths: Sequence[int] = WIDTHS) -> Rows:
    """By number of parameters."""
    return dict(map(_one_model, widths))


def _one_model(width: int) -> tuple[int, dict[str, Cost]]:
    torch.manual_seed(0)
    network = residual_network(width)
    meter = Meter()
    graph = meter("trace", lambda: trace(network, INPUT))
    file = _through_the_file(meter, graph, "float")
    for layer in weighted_layers(graph).values():
        restrict(layer, grid=fit_affine(layer.weight, 8, method="nearest"))
    _through_the_file(meter, graph, "8 bits")
    split = images(MODEL_IMAGES)
    meter("evaluate", lambda: evaluation.predict(file, split))
    meter("latency", lambda: latency.measure_latency(file, file, INPUT, runs=LATENCY_RUNS))
    meter("process peak", lambda: process_peak(file))
    return sum(parameter.numel() for parameter in network.parameters()), meter.costs


def _through_the_file(meter: Meter, graph: torch.fx.GraphModule, name: str) -> bytes:
    """Export, encode, decode; returns the runtime file."""
    exported = meter(f"export, {name}", lambda: export.to_onnx(graph))
    stored = meter(f"encode, {name}", lambda: stored_file.encode(exported))
    decoded = meter(f"decode, {name}", lambda: stored_file.decode(stored))
    return bytes(decoded.SerializeToString(deterministic=True))


def images(count: int) -> Split:
    """Noise with labels, in the form of a data set's split."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, *INPUT), dtype=np.uint8)
    return Split(pixels, random.integers(0, CLASSES, count), 255, 0.5, 0.25)


# --- test images -------------------------------------------------------------------------------------------------


def grow_images(counts: Sequence[int] = IMAGES, model: str = "resnet8-mnist5k") -> Rows:
    """By number of test images, for a model that takes images of 28 x 28 pixels."""
    file = export.to_onnx(load_network(subject_of(model))).SerializeToString(deterministic=True)
    return {count: _one_split(file, images(count)) for count in counts}


def _one_split(file: bytes, split: Split) -> dict[str, Cost]:
    meter = Meter()
    answers = meter("evaluate", lambda: evaluation.predict(file, split))
    right = answers == split.y
    other = np.roll(right, 1)
    meter("interval", lambda: significance.wilson_interval(int(right.sum()), len(right)))
    meter("paired difference", lambda: significance.paired_difference(right, other))
    return meter.costs


# --- points and results ------------------------------------------------------------------------------------------


@functools.cache
def pattern(model: str) -> Result:
    """A measured result that others are made from."""
    return run_recipe(subject_of(model), Recipe(model=model)).result


def results_like(model: str, count: int) -> Iterator[Result]:
    """The baseline, the points of the default curves, then others, each under its own recipe's name."""
    curves = curve_recipes(subject_of(model), "none", DEFAULT_CURVES)
    special = [Recipe(model=model), *(recipe for points in curves.values() for recipe in points.values())]
    step = MagnitudePruning.model_validate({"sparsity": 0.5})
    for number in range(count):
        recipe = special[number] if number < len(special) else Recipe(model=model, steps=(step,), seed=number)
        shrink = 1 - 0.9 * number / count
        changes: dict[str, Any] = {"recipe": recipe.model_dump(mode="json"), "recipe_id": recipe.recipe_id}
        changes |= {"stored_bytes": int(pattern(model).stored_bytes * shrink), "latency_ratio": 0.5 + shrink / 2}
        yield pattern(model).model_copy(update=changes)


def grow_points(counts: Sequence[int] = POINTS, model: str = "mlp-digits") -> Rows:
    """By number of points on the charts."""
    return {count: _with_csv(model, list(results_like(model, count))) for count in counts}


def _with_csv(model: str, results: list[Result]) -> dict[str, Cost]:
    """Drawing, and the file that a person may download."""
    from pages.components.shown.table import csv_of

    meter = Meter()
    meter("CSV", lambda: csv_of(results))
    return _draw(model, results) | meter.costs


def _draw(model: str, results: Sequence[Result]) -> dict[str, Cost]:
    """What Explore does in Python with the results of a model."""
    from pages.components.shown.table import frame_of

    meter = Meter()
    recipes = curve_recipes(subject_of(model), "none", DEFAULT_CURVES)
    known = {result.recipe_id: result for result in results}
    measured = {
        curve: {at: known[recipe.recipe_id] for at, recipe in points.items() if recipe.recipe_id in known}
        for curve, points in recipes.items()
    }
    baseline = Known(subject_of(model), results[0].accuracy, results[0].stored_bytes, results[0].latency_p50_ms)
    guess = meter("estimate", lambda: estimate(Settings(pruning_percent=35), baseline, measured))
    curves = {curve: points.values() for curve, points in recipes.items()}
    data = meter("numbers", lambda: tradeoff.tradeoff(results, curves, Recipe(model=model), guess))
    ranges = meter("ranges", lambda: tradeoff.ranges_for(data, results[0].stored_bytes))
    meter("size chart", lambda: json.dumps(drawing.draw(data, drawing.plane("stored", DEFAULT_AXES, ranges))))
    meter("latency chart", lambda: json.dumps(drawing.draw(data, drawing.plane("latency", DEFAULT_AXES, ranges))))
    meter("table", lambda: frame_of(sorted(results, key=lambda result: result.stored_bytes)))
    return meter.costs


def grow_results(counts: Sequence[int] = ROWS, model: str = "mlp-digits") -> Rows:
    """By number of stored results."""
    return {count: _one_store(model, count) for count in counts}


def _one_store(model: str, count: int) -> dict[str, Cost]:
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/results.sqlite")
        fill(store, results_like(model, count))
        curves = curve_recipes(subject_of(model), "none").values()
        recipes = [Recipe(model=model), *(recipe for points in curves for recipe in points.values())]
        meter("revision", store.revision)
        meter("one result", lambda: store.result(recipes[0]))
        meter("a sweep's results", lambda: store.results_of(recipes))
        meter("submit a sweep", lambda: store.add_jobs(recipes, group="sweep"))
        meter("a group's jobs", lambda: store.jobs("sweep"))
        meter("all results, first", lambda: store.results(model))
        found = meter("all results, again", lambda: store.results(model))
        entries = meter("history", lambda: history.entries(store))
        meter("plan of a deletion", lambda: deletion.plan(store, [entry.key for entry in entries]))
        drawn = _draw(model, found)
    return meter.costs | _redraw(meter.costs["all results, again"], drawn)


def fill(store: Store, results: Iterator[Result]) -> None:
    """Put results that were measured under the same conditions into a store at once, without their files."""
    with store.database.write() as connection:
        while some := list(itertools.islice(results, ROWS_AT_ONCE)):
            measured_under = conditions_of(some[0])
            common = asdict(measured_under)
            connection.execute(RESULTS.insert(), [common | _row(result, measured_under) for result in some])


def _row(result: Result, measured_under: Conditions) -> dict[str, str]:
    name = result.recipe_id
    return {"recipe_id": name, "result_key": key(name, measured_under), "document": result.model_dump_json()}


REDRAW = ("estimate", "numbers", "ranges", "size chart", "latency chart", "table")


def _redraw(query: Cost, drawn: Mapping[str, Cost]) -> dict[str, Cost]:
    """The query and all of Explore's drawing in Python together."""
    steps = [query, *(drawn[name] for name in REDRAW)]
    peaks = [cost.peak_bytes for cost in steps if cost.peak_bytes is not None]
    return {"redraw": Cost(sum(cost.seconds for cost in steps), max(peaks, default=None))}


# --- exponents ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Growth:
    """Exponents of a step's seconds over all sizes and over the upper end, and whether n log n grows slower."""

    overall: float
    at_the_end: float
    is_worse: bool


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The exponent b of the power law a * n**b that fits best in logarithms (least squares)."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0])


def growth_of(rows: Rows, step: str) -> Growth:
    """How a step grows; `rows` has two sizes at least, and the upper end is its last three."""
    sizes = sorted(rows)
    seconds = [rows[size][step].seconds for size in sizes]
    end = slope(sizes[-3:], seconds[-3:])
    allowed = slope(sizes[-3:], [size * math.log(size) for size in sizes[-3:]])
    return Growth(slope(sizes, seconds), end, end > allowed + TOLERANCE)


# --- goals -------------------------------------------------------------------------------------------------------


def goals(found: Mapping[str, Rows]) -> list[Goal]:
    """No step of any part grows faster than n log n, and a redraw with `REDRAWN` results is quick; `found` by part."""
    growths = [
        (growth_of(rows, step), f"{part}: {step}") for part, rows in found.items() for step in next(iter(rows.values()))
    ]
    steepest, where = max(growths, key=lambda growth: growth[0].at_the_end)
    worse = sum(growth.is_worse for growth, _ in growths)
    worst = f"steepest: {where}, n^{steepest.at_the_end:.2f}"
    redraw = found["results"][REDRAWN]["redraw"].seconds
    return [
        Goal("growth", f"steps of {len(growths)} that grow faster than n log n", worse, 0, note=worst),
        Goal("growth", f"Explore drawn anew with {REDRAWN:,} results", redraw, MAX_REDRAW_S, "s"),
    ]


def bench() -> list[Goal]:
    """Measure and print what the table of all benchmarks needs, in two and a half minutes."""
    few = {"models": grow_models(), "points": grow_points(), "images": grow_images()}
    found = few | {"results": grow_results(ROWS[:-1])}
    for part, rows in found.items():
        _console().print(table_of(PARTS[part][0], rows))
    return goals(found)


# --- showing it --------------------------------------------------------------------------------------------------

PARTS: dict[str, tuple[str, Callable[[], Rows]]] = {
    "models": ("parameters", grow_models),
    "points": ("points", grow_points),
    "images": ("test images", grow_images),
    "results": ("stored results", grow_results),
}


def table_of(unit: str, rows: Rows) -> Table:
    """One line a step: its cost at each size, and its exponents."""
    sizes = sorted(rows)
    table = Table(unit, *(f"{size:,}" for size in sizes), "exponent", "at the end", "", box=None)
    for step in rows[sizes[0]]:
        growth = growth_of(rows, step)
        table.add_row(
            step,
            *(_words(rows[size][step]) for size in sizes),
            f"{growth.overall:.2f}",
            f"{growth.at_the_end:.2f}",
            "worse than n log n" if growth.is_worse else "",
        )
    return table


def _words(cost: Cost) -> str:
    seconds = f"{1000 * cost.seconds:.3g} ms" if cost.seconds < 1 else f"{cost.seconds:.2f} s"
    return seconds if cost.peak_bytes is None else f"{seconds}, {cost.peak_bytes / MB:.1f} MB"


def as_json(rows: Rows) -> dict[str, Any]:
    return {str(size): {step: asdict(cost) for step, cost in costs.items()} for size, costs in rows.items()}


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDE)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    add_parts(parser, PARTS)
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write all numbers here too")
    options = parser.parse_args(arguments)
    parts = chosen_parts(parser, options, PARTS)
    console = _console()
    found = {}
    for part in parts:
        unit, grow = PARTS[part]
        rows = grow()
        console.print(table_of(unit, rows))
        found[part] = as_json(rows)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
