"""The command line: the engine without the dashboard, for scripts and CI.

    python -m compression models --json
    python -m compression run RECIPE.json --json --out DIR
    python -m compression sweep SWEEP.json --json
    python -m compression decode STORED_FILE --onnx OUT.onnx
    python -m compression data MODEL --split test --out test.npz

Exit codes: 0 done, 1 the work failed, 2 the request was wrong, 130 interrupted. Numbers go to standard
output, progress and errors to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from compression import wording
from compression.errors import CompressionError, InvalidRecipe, StorageFailed, UnknownModel
from compression.recipe import Recipe, parse_recipe, parse_sweep
from compression.result import STORED_SUFFIX, Result
from compression.store import Store

Report = Callable[[float, str], None]
COLUMNS = ("id", "recipe", "accuracy, 95 %", "stored file", ".onnx", "latency", "ratio to baseline, 95 %")
WIDE = 200
"""Characters a line where no terminal says how wide it is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors become one line on standard error."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
        return code
    except (InvalidRecipe, UnknownModel) as error:
        return _complain(error, 2)
    except CompressionError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _complain("interrupted; what was measured so far is kept", 130)
    except BrokenPipeError:  # the reader (head, say) has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _complain(error: object, code: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m compression", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    models = commands.add_parser("models", help="list the sample models")
    models.add_argument("--json", action="store_true", help="print one JSON array")
    models.set_defaults(command=_models)

    run = commands.add_parser("run", help="carry out one recipe and measure it")
    run.add_argument("recipe", metavar="RECIPE.json", help="a recipe file, or - for standard input")
    run.add_argument("--json", action="store_true", help="print one JSON object")
    run.add_argument("--out", metavar="DIR", type=Path, help="write stored file, runtime file and recipe here")
    run.add_argument("--fresh", action="store_true", help="measure again even if this recipe was measured before")
    run.set_defaults(command=_run)

    sweep = commands.add_parser("sweep", help="carry out many recipes")
    sweep.add_argument("sweep", metavar="SWEEP.json", help='{"recipes": [RECIPE, ...]}, or - for standard input')
    sweep.add_argument("--json", action="store_true", help="print one JSON object a line")
    sweep.add_argument("--fresh", action="store_true", help="measure again even if measured before")
    sweep.set_defaults(command=_sweep)

    decode = commands.add_parser("decode", help="turn a stored file into a runtime file")
    decode.add_argument("stored", metavar="STORED_FILE", type=Path)
    decode.add_argument("--onnx", metavar="OUT.onnx", type=Path, required=True)
    decode.set_defaults(command=_decode)

    data = commands.add_parser("data", help="write a model's preprocessed images and labels")
    data.add_argument("model", metavar="MODEL")
    data.add_argument("--split", choices=("train", "calibration", "validation", "test"), default="test")
    data.add_argument("--out", metavar="FILE.npz", type=Path, required=True)
    data.set_defaults(command=_data)
    return parser


def _models(options: argparse.Namespace) -> int:
    from sample_models.catalogue import MODELS

    entries = [
        {"name": e.name, "title": e.title, "task": e.task, "dataset": e.dataset, **e.card} for e in MODELS.values()
    ]
    if options.json:
        print(json.dumps(entries, indent=1))
        return 0
    table = Table("name", "task", "parameters", "MACs", "test accuracy", box=None)
    for entry in entries:
        accuracy = f"{entry['accuracy']:.2%} of {entry['n_test']:,}"
        table.add_row(entry["name"], entry["task"], f"{entry['params']:,}", f"{entry['macs']:,}", accuracy)
    _console().print(table)
    return 0


def _run(options: argparse.Namespace) -> int:
    recipe = parse_recipe(_read(options.recipe))
    with _progress() as report:
        result, artifacts = _measure(recipe, options.fresh, report)
    if options.out:
        _write_folder(options.out, recipe, artifacts)
    if options.json:
        print(result.model_dump_json(indent=1))
    else:
        _print_table([result])
    return 0


def _sweep(options: argparse.Namespace) -> int:
    recipes = parse_sweep(_read(options.sweep))
    results, failed = [], 0
    with _progress() as report:
        for number, recipe in enumerate(recipes):
            part = _sweep_report(report, number, len(recipes))
            try:
                result, _ = _measure(recipe, options.fresh, part)
            except CompressionError as error:
                failed += 1
                _print_failure(recipe, error, options.json)
                continue
            results.append(result)
            if options.json:
                print(result.model_dump_json(), flush=True)
    if not options.json:
        _print_table(results)
    return 1 if failed else 0


def _sweep_report(report: Report, number: int, total: int) -> Report:
    return lambda fraction, words: report((number + fraction) / total, f"{number + 1} of {total}: {words}")


def _print_failure(recipe: Recipe, error: CompressionError, as_json: bool) -> None:
    _complain(f"{recipe.recipe_id} ({recipe.model}): {error}", 1)
    if as_json:
        failure = {"recipe_id": recipe.recipe_id, "recipe": recipe.model_dump(mode="json"), "error": str(error)}
        print(json.dumps(failure), flush=True)


def _decode(options: argparse.Namespace) -> int:
    from compression import storage

    stored = _read_bytes(options.stored)
    _write(options.onnx, storage.decode(stored).SerializeToString(deterministic=True))
    print(f"{options.stored} ({len(stored):,} bytes) -> {options.onnx} ({options.onnx.stat().st_size:,} bytes)")
    return 0


def _data(options: argparse.Namespace) -> int:
    import numpy as np

    from compression.data import load_dataset
    from sample_models.catalogue import find_model

    entry = find_model(options.model)
    with _progress() as report:
        split = getattr(load_dataset(entry.dataset, progress=report), options.split)
    with _replacing(options.out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, x=split.x, y=split.y)
    print(f"{options.out}: x {split.x.shape} float32, y {split.y.shape} int64 ({entry.dataset}, {options.split} split)")
    return 0


def _measure(recipe: Recipe, fresh: bool, report: Report) -> tuple[Result, dict[str, bytes]]:
    """From the store, or measured now and stored; `fresh` neither reads nor writes the store."""
    from compression.worker import measure

    return measure(recipe, Store(), report=report, fresh=fresh)


@contextlib.contextmanager
def _progress() -> Iterator[Report]:
    """A bar on terminals, silence elsewhere."""
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda fraction, words: bar.update(task, completed=fraction, description=words)


def _print_table(results: Sequence[Result]) -> None:
    table = Table(*COLUMNS, box=None)
    for r in results:
        recipe = Recipe.model_validate(r.recipe)
        table.add_row(
            r.recipe_id,
            f"{recipe.model}: {wording.recipe_in_words(recipe)}",
            f"{r.accuracy:.1%} [{r.accuracy_low:.1%}, {r.accuracy_high:.1%}]",
            f"{wording.size(r.stored_bytes)} ({r.size_ratio:.1f}×)",
            wording.size(r.onnx_bytes),
            wording.milliseconds(r.latency_p50_ms),
            f"{r.latency_ratio:.2f} [{r.latency_ratio_low:.2f}, {r.latency_ratio_high:.2f}]",
        )
    _console().print(table)


def _console() -> Console:
    """As wide as the terminal; lines are not broken in files and pipes."""
    return Console(width=None if sys.stdout.isatty() else WIDE)


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else _read_bytes(Path(name))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRecipe(
            f"Cannot read {path}: {error.strerror or error}. Check the name and your rights."
        ) from error


def _write_folder(folder: Path, recipe: Recipe, artifacts: dict[str, bytes]) -> None:
    """The stored file, the runtime file (the only .onnx) and the recipe."""
    name = f"{recipe.model}-{recipe.recipe_id}"
    _write(folder / f"{name}{STORED_SUFFIX}", artifacts["stored"])
    _write(folder / f"{name}.onnx", artifacts["onnx"])
    _write(folder / f"{name}.json", json.dumps(recipe.model_dump(mode="json"), indent=1).encode() + b"\n")


def _write(path: Path, content: bytes) -> None:
    with _replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place only when everything was written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            os.replace(temporary, path)
    except OSError as error:
        raise StorageFailed(
            f"Cannot write {path}: {error.strerror or error}. Choose another place, or free some disk space."
        ) from error
