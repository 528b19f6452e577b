"""Whether two workers train twice as much as one, and whether latencies stay true meanwhile.

    python -m benchmarks.parallel [--rounds 3] [--model resnet8-mnist5k]

Sweep: the same training sweep by a dispatcher with one worker for background jobs and by one with two, each with a new
store, in changing order. Every worker has trained and measured before. Time runs from the first job's start to
the last one's end, so it holds all that a point needs besides training: the measurements too, of which only one
runs at a time.

Latency: the ratio to the baseline of one setting that does not train, measured again and again as a new recipe

    quiet       while nothing else runs
    person's    by the worker for people, while both workers for background jobs train
    background  by one of the workers for background jobs, at their low priority, while the other one trains

Each is the median of all measurements, in turns. They should be within 5 % of the quiet one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.goals import Goal
from benchmarks.points import completed, home_at
from compression.recipe.recipe import Recipe, make_recipe
from compression.results.machine import describe_machine
from compression.store.jobs import Job, JobState
from compression.work.dispatcher import Dispatcher
from sample_models.catalogue import MODELS

MODEL = "resnet8-mnist5k"
PERCENTS = (10, 20, 30, 40, 50, 60, 70, 80)
"""Pruned channels of the sweep's points, those that take longest first: so no worker waits long for the last."""

EPOCHS = 2.0
"""Of a point of the sweep: two seconds to six of training, as in a quick budget, beside one of measuring."""

LONG_EPOCHS = 200.0
"""Of the training beside which latencies are measured, the most there can be: minutes, and then it is given up."""

ROUNDS = 3
REPEATS = 3
"""Latencies in each condition of a round."""

MIN_SPEEDUP, MAX_DEVIATION = 1.8, 0.05
"""What is to be reached."""

POLL_S = 0.05
"""How often the store is asked; times are taken from what it holds."""

TRAINED = 0.1
"""Progress from which on a job is surely training: loading the data comes before."""

PRUNED: dict[str, Any] = {"technique": "channel_pruning", "pruning_ratio": 0.5}
CONDITIONS = {"quiet": 0, "person's": 2, "background": 1}
"""Workers that train meanwhile."""


@dataclass(frozen=True)
class Round:
    """Seconds of the sweep by number of workers, and the latency ratios seen in each condition."""

    seconds: Mapping[int, float]
    ratios: Mapping[str, Sequence[float]]


def training(model: str, percent: int, epochs: float, seed: int = 0) -> Recipe:
    """Channels pruned, and fine-tuning behind it."""
    pruning = {"technique": "channel_pruning", "pruning_ratio": percent / 100}
    return make_recipe(model, [pruning, {"technique": "fine_tuning", "epochs": epochs}], seed)


@contextlib.contextmanager
def dispatcher_of(workers: int) -> Iterator[Dispatcher]:
    """A dispatcher with a new store and so many workers for background jobs."""
    with tempfile.TemporaryDirectory(prefix="compression-parallel-") as folder, home_at(Path(folder) / "home"):
        dispatcher = Dispatcher(background_workers=workers)
        try:
            yield dispatcher
        finally:
            dispatcher.close()


def warm_up(dispatcher: Dispatcher, model: str, workers: int, epochs: float) -> None:
    """The baseline is measured, and each worker has trained: at the same time, so that none does it for another."""
    completed(dispatcher, [Recipe(model=model)], "baseline", False)
    with _training(dispatcher, model, workers):
        pass
    completed(dispatcher, [training(model, 90, epochs, seed) for seed in range(workers)], "warm-up", True)


# --- sweep -------------------------------------------------------------------------------------------------------


def sweep_seconds(model: str, workers: int, percents: Sequence[int] = PERCENTS, epochs: float = EPOCHS) -> float:
    """How long so many workers take for the training sweep."""
    with dispatcher_of(workers) as dispatcher:
        warm_up(dispatcher, model, workers, epochs)
        return seconds_of(
            completed(dispatcher, [training(model, percent, epochs) for percent in percents], "sweep", True)
        )


def seconds_of(jobs: Sequence[Job]) -> float:
    """From the first start to the last end."""
    starts = [job.started_at for job in jobs if job.started_at]
    ends = [job.finished_at for job in jobs if job.finished_at]
    return (max(ends) - min(starts)).total_seconds()


# --- latency -----------------------------------------------------------------------------------------------------


def latency_ratios(model: str, repeats: int = REPEATS, first: int = 0) -> dict[str, list[float]]:
    """Ratios by condition; recipes have seeds from `first` on."""
    found: dict[str, list[float]] = {}
    with dispatcher_of(2) as dispatcher:
        warm_up(dispatcher, model, 2, 0.1)
        for number, (condition, workers) in enumerate(CONDITIONS.items()):
            seeds = range(first + number * repeats, first + (number + 1) * repeats)
            with _training(dispatcher, model, workers):
                found[condition] = [_ratio(dispatcher, model, seed, condition == "background") for seed in seeds]
    return found


def _ratio(dispatcher: Dispatcher, model: str, seed: int, background: bool) -> float:
    recipe = make_recipe(model, [PRUNED], seed)
    completed(dispatcher, [recipe], f"latency-{seed}", background)
    result = dispatcher.store.result(recipe)
    assert result is not None
    return result.latency_ratio


@contextlib.contextmanager
def _training(dispatcher: Dispatcher, model: str, workers: int) -> Iterator[None]:
    """Inside, so many workers for background jobs train."""
    group = f"training-{time.monotonic_ns()}"
    dispatcher.submit([training(model, 50, LONG_EPOCHS, seed) for seed in range(workers)], group=group, background=True)
    while not all(job.state is JobState.RUNNING and job.progress >= TRAINED for job in dispatcher.jobs(group)):
        over = [job for job in dispatcher.jobs(group) if job.state.is_final]
        if over:
            raise RuntimeError(f"The training is over too early ({over[0].error or over[0].state}).")
        time.sleep(POLL_S)
    try:
        yield
        if any(job.state.is_final for job in dispatcher.jobs(group)):
            raise RuntimeError(f"The training was over before the measurements. Take a larger model than {model}.")
    finally:
        dispatcher.cancel(group)
        while not all(job.state.is_final for job in dispatcher.jobs(group)):
            time.sleep(POLL_S)


# --- both --------------------------------------------------------------------------------------------------------


def measure_round(
    number: int, model: str, percents: Sequence[int] = PERCENTS, epochs: float = EPOCHS, repeats: int = REPEATS
) -> Round:
    """One round; every second one begins with two workers."""
    order = (1, 2) if number % 2 == 0 else (2, 1)
    seconds = {workers: sweep_seconds(model, workers, percents, epochs) for workers in order}
    return Round(seconds, latency_ratios(model, repeats))


def speedup(rounds: Sequence[Round]) -> float:
    """The median of the rounds' ratios: how many times as fast two workers are."""
    return statistics.median(measured.seconds[1] / measured.seconds[2] for measured in rounds)


def medians(rounds: Sequence[Round]) -> dict[str, float]:
    """The median latency ratio of each condition."""
    return {
        condition: statistics.median(ratio for measured in rounds for ratio in measured.ratios[condition])
        for condition in CONDITIONS
    }


def goals(rounds: Sequence[Round]) -> list[Goal]:
    """The speed-up, and how far from the quiet machine's the latency ratios are."""
    seconds = {workers: statistics.median(measured.seconds[workers] for measured in rounds) for workers in (1, 2)}
    words = f"{seconds[1]:.1f} s and {seconds[2]:.1f} s for {len(PERCENTS)} points"
    found = medians(rounds)
    off = [
        Goal(
            "parallel",
            f"latency ratio off the quiet machine's, {condition} worker",
            100 * abs(found[condition] / found["quiet"] - 1),
            100 * MAX_DEVIATION,
            "%",
            note=f"{found[condition]:.3f} and {found['quiet']:.3f}",
        )
        for condition in CONDITIONS
        if condition != "quiet"
    ]
    what = "a training sweep, times as fast with two workers"
    return [Goal("parallel", what, speedup(rounds), MIN_SPEEDUP, "×", True, words), *off]


def bench() -> list[Goal]:
    """Measure and print what the table of all benchmarks needs, in three minutes."""
    rounds = [measure_round(0, MODEL, repeats=5)]
    Console().print(sweep_table(rounds), latency_table(rounds))
    return goals(rounds)


def sweep_table(rounds: Sequence[Round]) -> Table:
    table = Table("background workers", "s a sweep", "times as fast", "", box=None)
    for workers in (1, 2):
        times = 1.0 if workers == 1 else speedup(rounds)
        typical = statistics.median(measured.seconds[workers] for measured in rounds)
        goal = "" if workers == 1 else _judged(times >= MIN_SPEEDUP, f"{MIN_SPEEDUP:g}")
        table.add_row(str(workers), f"{typical:.1f}", f"{times:.2f}", goal)
    return table


def latency_table(rounds: Sequence[Round]) -> Table:
    table = Table("latency ratio", "training workers", "median", "off the quiet one", "", box=None)
    found = medians(rounds)
    for condition, median in found.items():
        off = median / found["quiet"] - 1
        goal = "" if condition == "quiet" else _judged(abs(off) <= MAX_DEVIATION, f"{100 * MAX_DEVIATION:g} %")
        table.add_row(condition, str(CONDITIONS[condition]), f"{median:.3f}", f"{100 * off:+.1f} %", goal)
    return table


def _judged(is_reached: bool, goal: str) -> str:
    return f"goal {goal}: {'reached' if is_reached else 'missed'}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.parallel", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", choices=tuple(MODELS), default=MODEL, metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    rounds = [measure_round(number, options.model) for number in range(options.rounds)]
    console = Console()
    console.print(
        f"{options.model}, {len(PERCENTS)} points, {len(rounds)} rounds; {describe_machine().cpu}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        soft_wrap=True,
    )
    for table in (sweep_table(rounds), latency_table(rounds)):
        console.print(table)


if __name__ == "__main__":
    main()
