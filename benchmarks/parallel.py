"""Whether two workers train twice as much as one.

    python -m benchmarks.parallel [--rounds 3] [--model resnet8-mnist5k]

The same training sweep by a dispatcher with one worker for background jobs and by one with two, each with a new
store, in changing order. Every worker has trained and measured before. Time runs from the first job's start to
the last one's end, so it holds all that a point needs besides training: the measurements too, of which only one
runs at a time. Whether latencies stay true beside a training is what `benchmarks.truth` looks at.
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
"""Of the trainings that warm the workers up, the most there can be: all begin before one is through, and are given
up then."""

ROUNDS = 3
MIN_SPEEDUP = 1.8
"""What is to be reached."""

POLL_S = 0.05
"""How often the store is asked; times are taken from what it holds."""

TRAINED = 0.1
"""Progress from which on a job is surely training: loading the data comes before."""


@dataclass(frozen=True)
class Round:
    """Seconds of the sweep by number of workers."""

    seconds: Mapping[int, float]


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
    _train(dispatcher, model, workers)
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


def _train(dispatcher: Dispatcher, model: str, workers: int) -> None:
    """Have so many workers for background jobs train at the same time for a while."""
    group = f"training-{time.monotonic_ns()}"
    dispatcher.submit([training(model, 50, LONG_EPOCHS, seed) for seed in range(workers)], group=group, background=True)
    while not all(job.state is JobState.RUNNING and job.progress >= TRAINED for job in dispatcher.jobs(group)):
        over = [job for job in dispatcher.jobs(group) if job.state.is_final]
        if over:
            raise RuntimeError(f"The training is over too early ({over[0].error or over[0].state}).")
        time.sleep(POLL_S)
    dispatcher.cancel(group)
    while not all(job.state.is_final for job in dispatcher.jobs(group)):
        time.sleep(POLL_S)


# --- rounds ------------------------------------------------------------------------------------------------------


def measure_round(number: int, model: str, percents: Sequence[int] = PERCENTS, epochs: float = EPOCHS) -> Round:
    """One round; every second one begins with two workers."""
    order = (1, 2) if number % 2 == 0 else (2, 1)
    return Round({workers: sweep_seconds(model, workers, percents, epochs) for workers in order})


def speedup(rounds: Sequence[Round]) -> float:
    """The median of the rounds' ratios: how many times as fast two workers are."""
    return statistics.median(measured.seconds[1] / measured.seconds[2] for measured in rounds)


def goals(rounds: Sequence[Round]) -> list[Goal]:
    """The speed-up."""
    seconds = {workers: statistics.median(measured.seconds[workers] for measured in rounds) for workers in (1, 2)}
    words = f"{seconds[1]:.1f} s and {seconds[2]:.1f} s for {len(PERCENTS)} points"
    what = "a training sweep, times as fast with two workers"
    return [Goal("parallel", what, speedup(rounds), MIN_SPEEDUP, "×", True, words)]


def bench() -> list[Goal]:
    """Measure and print what the table of all benchmarks needs, in a minute."""
    rounds = [measure_round(0, MODEL)]
    Console().print(sweep_table(rounds))
    return goals(rounds)


def sweep_table(rounds: Sequence[Round]) -> Table:
    table = Table("background workers", "s a sweep", "times as fast", "", box=None)
    for workers in (1, 2):
        times = 1.0 if workers == 1 else speedup(rounds)
        typical = statistics.median(measured.seconds[workers] for measured in rounds)
        goal = "" if workers == 1 else _judged(times >= MIN_SPEEDUP, f"{MIN_SPEEDUP:g}")
        table.add_row(str(workers), f"{typical:.1f}", f"{times:.2f}", goal)
    return table


def _judged(is_reached: bool, goal: str) -> str:
    return f"goal {goal}: {'reached' if is_reached else 'missed'}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
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
    console.print(sweep_table(rounds))


if __name__ == "__main__":
    main()
