"""The points of the sweep, and how this program measures them: by a dispatcher's workers, or in one process."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import torch

from benchmarks.stages import stopwatch
from compression import environment
from compression.recipe.recipe import Recipe, make_recipe
from compression.results.record import Result
from compression.store.jobs import Job, JobState
from compression.store.store import Store
from compression.work import once
from compression.work.dispatcher import Dispatcher
from compression.work.local_cluster import worker_count

POLL_S = 0.1
"""How often the store is asked whether all points are there; when each was finished is in the store."""
FLOAT_BITS = 32


class Setting(NamedTuple):
    """A point of the sweep: percent of the channels removed, bits of weights and activations."""

    percent: int
    bits: int


def settings_of(percents: Sequence[int]) -> list[Setting]:
    """Float and 8 bits for each ratio, without the unchanged network."""
    every = (Setting(percent, bits) for percent in percents for bits in (FLOAT_BITS, 8))
    return [setting for setting in every if setting != (0, FLOAT_BITS)]


def recipe_of(model: str, setting: Setting) -> Recipe:
    """The recipe of a point."""
    pruning = {"technique": "channel_pruning", "pruning_ratio": setting.percent / 100}
    rounding = {"technique": "quantization", "weight_bits": setting.bits, "activation_bits": setting.bits}
    return make_recipe(model, [*([pruning] if setting.percent else []), *([rounding] if setting.bits < 32 else [])])


def warm_up_recipes(model: str, count: int) -> list[Recipe]:
    """Points that use the same techniques, none with a network that the sweep has."""
    pruning = {"technique": "channel_pruning", "pruning_ratio": 0.95}
    return [
        make_recipe(model, [pruning, {"technique": "quantization", "weight_bits": 6, "activation_bits": 8}], seed)
        for seed in range(count)
    ]


@dataclass(frozen=True)
class Sweep:
    """What one sweep of this program gave. Times in seconds; `stages` by point, empty where workers measured."""

    results: Mapping[Setting, Result]
    files: Mapping[Setting, bytes]
    baseline_file: bytes
    seconds: Mapping[Setting, float]
    total: float
    stages: Mapping[Setting, Mapping[str, float]] = field(default_factory=dict)


def by_dispatcher(model: str, settings: Sequence[Setting], home: Path, *, background: bool = True) -> Sweep:
    """All points at once, measured by a dispatcher's worker processes."""
    with home_at(home):
        dispatcher = Dispatcher()
        try:
            completed(dispatcher, [Recipe(model=model)], "baseline", background)
            workers = worker_count() + (not background)  # the one for people takes no background jobs
            completed(dispatcher, warm_up_recipes(model, workers), "warm-up", background)
            started = time.time()
            jobs = completed(dispatcher, [recipe_of(model, setting) for setting in settings], "sweep", background)
            return _collect(model, settings, jobs, dispatcher.store, started)
        finally:
            dispatcher.close()


def completed(dispatcher: Dispatcher, recipes: Sequence[Recipe], group: str, background: bool) -> list[Job]:
    """Submit, wait, and return the finished jobs in this order.

    Raises `RuntimeError` when one has no result, or there are no worker processes.
    """
    dispatcher.submit(recipes, group=group, background=background)
    while not all(job.state.is_final for job in dispatcher.jobs(group)):
        if dispatcher.problem and not dispatcher.is_ready:
            raise RuntimeError(dispatcher.problem)
        time.sleep(POLL_S)
    jobs = dispatcher.jobs(group)
    for job in jobs:
        if job.state is not JobState.COMPLETE:
            raise RuntimeError(f"{job.recipe.to_short_json()} is {job.state}: {job.error}")
    return jobs


def _collect(model: str, settings: Sequence[Setting], jobs: Sequence[Job], store: Store, started: float) -> Sweep:
    times = [(job.started_at, job.finished_at) for job in jobs]
    spans = [(begin.timestamp(), end.timestamp()) for begin, end in times if begin and end]
    results = {setting: _result(store, recipe_of(model, setting)) for setting in settings}
    return Sweep(
        results,
        {setting: _file(store, result) for setting, result in results.items()},
        _file(store, _result(store, Recipe(model=model))),
        {setting: end - begin for setting, (begin, end) in zip(settings, spans, strict=True)},
        max(end for _, end in spans) - started,
    )


def _result(store: Store, recipe: Recipe) -> Result:
    found = store.result(recipe)
    if found is None:
        raise RuntimeError(f"{recipe.to_short_json()} has no result")
    return found


def _file(store: Store, result: Result) -> bytes:
    content = store.artifact(result.artifacts["onnx"])
    if content is None:
        raise RuntimeError(f"the runtime file of {result.recipe_id} is gone")
    return content


def by_one_process(model: str, settings: Sequence[Setting], home: Path) -> Sweep:
    """`in_process` in a process of its own, which remembers nothing of an earlier round."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(in_process, model, settings, home).result()


def in_process(model: str, settings: Sequence[Setting], home: Path) -> Sweep:
    """One point after another in this process, as a worker measures them, with their stages."""
    with home_at(home), torch_threads(1):
        store = Store()
        for recipe in (Recipe(model=model), *warm_up_recipes(model, 1)):
            once.measure(recipe, store)
        files, results, seconds, stages = {}, {}, {}, {}
        for setting in settings:
            recipe = recipe_of(model, setting)
            with stopwatch() as stages[setting]:
                started = time.perf_counter()
                results[setting], contents = once.measure(recipe, store)
                seconds[setting] = time.perf_counter() - started
            files[setting] = contents["onnx"]
        baseline_file = _file(store, _result(store, Recipe(model=model)))
        return Sweep(results, files, baseline_file, seconds, sum(seconds.values()), stages)


@contextlib.contextmanager
def home_at(folder: Path) -> Iterator[None]:
    """Results and files go into this folder; data sets stay where they are cached."""
    data = environment.data_folder()
    data.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True)
    (folder / "data").symlink_to(data)
    with mock.patch.dict(os.environ, {"COMPRESSION_HOME": str(folder)}):
        os.environ.pop("COMPRESSION_DATABASE", None)
        yield


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Torch computes with so many threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
