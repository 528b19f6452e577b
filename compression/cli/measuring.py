"""Commands that carry recipes out, and read what they lead to."""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from compression import units
from compression.cli.terminal import complain, console, progress, read, read_bytes, replacing, write
from compression.errors import CompressionError
from compression.explain import verdict
from compression.explain.differences import paired_gap
from compression.explain.sizes import runtime_parts, stored_parts
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, parse_recipe, parse_sweep
from compression.recipe.words import recipe_in_words
from compression.results import energy, score
from compression.results.metrics import INTEGER_MACS, METRICS, RATIO, carbon_of, energy_of
from compression.results.record import STORED_SUFFIX, Result, SparseTiming
from compression.results.sparse import crossover
from compression.store.store import Store
from compression.watch import Watch

COLUMNS = ("accuracy", "stored", "size_ratio", "runtime", "latency", "ratio")
"""Metrics in the table of results; those of one alone are all of them."""
MAX_SECONDS = 3600
"""Of one measurement: the machine's lock is held meanwhile."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`run`, `sweep`, `sparse`, `decode` and `data`."""
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

    sparse = commands.add_parser("sparse", help="time a model's layers as sparse products, and find where they win")
    sparse.add_argument("model", metavar="MODEL")
    sparse.add_argument("--json", action="store_true", help="print one JSON object: timings and crossovers")
    sparse.add_argument("--seconds", type=_seconds, default=5.0, help="about how long to measure (default: 5)")
    sparse.set_defaults(command=_sparse)

    decode = commands.add_parser("decode", help="turn a stored file into a runtime file")
    decode.add_argument("stored", metavar="STORED_FILE", type=Path)
    decode.add_argument("--onnx", metavar="OUT.onnx", type=Path, required=True)
    decode.set_defaults(command=_decode)

    data = commands.add_parser("data", help="write a model's preprocessed images and labels")
    data.add_argument("model", metavar="MODEL")
    data.add_argument("--split", choices=("train", "calibration", "validation", "test"), default="test")
    data.add_argument("--out", metavar="FILE.npz", type=Path, required=True)
    data.set_defaults(command=_data)


def _run(options: argparse.Namespace) -> int:
    recipe = parse_recipe(read(options.recipe))
    score.judge_by(subject_of(recipe.model).data.has_labels)
    with progress() as watch:
        result, artifacts = _measure(recipe, options.fresh, watch)
    if options.out:
        _write_folder(options.out, recipe, artifacts)
    if options.json:
        print(result.model_dump_json(indent=1))
    else:
        _print_table([result])
        judged = verdict.judge(result) if options.fresh else _judged(result, Store())
        console().print(f"\n{judged.title}. {judged.text}", highlight=False)
        for rival in judged.rivals:
            console().print(f"{rival.title}, {rival.about}.", highlight=False)
        _print_numbers(result)
    return 0


def _judged(result: Result, store: Store) -> verdict.Verdict:
    """Beside all that was measured before."""
    return verdict.judge(result, store.results(result.model), paired_gap(store.artifact))


def _sweep(options: argparse.Namespace) -> int:
    recipes = parse_sweep(read(options.sweep))
    results, failed = [], 0
    with progress() as watch:
        for number, recipe in enumerate(recipes):
            part = watch.part(number / len(recipes), (number + 1) / len(recipes), f"{number + 1} of {len(recipes)}: ")
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


def _print_failure(recipe: Recipe, error: CompressionError, as_json: bool) -> None:
    complain(f"{recipe.recipe_id} ({recipe.model}): {error}", 1)
    if as_json:
        failure = {"recipe_id": recipe.recipe_id, "recipe": recipe.model_dump(mode="json"), "error": str(error)}
        print(json.dumps(failure), flush=True)


def _sparse(options: argparse.Namespace) -> int:
    from compression.engine.build import load_network
    from compression.engine.measure.sparse import sparsity_curve

    with progress() as watch:
        timings = sparsity_curve(load_network(subject_of(options.model)), options.seconds, watch=watch)
    curves: Curves = defaultdict(list)
    for timing in timings:
        curves[timing.layer, timing.batch_size].append(timing)
    if options.json:
        meeting = [
            {"layer": layer, "batch_size": batch_size, "crossover": crossover(rows)}
            for (layer, batch_size), rows in curves.items()
        ]
        timed = [timing.model_dump() for timing in timings]
        print(json.dumps({"model": options.model, "timings": timed, "crossovers": meeting}, indent=1))
    else:
        _print_curves(curves)
    return 0


Curves = dict[tuple[str, int], list[SparseTiming]]
"""Timings by layer and batch size."""


def _print_curves(curves: Curves) -> None:
    """One line for each layer and batch size: sparse time over dense time at each sparsity."""
    sparsities = [units.share(row.sparsity) for row in next(iter(curves.values()))]
    table = Table("layer", "weights", "batch", "dense", *sparsities, "sparse wins from", box=None)
    for (layer, batch_size), rows in curves.items():
        meeting = crossover(rows)
        table.add_row(
            layer,
            f"{rows[0].rows} × {rows[0].columns}",
            str(batch_size),
            units.milliseconds(statistics.median(row.dense_ms for row in rows)),
            *(RATIO.number(row.sparse_ms / row.dense_ms, 0) for row in rows),
            "nowhere here" if meeting is None else f"{units.share(meeting, 1)} zeros",
        )
    console().print("Time of a sparse product over that of a dense one, below 1 is faster:")
    console().print(table)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"must lie above 0 and at most {MAX_SECONDS}, but got {text}")
    return seconds


def _decode(options: argparse.Namespace) -> int:
    from compression.engine.files import stored_file

    stored = read_bytes(options.stored)
    write(options.onnx, stored_file.decode(stored).SerializeToString(deterministic=True))
    print(f"{options.stored} ({len(stored):,} bytes) -> {options.onnx} ({options.onnx.stat().st_size:,} bytes)")
    return 0


def _data(options: argparse.Namespace) -> int:
    import numpy as np

    data = subject_of(options.model).data
    with progress() as watch:
        split = getattr(data.load(watch), options.split)
    with replacing(options.out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, x=split.x, y=split.y)
    print(f"{options.out}: x {split.x.shape} float32, y {split.y.shape} int64 ({data.name}, {options.split} split)")
    return 0


def _measure(recipe: Recipe, fresh: bool, watch: Watch) -> tuple[Result, dict[str, bytes]]:
    """From the store, or measured now and stored; `fresh` neither reads nor writes the store."""
    from compression.engine.run import run_recipe
    from compression.work.once import measure

    if fresh:
        output = run_recipe(subject_of(recipe.model), recipe, watch=watch)
        return output.result, output.artifacts()
    return measure(recipe, Store(), watch=watch)


def _print_table(results: Sequence[Result]) -> None:
    metrics = [METRICS[key] for key in COLUMNS]
    table = Table("id", "recipe", *(metric.words for metric in metrics), box=None)
    for result in results:
        recipe = result.parsed_recipe
        numbers = (metric.said(result) for metric in metrics)
        table.add_row(result.recipe_id, f"{recipe.model}: {recipe_in_words(recipe)}", *numbers)
    console().print(table)
    console().print("In brackets: 95 % intervals.")


def _print_numbers(result: Result) -> None:
    """Every metric beside the baseline's, and where the bytes of the files go."""
    table = Table("", "baseline", "this", box=None)
    for metric in (*METRICS.values(), INTEGER_MACS):
        table.add_row(metric.title, metric.said(result.baseline), metric.said(result))
    for metric in (energy_of("dram"), carbon_of("dram")):
        table.add_row(f"{metric.title}, weights in DRAM", metric.said(result.baseline), metric.said(result))
    console().print()
    console().print(table)
    console().print(f"modelled: {energy.LABEL}; carbon at {units.three_digits(energy.WORLD_GRID)} g CO₂ a kWh")
    for metric in (*METRICS.values(), energy_of("dram")):
        if against := metric.contradicted(result, result.baseline):
            console().print(f"{metric.title}: {against}")
    for title, ledger in (("stored file", stored_parts(result)), ("runtime file", runtime_parts(result))):
        parts = ", ".join(f"{part} {size:,}" for part, size in ledger.items() if size)
        if parts:
            console().print(f"bytes of the {title}: {parts}")


def _write_folder(folder: Path, recipe: Recipe, artifacts: dict[str, bytes]) -> None:
    """The stored file, the runtime file (the only .onnx) and the recipe."""
    name = f"{recipe.model}-{recipe.recipe_id}"
    write(folder / f"{name}{STORED_SUFFIX}", artifacts["stored"])
    write(folder / f"{name}.onnx", artifacts["onnx"])
    write(folder / f"{name}.json", json.dumps(recipe.model_dump(mode="json"), indent=1).encode() + b"\n")
