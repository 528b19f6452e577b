"""How fast fine-tuning is, against the loop that a competent person would write, and whether it is as good.

    python -m benchmarks.training                    # both tables: about ten minutes
    python -m benchmarks.training --seeds 0          # speed alone
    python -m benchmarks.training --rounds 0 --formats   # accuracy alone, quantized and masked networks too

Speed: images a second of `compression.engine.training.loop.train`, with everything that it does, and of a float32
PyTorch loop with the same optimizer, augmentation and batch size. Each runs in a process of its own with one thread,
since ours changes how its process keeps memory, and they take turns, so that other programs meet both alike.

Accuracy: on validation images after one epoch of fine-tuning, in plain float32, in the mode that was chosen for this
machine, and in bfloat16, which is chosen where the processor has matrix units for it.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.goals import Goal
from compression.models.data import load_dataset
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.results.machine import describe_machine
from sample_models.catalogue import find_model

if TYPE_CHECKING:
    from torch import fx

    from compression.engine.training.speed import Mode
    from compression.models.data import Dataset

SPEED_MODELS = ("lenet300-mnist5k", "lenet5-mnist5k", "resnet8-mnist5k", "mobilenet-fashion")
BATCH_SIZE = 64
STEPS = 50
"""Of one turn: an epoch of MNIST-5k, a fifth of a second to fifteen seconds."""
ROUNDS = 7
SEEDS = 5

FINE_TUNING = {"technique": "fine_tuning", "epochs": 1}
PRUNED: dict[str, Any] = {"technique": "channel_pruning", "pruning_ratio": 0.5}
CUTS: dict[tuple[str, str], dict[str, Any]] = {
    ("resnet8-mnist5k", "half the channels"): PRUNED,
    ("lenet5-mnist5k", "half the channels"): PRUNED,
}
FORMATS: dict[tuple[str, str], dict[str, Any]] = {
    ("resnet8-mnist5k", "2-bit weights"): {"technique": "quantization", "weight_bits": 2, "method": "gptq"},
    ("resnet8-mnist5k", "4-bit weights"): {"technique": "quantization", "weight_bits": 4, "method": "gptq"},
    ("lenet5-mnist5k", "4 shared values"): {"technique": "weight_sharing", "clusters": 4},
    ("lenet5-mnist5k", "98 % zeros"): {"technique": "magnitude_pruning", "sparsity": 0.98},
}


# --- speed -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speed:
    """Images a second of both loops, a pair a round."""

    model: str
    ours: tuple[float, ...]
    plain: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios: above 1 ours is faster."""
        return statistics.median(a / b for a, b in zip(self.ours, self.plain, strict=True))


def ours(model: fx.GraphModule, dataset: Dataset, steps: int) -> None:
    """What fine-tuning runs."""
    from compression.engine.training.loop import one_cycle, optimized

    for _ in optimized(model, dataset, steps=steps, learning_rate=0.003, seed=0, schedule=one_cycle):
        pass


def plain(model: fx.GraphModule, dataset: Dataset, steps: int) -> None:
    """The loop of a tutorial, without its mistakes: images in memory as one tensor, one tensor operation a batch."""
    import torch
    from torch.nn import functional

    from compression.engine.training.loop import augmented

    split, generator = dataset.train, torch.Generator().manual_seed(0)
    wanted = slice(0, steps * BATCH_SIZE)
    images, labels = torch.from_numpy(split.preprocess(split.images[wanted])), torch.tensor(split.y[wanted])
    order = torch.cat([torch.randperm(len(labels), generator=generator)] * math.ceil(steps * BATCH_SIZE / len(labels)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.003, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for step in range(steps):
        index = order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
        optimizer.zero_grad()
        functional.cross_entropy(
            model(augmented(images[index], dataset.augmentation, generator)), labels[index]
        ).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    model.eval()


def images_a_second(name: str, loop: Callable[[fx.GraphModule, Dataset, int], None], steps: int) -> float:
    """Train the sample model for some steps."""
    from compression.engine.network.tracing import trace

    entry = find_model(name)
    dataset = load_dataset(entry.dataset)
    model = trace(entry.load(), dataset.input_shape)
    started = time.perf_counter()
    loop(model, dataset, steps)
    return steps * BATCH_SIZE / (time.perf_counter() - started)


def _serve(connection: Connection, loop: Callable[[fx.GraphModule, Dataset, int], None]) -> None:
    """Answer (model's name, steps) with images a second, until told None."""
    import torch

    torch.set_num_threads(1)
    while (order := connection.recv()) is not None:
        name, steps = order
        connection.send(images_a_second(name, loop, steps))


@contextmanager
def process_of(loop: Callable[[fx.GraphModule, Dataset, int], None]) -> Iterator[Callable[[str, int], float]]:
    """A process that trains with `loop`, as a function (model's name, steps) to images a second."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, loop), daemon=True)
    process.start()
    there.close()

    def ask(name: str, steps: int) -> float:
        here.send((name, steps))
        answer: float = here.recv()
        return answer

    try:
        yield ask
    finally:
        if process.is_alive():
            here.send(None)
        process.join()


def compare_speed(models: Iterable[str], rounds: int, steps: int = STEPS) -> Iterator[Speed]:
    """Both loops in turn, who begins changing each round; a turn before the first is not counted."""
    with process_of(ours) as ask_ours, process_of(plain) as ask_plain:
        for name in models:
            asked = {"ours": ask_ours, "plain": ask_plain}
            found: dict[str, list[float]] = {who: [] for who in asked}
            for number in range(-1, rounds):
                for who in sorted(asked, reverse=number % 2 == 0):
                    speed = asked[who](name, steps)
                    if number >= 0:
                        found[who].append(speed)
            yield Speed(name, tuple(found["ours"]), tuple(found["plain"]))


def speed_table(speeds: Iterable[Speed]) -> Table:
    """Medians."""
    table = _table("images a second, median", "model", "PyTorch loop", "ours", "times as fast")
    for speed in speeds:
        medians = (f"{statistics.median(found):,.0f}" for found in (speed.plain, speed.ours))
        table.add_row(speed.model, *medians, f"{speed.ratio:.2f}")
    return table


# --- accuracy ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accuracies:
    """Percent of validation images before fine-tuning, and after it for each seed, by mode."""

    model: str
    cut: str
    before: float
    after: Mapping[str, Sequence[float]]


def compare_accuracy(cuts: Mapping[tuple[str, str], dict[str, Any]], seeds: int) -> Iterator[Accuracies]:
    """Each network is cut once, and fine-tuned from there in each mode with each seed."""
    import torch

    torch.set_num_threads(1)
    for (model, cut), step in cuts.items():
        yield _accuracies(model, cut, Recipe.model_validate({"model": model, "steps": [step, FINE_TUNING]}), seeds)


def _accuracies(model: str, cut: str, recipe: Recipe, seeds: int) -> Accuracies:
    from compression.engine.network.tracing import trace
    from compression.engine.techniques import Context, apply_step
    from compression.engine.training.speed import FASTEST, PLAIN, always

    entry = find_model(model)
    dataset = load_dataset(entry.dataset)
    teacher = trace(entry.load(), dataset.input_shape)

    def applied(network: fx.GraphModule, number: int, seed: int, mode: Mode | None) -> fx.GraphModule:
        with always(mode) if mode else nullcontext():
            return apply_step(network, recipe.steps[number], Context(dataset, teacher, lambda step: teacher, seed))

    start = applied(teacher, 0, 0, None)
    modes = {"plain": PLAIN, "chosen": None, "bfloat16": FASTEST}
    after = {
        name: [validation_percent(applied(start, 1, seed, mode), dataset) for seed in range(seeds)]
        for name, mode in modes.items()
    }
    return Accuracies(model, cut, validation_percent(start, dataset), after)


def validation_percent(network: fx.GraphModule, dataset: Dataset) -> float:
    """Percent of validation images that are classified right."""
    import torch

    with torch.no_grad():
        found = network(torch.from_numpy(dataset.validation.x)).argmax(1).numpy()
    return 100 * float((found == dataset.validation.y).mean())


def accuracy_table(rows: Iterable[Accuracies]) -> Table:
    """Mean and standard deviation over seeds."""
    columns = ("model", "cut", "before", "plain float32", "chosen", "bfloat16")
    table = _table("validation accuracy in percent, mean ± standard deviation", *columns)
    for row in rows:
        table.add_row(row.model, row.cut, f"{row.before:.2f}", *map(_spread, row.after.values()))
    return table


def _spread(values: Sequence[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else math.nan
    return f"{statistics.mean(values):.2f} ± {deviation:.2f}"


# --- goals -------------------------------------------------------------------------------------------------------

MIN_TIMES = 2.0
"""As fast as the plain loop, where the processor has units for bfloat16,"""
NEVER_SLOWER = 1.0
"""and elsewhere."""
MAX_ERRORS = 2.0
"""Standard errors of the difference of two means, beyond which accuracies differ by more than noise."""

BFLOAT16_UNITS = {"amx_bf16", "avx512_bf16", "bf16"}


def goals(speeds: Sequence[Speed], rows: Sequence[Accuracies], instruction_sets: Iterable[str]) -> list[Goal]:
    """Each model's speed-up, and how far from plain training each accuracy is."""
    goal = MIN_TIMES if BFLOAT16_UNITS & set(instruction_sets) else NEVER_SLOWER
    faster = [
        Goal(
            "training",
            f"fine-tuning {speed.model}, times a plain float32 loop",
            speed.ratio,
            goal,
            "×",
            True,
            f"{statistics.median(speed.ours):,.0f} images a second",
        )
        for speed in speeds
    ]
    return faster + [
        Goal(
            "training",
            f"{row.model}, {row.cut}: accuracy off plain training's, in standard errors",
            off_in_errors(row.after["plain"], row.after["chosen"]),
            MAX_ERRORS,
            note=_spread(row.after["chosen"]),
        )
        for row in rows
    ]


def off_in_errors(a: Sequence[float], b: Sequence[float]) -> float:
    """The distance of two means in standard errors of their difference; 0 where both are constant and the same."""
    distance = abs(statistics.mean(a) - statistics.mean(b))
    error = math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
    return distance / error if error else math.inf if distance else 0.0


def bench() -> list[Goal]:
    """Measure and print what the table of all benchmarks needs, in three minutes."""
    console = Console()
    speeds = list(compare_speed([name for name in SPEED_MODELS if subject_of(name).data.is_local], rounds=3))
    rows = list(compare_accuracy(CUTS, SEEDS))
    console.print(speed_table(speeds), accuracy_table(rows))
    return goals(speeds, rows, describe_machine().instruction_sets)


# --- command line ------------------------------------------------------------------------------------------------


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in ("model", "cut") else "right")
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--models", nargs="+", default=SPEED_MODELS, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of turns; 0 for no speed table")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps a turn")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="0 for no accuracy table")
    parser.add_argument("--formats", action="store_true", help="accuracy of quantized, shared and masked weights too")
    given = parser.parse_args(arguments)
    console = Console()
    machine = describe_machine()
    console.print(
        f"{machine.cpu}, one thread; {', '.join(machine.instruction_sets)}; torch {machine.versions['torch']}"
    )
    if given.rounds > 0:
        models = [name for name in given.models if subject_of(name).data.is_local]
        console.print(speed_table(compare_speed(models, given.rounds, given.steps)))
        for name in sorted(set(given.models) - set(models)):
            console.print(f"{name} is left out: its data set is not on this machine.")
    if given.seeds > 0:
        console.print(accuracy_table(compare_accuracy(CUTS | FORMATS if given.formats else CUTS, given.seeds)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
