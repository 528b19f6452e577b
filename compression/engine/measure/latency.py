"""Latency of one image on one thread of ONNX Runtime, always against the baseline measured in turn."""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.engine.measure.evaluation import Run, bound, open_session, optimized
from compression.engine.measure.machine_lock import machine_lock
from compression.results.machine import BATCH_SIZE, THREADS
from compression.results.significance import median_ratio_interval
from compression.watch import SILENT, Watch

WARM_UP_RUNS = 4
"""In the first the runtime allocates what it reuses later: it takes half as long again. From the fourth on all are
alike (medians over 60 newly loaded networks, float and 8 bits)."""
WARM_UP_NS = 20_000_000
"""Before all else, for a sleeping processor to raise its clock."""
ROUNDS = 8
"""Enough for an interval that knows how much loading a network anew changes; each costs some 50 ms."""
IN_A_ROW = 5
"""Neighbouring runs of one file: a millisecond or two, so that both files see the same slow moments."""
SEARCH_ROUNDS, SEARCH_RUNS = 4, 10
"""Half of them, where a search loads tens of networks in each; and runs of each network in a round."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one image, median and 95th percentile, of a file and of its baseline.

    `ratio` is that of the medians (below 1 is faster), with its 95 % bootstrap interval.
    """

    p50_ms: float
    p95_ms: float
    baseline_p50_ms: float
    baseline_p95_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float


def measure_latency(
    onnx_bytes: bytes,
    baseline_onnx_bytes: bytes,
    input_shape: tuple[int, int, int],
    *,
    runs: int = 200,
    watch: Watch = SILENT,
) -> Latency:
    """Time two runtime files in turn, `runs` (at least 1) times each; see `times_in_turn`."""
    times = times_in_turn(onnx_bytes, baseline_onnx_bytes, input_shape, runs=runs, watch=watch)
    ratio, low, high = median_ratio_interval(times[0], times[1])
    (p50, baseline_p50), (p95, baseline_p95) = np.quantile(times / 1e6, [0.5, 0.95], axis=(1, 2)).tolist()
    return Latency(p50, p95, baseline_p50, baseline_p95, ratio, low, high)


def times_in_turn(
    onnx_bytes: bytes,
    baseline_onnx_bytes: bytes,
    input_shape: tuple[int, int, int],
    *,
    runs: int = 200,
    watch: Watch = SILENT,
) -> NDArray[np.float64]:
    """Nanoseconds of single runs on an image of `input_shape` (C x H x W): of the file and of its baseline.

    2 x rounds x runs in a round, at least `runs` (1 or more) of each. Only one measurement runs on this machine at
    a time; another one waits.

    The runs are spread over `ROUNDS` rounds, each with newly loaded networks, in alternating order: where in
    memory a network happens to lie changes its speed by some percent (up to 8 % seen between two sessions of
    the same file). Within a round the files take turns, in an order that is random but seeded: each runs
    `IN_A_ROW` times, after an untimed run, as the other one has just filled the processor's caches.
    """
    if runs < 1:
        raise ValueError(f"runs must be positive, but got runs={runs}.")
    random = np.random.default_rng(0)
    image = random.standard_normal((BATCH_SIZE, *input_shape), dtype=np.float32)
    files = (optimized(onnx_bytes), optimized(baseline_onnx_bytes))
    rounds = min(ROUNDS, runs)
    pairs = -(-runs // rounds)

    def look_up(done: int) -> None:
        watch.check()
        watch.report(done / (rounds * pairs), f"measuring latency: run {done} of {rounds * pairs}")

    times = np.empty((2, rounds, pairs))
    with machine_lock(watch):
        for number in range(rounds):
            look_up(number * pairs)
            loaded = _load(files, image, reverse=number % 2 == 1, warm_up_ns=0 if number else WARM_UP_NS)
            look_up(number * pairs)
            times[:, number] = _interleave(loaded, pairs, random)
    return times


def measure_ratios(
    files: Sequence[bytes],
    baseline: bytes,
    input_shape: tuple[int, int, int],
    *,
    seed: int = 0,
    watch: Watch = SILENT,
) -> list[float]:
    """Median time of each runtime file over that of the baseline, for a search: no intervals, and fewer runs.

    Like `measure_latency` in all else, but that all files take turns, so that whatever slows the machine down for a
    while slows them all down.
    """
    random = np.random.default_rng(seed)
    image = random.standard_normal((BATCH_SIZE, *input_shape), dtype=np.float32)
    prepared = [optimized(data) for data in (baseline, *files)]
    times: list[list[int]] = [[] for _ in prepared]
    with machine_lock(watch):
        for _ in range(SEARCH_ROUNDS):
            loaded = [prepare(data, image) for data in prepared]
            for run in loaded:
                watch.check()
                warm_up(run, 0)
            with _no_garbage_collection():
                for _ in range(SEARCH_RUNS):
                    watch.check()
                    for which in random.permutation(len(loaded)):
                        times[which] += _time(loaded[which], 1)
    medians = np.median(times, axis=1)
    return [float(median / medians[0]) for median in medians[1:]]


def _load(files: tuple[bytes, bytes], image: NDArray[np.float32], *, reverse: bool, warm_up_ns: int) -> list[Run]:
    """Both files loaded and warmed up, in this order or the other."""
    order = (1, 0) if reverse else (0, 1)
    loaded = {which: prepare(files[which], image) for which in order}
    for which, at_least_ns in zip(order, (warm_up_ns, 0), strict=True):
        warm_up(loaded[which], at_least_ns)
    return [loaded[0], loaded[1]]


def prepare(optimized_bytes: bytes, image: NDArray[np.float32]) -> Run:
    """A call that runs an `optimized` file on this image."""
    return bound(open_session(optimized_bytes, THREADS, optimize=False), image)


def warm_up(run: Run, at_least_ns: int = WARM_UP_NS) -> None:
    """`WARM_UP_RUNS` runs, or more if they take less than `at_least_ns` nanoseconds."""
    started, done = time.perf_counter_ns(), 0
    while done < WARM_UP_RUNS or time.perf_counter_ns() - started < at_least_ns:
        run()
        done += 1


def _interleave(loaded: list[Run], pairs: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Nanoseconds of each run, 2 x pairs. Garbage collection waits, for it would hit one file by chance."""
    times = np.empty((2, pairs))
    with _no_garbage_collection():
        for first in range(0, pairs, IN_A_ROW):
            turn = slice(first, first + IN_A_ROW)
            for which in random.permutation(2):
                times[which, turn] = _time(loaded[which], min(IN_A_ROW, pairs - first))
    return times


def _time(run: Run, count: int) -> list[int]:
    """Nanoseconds of `count` runs, after one that fills the caches."""
    run()
    ends = [time.perf_counter_ns()]
    for _ in range(count):
        run()
        ends.append(time.perf_counter_ns())
    return [end - start for start, end in itertools.pairwise(ends)]


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
