"""A sweep of 19 points without training: this program against a notebook, and against the bare runtime.

    python -m benchmarks.sweep [--rounds 3] [--one-process] [--json OUT.json]

The points are those of `benchmarks.notebook`: pruning ratios 0, 10, ..., 90 %, each as float and with weights and
activations in 8 bits, but for the unchanged network. Each round measures three things, in changing order:

    notebook  what people do today, see `benchmarks.notebook`
    ours      the dashboard's own path: a dispatcher with its worker processes is given all points at once. Its store is
              new and its workers are warm: they have measured the baseline, and one other point each
    floor     for the very runtime files that ours made, in sessions that are open: ONNX Runtime's time for all test
              images, and for 200 runs of the point and of the baseline, in turns that begin with an untimed run
              as `compression.engine.measure.latency` has it

and then ours again in a single new process, point after point, with a stopwatch on its stages: what they take beyond
the floor is the overhead. --one-process leaves the dispatcher with its worker processes out altogether.

Notebook and ours measure the same: accuracy on all test images, file sizes, and the median of 200 runs of the point
and of the baseline. Ours also writes, decodes and takes apart its stored file, repeats the timing in eight newly
loaded sessions, and measures the memory of a process of its own. `torch-pruning` and `onnxscript` are in the extra
`bench`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.goals import Goal
from benchmarks.notebook import MODEL, PERCENTS, Notebook, Point
from benchmarks.points import Setting, Sweep, by_dispatcher, by_one_process, settings_of
from benchmarks.stages import STAGES, Floor, floor_of
from compression.models.data import load_dataset
from compression.results.machine import describe_machine
from compression.work.local_cluster import worker_count
from sample_models.catalogue import MODELS, find_model

WIDE = 180
"""Characters a line where no terminal says how wide it is."""


@dataclass(frozen=True)
class Round:
    """All that was measured in one round. `ours` is None where worker processes were left out."""

    notebook: Mapping[Setting, Point]
    ours: Sweep | None
    alone: Sweep
    floor: Mapping[Setting, Floor]

    @property
    def best(self) -> Sweep:
        """The one that people see: the worker processes', if they took part."""
        return self.ours or self.alone


def measure_round(number: int, model: str, percents: Sequence[int], folder: Path, options: argparse.Namespace) -> Round:
    """One round; every second one begins with this program."""
    settings = settings_of(percents)

    def theirs() -> dict[Setting, Point]:
        (folder / "notebook").mkdir(parents=True)
        notebook = Notebook(model, folder / "notebook", round_to=options.round_to)
        return {Setting(point.percent, point.bits): point for percent in percents for point in notebook.points(percent)}

    points = theirs() if number % 2 == 0 else None
    ours = None
    if not options.one_process:
        ours = by_dispatcher(model, settings, folder / "dispatcher", background=not options.interactive)
    alone = by_one_process(model, settings, folder / "alone")
    floor = floors(model, ours or alone)
    return Round(points or theirs(), ours, alone, floor)


def floors(model: str, sweep: Sweep) -> dict[Setting, Floor]:
    """The floor of every point."""
    dataset = load_dataset(find_model(model).dataset)
    return {setting: floor_of(file, sweep.baseline_file, dataset) for setting, file in sweep.files.items()}


# --- showing it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pace:
    """Seconds a point: the median point, and the whole sweep divided by its points; medians over rounds."""

    name: str
    typical: float
    average: float
    to_notebook: float
    to_floor: float


def paces(rounds: Sequence[Round]) -> list[Pace]:
    """Every side's pace, with its ratios to the notebook and to the floor by whole sweeps, paired by round."""
    sides: dict[str, list[tuple[float, float]]] = {"notebook": [], "ours": [], "ours, one process": [], "floor": []}
    for measured in rounds:
        for name, seconds, total in _sides(measured):
            sides[name].append((median(seconds), total / len(seconds)))
    return [_pace(name, sides) for name, found in sides.items() if found]


def _sides(measured: Round) -> Iterator[tuple[str, list[float], float]]:
    """Name, seconds of each point, and of the whole sweep."""
    notebook = [point.seconds for point in measured.notebook.values()]
    yield "notebook", notebook, sum(notebook)
    if measured.ours:
        yield "ours", list(measured.ours.seconds.values()), measured.ours.total
    yield "ours, one process", list(measured.alone.seconds.values()), measured.alone.total
    floor = [point.seconds for point in measured.floor.values()]
    yield "floor", floor, sum(floor)


def _pace(name: str, sides: Mapping[str, Sequence[tuple[float, float]]]) -> Pace:
    def ratio(above: str, below: str) -> float:
        return median(a / b for (_, a), (_, b) in zip(sides[above], sides[below], strict=True))

    typical, average = (median(values) for values in zip(*sides[name], strict=True))
    return Pace(name, typical, average, ratio("notebook", name), ratio(name, "floor"))


def overhead(rounds: Sequence[Round]) -> list[tuple[str, float, float]]:
    """(stage, seconds a point, those of them that are bare compute); medians over all points of all rounds."""
    points = [(measured, setting) for measured in rounds for setting in measured.alone.stages]
    bare = {
        stage: median(getattr(measured.floor[setting], stage) for measured, setting in points)
        for stage in ("evaluate", "latency")
    }
    taken = {stage: median(measured.alone.stages[setting][stage] for measured, setting in points) for stage in STAGES}
    rest = median(
        measured.alone.seconds[setting] - sum(measured.alone.stages[setting].values()) for measured, setting in points
    )
    return [*((stage, seconds, bare.get(stage, 0.0)) for stage, seconds in taken.items()), ("the rest", rest, 0.0)]


def _show(rounds: Sequence[Round], model: str) -> None:
    console = Console(width=None if Console().is_terminal else WIDE)
    machine = describe_machine()
    console.print(
        f"{model}, {len(rounds[0].notebook)} points, {len(rounds)} rounds, {datetime.now(UTC):%Y-%m-%d}; "
        f"{machine.cpu}, {os.cpu_count()} cores, {worker_count()} workers for sweeps, load {os.getloadavg()[0]:.1f}",
        soft_wrap=True,
    )
    for table in (pace_table(rounds), point_table(rounds), overhead_table(rounds)):
        console.print(table)


def pace_table(rounds: Sequence[Round]) -> Table:
    table = Table("", "s a point, median", "s a point, average", "notebook / this", "this / floor", box=None)
    for pace in paces(rounds):
        numbers = (pace.typical, pace.average, pace.to_notebook, pace.to_floor)
        table.add_row(pace.name, *(f"{number:.3f}" for number in numbers[:2]), *(f"{n:.2f}" for n in numbers[2:]))
    return table


def point_table(rounds: Sequence[Round]) -> Table:
    """Each point as notebook / ours: accuracy and sizes of the first round, medians of ratios and seconds."""
    columns = ("pruned", "bits", "accuracy %", "stored", ".onnx", "zipped", "latency ratio", "seconds", "floor s")
    table = Table(*columns, box=None)
    for setting, theirs in rounds[0].notebook.items():
        ours = rounds[0].best.results[setting]
        ratios = [(r.notebook[setting].latency_ratio, r.best.results[setting].latency_ratio) for r in rounds]
        seconds = [(r.notebook[setting].seconds, r.best.seconds[setting]) for r in rounds]
        table.add_row(
            f"{setting.percent} %",
            str(setting.bits),
            f"{100 * theirs.accuracy:.1f} / {100 * ours.accuracy:.1f}",
            f"- / {ours.stored_bytes:,}",
            f"{theirs.onnx_bytes:,} / {ours.onnx_bytes:,}",
            f"{theirs.zipped_bytes:,} / {ours.zipped_bytes:,}",
            _pair(ratios),
            _pair(seconds),
            f"{median(r.floor[setting].seconds for r in rounds):.3f}",
        )
    return table


def _pair(numbers: Sequence[tuple[float, float]]) -> str:
    return " / ".join(f"{median(side):.2f}" for side in zip(*numbers, strict=True))


def overhead_table(rounds: Sequence[Round]) -> Table:
    table = Table("stage, one process", "ms a point", "bare compute", "overhead", box=None)
    rows = overhead(rounds)
    whole = ("all", sum(seconds for _, seconds, _ in rows), sum(bare for _, _, bare in rows))
    for stage, seconds, bare in (*rows, whole):
        table.add_row(stage, *(f"{1000 * number:.1f}" for number in (seconds, bare, seconds - bare)))
    return table


MIN_TIMES, MAX_FLOORS = 20.0, 1.25
"""What is to be reached: times as fast as the notebook, and times the floor."""


def goals(rounds: Sequence[Round]) -> list[Goal]:
    """The pace of the whole sweep, and the points where the notebook's accuracy is better."""
    pace = next(pace for pace in paces(rounds) if pace.name.startswith("ours"))
    notebook = next(pace for pace in paces(rounds) if pace.name == "notebook")
    worse = sum(
        rounds[0].best.results[setting].accuracy < point.accuracy for setting, point in rounds[0].notebook.items()
    )
    seconds = f"{pace.average:.2f} s a point, notebook {notebook.average:.2f} s"
    return [
        Goal("sweep", "times as fast as the notebook", pace.to_notebook, MIN_TIMES, "×", True, seconds),
        Goal("sweep", "time over that of the bare runtime (the floor)", pace.to_floor, MAX_FLOORS, "×"),
        Goal("sweep", "points whose accuracy is below the notebook's", worse, 0, f"of {len(rounds[0].notebook)}"),
    ]


def bench() -> list[Goal]:
    """Measure and print what the table of all benchmarks needs, in two minutes."""
    rounds = _measure(MODEL, PERCENTS, _parser().parse_args(["--rounds", "1"]))
    _show(rounds, MODEL)
    return goals(rounds)


def as_json(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """Everything but the files, one entry a round."""
    return [
        {
            "notebook": [asdict(point) for point in measured.notebook.values()],
            "ours": measured.ours and _sweep_json(measured.ours),
            "one_process": _sweep_json(measured.alone),
            "floor": [[*setting, found.evaluate, found.latency] for setting, found in measured.floor.items()],
        }
        for measured in rounds
    ]


def _sweep_json(sweep: Sweep) -> dict[str, Any]:
    points = [
        {
            "percent": setting.percent,
            "bits": setting.bits,
            "seconds": sweep.seconds[setting],
            "stages": sweep.stages.get(setting, {}),
            "result": result.model_dump(mode="json"),
        }
        for setting, result in sweep.results.items()
    ]
    return {"total_seconds": sweep.total, "points": points}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--model", choices=tuple(MODELS), default=MODEL, metavar="MODEL")
    parser.add_argument("--ratios", nargs="+", type=int, choices=range(0, 95), default=PERCENTS, metavar="PERCENT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one-process", action="store_true", help="no dispatcher and no worker processes")
    parser.add_argument(
        "--interactive",
        action="store_true",
        help="submit the points as if a person waited for each: also to the worker that sweeps leave free",
    )
    parser.add_argument("--round-to", type=int, metavar="CHANNELS", help="see `benchmarks.notebook`")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write all numbers here too")
    return parser


def _measure(model: str, percents: Sequence[int], options: argparse.Namespace) -> list[Round]:
    with tempfile.TemporaryDirectory(prefix="compression-sweep-") as folder:
        return [
            measure_round(number, model, percents, Path(folder) / str(number), options)
            for number in range(options.rounds)
        ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the tables."""
    options = _parser().parse_args(arguments)
    rounds = _measure(options.model, options.ratios, options)
    _show(rounds, options.model)
    if options.json:
        options.json.write_text(json.dumps(as_json(rounds), indent=1))


if __name__ == "__main__":
    main()
