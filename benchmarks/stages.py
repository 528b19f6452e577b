"""Where the time of a point goes: a stopwatch on the engine's stages, and the floor under them, the bare runtime."""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar
from unittest import mock

import numpy as np

from benchmarks.notebook import RUNS
from compression.engine.measure import evaluation, latency
from compression.engine.measure.machine_lock import machine_lock
from compression.models.data import Dataset
from compression.results.machine import BATCH_SIZE

P = ParamSpec("P")
T = TypeVar("T")

STAGES = {
    "build": ("compression.engine.run:build_variant",),
    "export": ("compression.engine.files.export:to_onnx",),
    "encode": ("compression.engine.files.stored_file:encode",),
    "decode": ("compression.engine.files.stored_file:decode_with_ledger",),
    "evaluate": ("compression.engine.measure.evaluation:predict",),
    "latency": ("compression.engine.run:measure_latency",),
    "sparse products": ("compression.engine.run:measure_sparse",),
    "process peak": ("compression.engine.run:process_peak",),
    "runtime ledger": ("compression.engine.run:runtime_ledger",),
    "zip": ("compression.engine.files.stored_file:zipped_size",),
    "operations and memory": ("compression.engine.run:count_costs", "compression.engine.measure.memory:runtime_costs"),
    "store": ("compression.store.store:Store.add_result", "compression.work.once:_stored"),
}
"""Functions that `run_recipe` and the worker around it call, by what they are for."""


@contextlib.contextmanager
def stopwatch(stages: Mapping[str, Sequence[str]] = STAGES) -> Iterator[dict[str, float]]:
    """Seconds that this thread spends in each stage. A stage inside another counts for the outer one."""
    seconds = dict.fromkeys(stages, 0.0)
    running: list[str] = []
    thread = threading.get_ident()

    def timed(stage: str, function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def run(*arguments: P.args, **options: P.kwargs) -> T:
            if running or threading.get_ident() != thread:
                return function(*arguments, **options)
            running.append(stage)
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                seconds[stage] += time.perf_counter() - started
                running.pop()

        return run

    with contextlib.ExitStack() as stack:
        for stage, places in stages.items():
            for place in places:
                owner, name = _owner(place)
                stack.enter_context(mock.patch.object(owner, name, timed(stage, getattr(owner, name))))
        yield seconds


def _owner(place: str) -> tuple[Any, str]:
    """What has the attribute that `module:attribute` or `module:Class.attribute` names, and its name."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    return functools.reduce(getattr, owners, importlib.import_module(module)), name


# --- the floor ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Floor:
    """Seconds that ONNX Runtime itself takes for a point: for all test images, and for the runs that time it."""

    evaluate: float
    latency: float

    @property
    def seconds(self) -> float:
        """Both."""
        return self.evaluate + self.latency


def floor_of(file: bytes, baseline_file: bytes, dataset: Dataset, runs: int = RUNS) -> Floor:
    """The floor of one runtime file; nobody else measures on this machine meanwhile."""
    with machine_lock():
        return Floor(_bare_evaluation(file, dataset), _bare_timing(file, baseline_file, dataset, runs))


def _bare_evaluation(file: bytes, dataset: Dataset) -> float:
    session = evaluation.open_session(file)
    name = session.get_inputs()[0].name
    batches = [x for x, _ in dataset.test.batches(evaluation.BATCH)]
    session.run(None, {name: batches[0]})
    started = time.perf_counter()
    for batch in batches:
        session.run(None, {name: batch})
    return time.perf_counter() - started


def _bare_timing(file: bytes, baseline_file: bytes, dataset: Dataset, runs: int) -> float:
    image = np.zeros((BATCH_SIZE, *dataset.input_shape), np.float32)
    loaded = [latency.prepare(evaluation.optimized(content), image) for content in (file, baseline_file)]
    for run in loaded:
        latency.warm_up(run)
    started = time.perf_counter()
    for first in range(0, runs, latency.IN_A_ROW):
        for run in loaded:
            for _ in range(1 + min(latency.IN_A_ROW, runs - first)):
                run()
    return time.perf_counter() - started
