"""Latency of one image on one thread of ONNX Runtime, always against the baseline measured in turn.

What is timed is one call of the runtime from Python (`InferenceSession.run`), image in and logits out, in runs that
follow each other with warm caches: what a program waits that answers one image after the other. What the call itself
costs is timed too, by a network that does nothing.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import onnx
import psutil
from numpy.typing import NDArray

from compression.engine.measure.evaluation import Run, called, open_session, optimized
from compression.engine.measure.machine_lock import machine_lock
from compression.engine.onnx_graph import make_model
from compression.results.machine import BATCH_SIZE, THREADS
from compression.results.significance import trimmed_mean
from compression.results.timing import Timing, pooled
from compression.watch import SILENT, Watch

WARM_UP_RUNS = 4
"""In the first the runtime allocates what it reuses later: it takes half as long again. From the fourth on all are
alike (medians over 60 newly loaded networks, float and 8 bits)."""
WARM_UP_NS = 20_000_000
"""Before all else, for a sleeping processor to raise its clock."""
ROUNDS = 10
"""Enough for an interval that knows how much loading a network anew changes; each costs some 50 ms."""
RUNS = 150
"""Of each file in these: `benchmarks/truth.py` finds their intervals right, and hardly narrower ones with more."""
NARROW = 0.02
"""As wide as the interval of a ratio may be, as a share of it, that these rounds show by themselves; until then more
follow. What differs between moments (`DRIFT` in `compression.results.timing`) no number of them narrows."""
MOST_ROUNDS, FEWEST_ROUNDS = 40, 4
SECONDS, ROUND_SECONDS = 10.0, 1.0
"""After the first no further round begins, if there are the fewest, and after the second no further turn in a round:
some networks take half a second for one image."""
IN_A_ROW = 5
"""Neighbouring runs of one file: a millisecond or two, so that all files see the same slow moments."""
SEARCH_ROUNDS, SEARCH_RUNS = 4, 10
"""Less than half of them, where a search loads tens of networks in each; and runs of each network in a round."""


def measure_latency(
    onnx_bytes: bytes,
    baseline_onnx_bytes: bytes,
    input_shape: tuple[int, int, int],
    *,
    runs: int = RUNS,
    narrow: float = NARROW,
    seconds: float = SECONDS,
    watch: Watch = SILENT,
) -> Timing:
    """Time two runtime files in turn until what these rounds say of their ratio is `narrow`, or `seconds` are over.

    `runs` (at least 1) times each in the first rounds, see `times_in_turn`, and as often in each of those that follow.
    Only one measurement runs on this machine at a time; another one waits.
    """
    image, files, rounds, turns = _plan(onnx_bytes, baseline_onnx_bytes, input_shape, runs)
    found: list[NDArray[np.float64]] = []
    with _other_load() as load, machine_lock(watch):
        started = time.perf_counter_ns()
        for times in _rounds(files, image, turns, ROUND_SECONDS, watch):
            found.append(times)
            ratios = [float(np.median(each[0]) / np.median(each[1])) for each in found]
            low, high = (f"{100 * end:.0f}" for end in pooled([ratios])[1:])
            so_far = f": {low} to {high} % of the original's so far" if narrow < math.inf else ""
            watch.report(len(found) / (MOST_ROUNDS + 1), f"measuring latency{so_far}")
            is_over = (time.perf_counter_ns() - started) / 1e9 >= seconds and len(found) >= FEWEST_ROUNDS
            is_narrow = len(found) >= rounds and 2 * trimmed_mean(np.log(ratios))[1] <= narrow
            if is_over or is_narrow or len(found) == max(rounds, MOST_ROUNDS):
                break
    every = np.concatenate(found, axis=1) / 1e6
    (p50, baseline_p50, call), (p95, baseline_p95, _) = np.quantile(every, [0.5, 0.95], axis=1).tolist()
    return Timing(
        created_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        p50_ms=p50,
        p95_ms=p95,
        baseline_p50_ms=baseline_p50,
        baseline_p95_ms=baseline_p95,
        call_ms=call,
        ratios=tuple(ratios),
        runs=every.shape[1],
        load=load(),
    )


def times_in_turn(
    onnx_bytes: bytes,
    baseline_onnx_bytes: bytes,
    input_shape: tuple[int, int, int],
    *,
    runs: int = RUNS,
    watch: Watch = SILENT,
) -> NDArray[np.float64]:
    """Nanoseconds of single runs on an image of `input_shape` (C x H x W): file, baseline, network that does nothing.

    3 x rounds x runs in a round, at least `runs` (1 or more) of each.

    The runs are spread over `ROUNDS` rounds, each with newly loaded networks, in alternating order: where in
    memory a network happens to lie changes its speed by some percent (up to 8 % seen between two sessions of
    the same file). Within a round the files take turns, in an order that is random but seeded: each runs
    `IN_A_ROW` times, after an untimed run, as the other one has just filled the processor's caches.
    """
    image, files, rounds, turns = _plan(onnx_bytes, baseline_onnx_bytes, input_shape, runs)
    found = []
    with machine_lock(watch):
        for times in itertools.islice(_rounds(files, image, turns, math.inf, watch), rounds):
            found.append(times)
            watch.report(len(found) / rounds, f"measuring latency: run {len(found) * turns} of {rounds * turns}")
    return np.stack(found, axis=1)


def _plan(
    onnx_bytes: bytes, baseline_onnx_bytes: bytes, input_shape: tuple[int, int, int], runs: int
) -> tuple[NDArray[np.float32], tuple[bytes, bytes, bytes], int, int]:
    """A random image, the files that take turns, how many rounds there are to be, and how often each runs in one."""
    if runs < 1:
        raise ValueError(f"runs must be positive, but got runs={runs}.")
    image = np.random.default_rng(0).standard_normal((BATCH_SIZE, *input_shape), dtype=np.float32)
    files = optimized(onnx_bytes), optimized(baseline_onnx_bytes), _nothing(input_shape)
    rounds = min(ROUNDS, runs)
    return image, files, rounds, -(-runs // rounds)


def _rounds(
    files: Sequence[bytes], image: NDArray[np.float32], turns: int, seconds: float, watch: Watch
) -> Iterator[NDArray[np.float64]]:
    """Rounds without end: nanoseconds of each run, files x `turns`, or fewer where these take more than `seconds`."""
    random = np.random.default_rng(0)
    for number in itertools.count():
        loaded = _load(files, image, reverse=number % 2 == 1, warm_up_ns=0 if number else WARM_UP_NS, watch=watch)
        yield _interleave(loaded, turns, seconds, random, watch)


def graph_key(onnx_bytes: bytes) -> str:
    """32 hexadecimal digits, equal for networks that run the same operations on the same shapes.

    Of the graph that the runtime really runs, with its integer constants (shapes, axes), but without the values of
    weights, scales and codes: time does not depend on these.
    """
    graph = onnx.load_from_string(optimized(onnx_bytes)).graph
    numbers: dict[str, int] = {"": 0}
    for tensor in graph.initializer:
        numbers.setdefault(tensor.name, len(numbers))
    parts = [[list(tensor.dims), tensor.data_type, _shape_constant(tensor)] for tensor in graph.initializer]
    for node in graph.node:
        ends = [[numbers.setdefault(name, len(numbers)) for name in names] for names in (node.input, node.output)]
        attributes = sorted(attribute.SerializeToString(deterministic=True).hex() for attribute in node.attribute)
        parts.append([node.domain, node.op_type, *ends, attributes])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _shape_constant(tensor: onnx.TensorProto) -> list[int]:
    """The values of integers, which are shapes and axes."""
    is_shape = tensor.data_type == onnx.TensorProto.INT64
    return onnx.numpy_helper.to_array(tensor).ravel().tolist() if is_shape else []


@functools.lru_cache(maxsize=4)
def _nothing(input_shape: tuple[int, int, int]) -> bytes:
    """A network that gives back its image."""
    shape = (BATCH_SIZE, *input_shape)
    model = make_model([onnx.helper.make_node("Identity", ["image"], ["same"])], {"image": shape}, {"same": shape})
    return bytes(model.SerializeToString())


@contextlib.contextmanager
def _other_load() -> Iterator[Callable[[], float]]:
    """Afterwards: the share of the machine's processors (0 to 1) that all but this process kept busy meanwhile."""
    process = psutil.Process()
    before, own = psutil.cpu_times(), process.cpu_times()
    found = 0.0
    yield lambda: found
    after, own_after = psutil.cpu_times(), process.cpu_times()
    total = sum(after) - sum(before)
    idle = after.idle - before.idle + getattr(after, "iowait", 0.0) - getattr(before, "iowait", 0.0)
    mine = own_after.user + own_after.system - own.user - own.system
    found = min(1.0, max(0.0, (total - idle - mine) / total)) if total > 0 else 0.0


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


def _load(
    files: Sequence[bytes], image: NDArray[np.float32], *, reverse: bool, warm_up_ns: int, watch: Watch
) -> list[Run]:
    """All files loaded and warmed up, in this order or the other way round."""
    order = range(len(files))[:: -1 if reverse else 1]
    loaded = {which: prepare(files[which], image) for which in watch.each(order)}
    for which in watch.each(order):
        warm_up(loaded[which], warm_up_ns if which == order[0] else 0)
    return [loaded[which] for which in range(len(files))]


def prepare(optimized_bytes: bytes, image: NDArray[np.float32]) -> Run:
    """A call that runs an `optimized` file on this image."""
    return called(open_session(optimized_bytes, THREADS, optimize=False), image)


def warm_up(run: Run, at_least_ns: int = WARM_UP_NS) -> None:
    """`WARM_UP_RUNS` runs, or more if they take less than `at_least_ns` nanoseconds."""
    started, done = time.perf_counter_ns(), 0
    while done < WARM_UP_RUNS or time.perf_counter_ns() - started < at_least_ns:
        run()
        done += 1


def _interleave(
    loaded: list[Run], turns: int, seconds: float, random: np.random.Generator, watch: Watch
) -> NDArray[np.float64]:
    """Nanoseconds of each run, files x turns. Garbage collection waits, for it would hit one file by chance."""
    times: list[list[list[int]]] = [[] for _ in loaded]
    started = time.perf_counter_ns()
    with _no_garbage_collection():
        for first in range(0, turns, IN_A_ROW):
            if first and (time.perf_counter_ns() - started) / 1e9 >= seconds:
                break
            for which in watch.each(random.permutation(len(loaded))):
                times[which].append(_time(loaded[which], min(IN_A_ROW, turns - first)))
    return np.array([list(itertools.chain.from_iterable(each)) for each in times], np.float64)


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
