"""Commands for models and data sets: those that there are, and people's own."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from compression import units
from compression.cli.terminal import console, progress
from compression.errors import CompressionError, RefusedFile, UnknownModel
from compression.models.brought import noise, own
from compression.models.brought.findings import EntryCheck
from compression.models.brought.image_files import take_in
from compression.models.brought.own import data_folder, facts_of_own, free_name, own_data_sets, own_models
from compression.models.brought.published import take_in_published
from compression.models.data import DATA_SETS
from compression.models.subject import known_models, subject_of
from compression.recipe.steps import STEP_TYPES
from compression.recipe.words import kind_of
from compression.store import deletion
from compression.store.store import Store


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`models`, `data-sets`, `add-data`, `add-model`, `check` and `remove`."""

    def command(name: str, words: str, function: object) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, help=words)
        made.add_argument("--json", action="store_true", help="print JSON")
        made.add_argument("--progress", action="store_true", help="progress as lines of JSON on standard error")
        made.set_defaults(command=function)
        return made

    command("models", "list the models: samples and your own", _models)
    command("data-sets", "list the data sets: of the samples and your own", _data_sets)
    add_data = command("add-data", "take in your own images", _add_data)
    add_data.add_argument("name", metavar="NAME")
    add_data.add_argument("path", metavar="PATH", type=Path, help=_IMAGES)
    add_model = command("add-model", "take in your own network, and check it", _add_model)
    add_model.add_argument("name", metavar="NAME")
    source = add_model.add_mutually_exclusive_group(required=True)
    source.add_argument("--torchvision", metavar="ARCH", help="a classifier of torchvision by its name")
    source.add_argument("--timm", metavar="ARCH", help="a classifier of timm by its name, where that is installed")
    source.add_argument("--onnx", metavar="FILE", type=Path, help="a network as an ONNX file")
    source.add_argument("--from-module", metavar="MODULE:FUNCTION", help="your code, which returns an nn.Module")
    add_model.add_argument("--weights", metavar="FILE | default | none", default="default", help=_WEIGHTS)
    add_model.add_argument("--data", metavar="DATA", required=True, help="one of your data sets, or none")
    add_model.add_argument("--size", metavar="PIXELS", type=int, help="height and width of its images")
    add_model.add_argument("--classes", metavar="N", type=int, help="how many classes it tells apart")
    for level in ("mean", "std"):
        add_model.add_argument(f"--{level}", type=float, nargs="+", metavar="X", help=_LEVELS)
    add_model.add_argument("--white", type=int, metavar="N", help="1 where it takes values from 0 to 255")
    add_model.add_argument("--bgr", action="store_true", help="it takes colours in the order blue, green, red")
    check = command("check", "check one of your own models again", _check)
    check.add_argument("name", metavar="NAME")
    check.add_argument("--fix", action="store_true", help="prepare its images in the better way that the check found")
    remove = command("remove", "remove one of your own models, with all its results, or data sets", _remove)
    remove.add_argument("name", metavar="NAME")


_IMAGES = "a zip or folder of class folders, an .npz file, or the name of a data set of torchvision, such as SVHN"
_WEIGHTS = "a .safetensors file or a state dict, the published weights (default), or none (untrained)"
_LEVELS = "of its standardized colours, one number or one for each channel"


def _models(options: argparse.Namespace) -> int:
    entries = []
    for name in known_models():
        try:
            s = subject_of(name)
            entries.append({"name": name, "title": s.title, "task": s.entry.task, "dataset": s.data.name, **s.card})
        except CompressionError as error:
            print(f"{name}: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps(entries, indent=1))
        return 0
    table = Table("name", "task", "parameters", "MACs", "test accuracy", box=None)
    for entry in entries:
        right = units.share(entry["accuracy"], units.decimals_for(entry["n_test"]))
        accuracy = f"{right} of {entry['n_test']:,}"
        table.add_row(entry["name"], entry["task"], f"{entry['params']:,}", f"{entry['macs']:,}", accuracy)
    console().print(table)
    return 0


def _data_sets(options: argparse.Namespace) -> int:
    samples: list[dict[str, Any]] = [
        {"name": name, "classes": data.classes, "is_own": False} for name, data in DATA_SETS.items()
    ]
    own: list[dict[str, Any]] = [{"name": n, "is_own": True, **asdict(facts_of_own(n))} for n in own_data_sets()]
    if options.json:
        print(json.dumps([*samples, *own], indent=1))
        return 0
    table = Table("name", "classes", "images", "size", box=None)
    for data in own:
        size = f"{data['height']} × {data['width']}" if data["same_size"] else "different sizes"
        table.add_row(data["name"], str(len(data["classes"]) or "no labels"), f"{sum(data['parts']):,}", size)
    for data in samples:
        table.add_row(data["name"], str(len(data["classes"])), "of the samples", "")
    console().print(table)
    return 0


def _add_data(options: argparse.Namespace) -> int:
    name = free_name(options.name, of="data set")
    with progress(as_lines=options.progress) as watch:
        is_there = options.path.exists() or options.path.suffix or len(options.path.parts) > 1
        facts = (
            take_in(options.path, data_folder(name), watch)
            if is_there
            else take_in_published(str(options.path), data_folder(name), watch)
        )
    if options.json:
        print(json.dumps({"name": name, **asdict(facts)}, indent=1))
        return 0
    train, calibration, validation, test = facts.parts
    what = f"{len(facts.classes)} classes" if facts.has_labels else "no labels"
    print(
        f"{name}: {sum(facts.parts):,} images, {what}; {train:,} for training, {calibration:,} for calibration, "
        f"{validation:,} for validation, {test:,} for the test"
    )
    return 0


def _add_model(options: argparse.Namespace) -> int:
    from compression.engine.intake import adding, sources

    free_name(options.name, of="model")
    has_images = options.data != "none"
    images = facts_of_own(options.data) if has_images else noise.UNKNOWN
    wish = sources.Wish(options.weights, options.size, options.classes)
    readers: dict[str, Callable[..., sources.Given]] = {
        "torchvision": sources.from_torchvision,
        "timm": sources.from_timm,
        "onnx": sources.from_onnx,
        "from_module": sources.from_code,
    }
    source = next(source for source in readers if getattr(options, source))
    with progress(as_lines=options.progress) as watch:
        given = readers[source](getattr(options, source), wish, images, watch.part(0, 0.3))
        channels = given.shape[0]
        said = {
            **{level: _level(values, channels) for level in ("mean", "std") if (values := getattr(options, level))},
            **({"white": options.white} if options.white else {}),
            **({"bgr": True} if options.bgr else {}),
        }
        given = replace(given, preprocessing=replace(given.preprocessing, **said))
        data = options.data if has_images else _without_images(options.name, given.shape)
        notes = () if has_images else (noise.WARNING,)
        try:
            found = adding.add_model(options.name, given, data, watch.part(0.3, 1), notes)
        except BaseException:
            if not has_images:
                own.remove(data)
            raise
    return _print_check(options.name, found, options.json)


def _without_images(name: str, shape: tuple[int, int, int]) -> str:
    data = free_name(f"{name[:57]}-noise", of="data set")
    noise.make_noise(data, shape)
    return data


def _level(values: list[float], channels: int) -> float | tuple[float, ...]:
    if len(values) not in (1, channels):
        raise RefusedFile(f"Give one number for all colours, or {channels}, one for each; {len(values)} were given.")
    return values[0] if len(values) == 1 else tuple(values)


def _check(options: argparse.Namespace) -> int:
    from compression.engine.intake import adding

    if options.name not in own_models():
        raise UnknownModel(f"There is no model {options.name!r} of your own; there is: {', '.join(own_models())}.")
    with progress(as_lines=options.progress) as watch:
        found = adding.use_better(options.name, watch) if options.fix else adding.check_model(options.name, watch)
    return _print_check(options.name, found, options.json)


def _print_check(name: str, found: EntryCheck, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"name": name, **found.model_dump(mode="json"), "words": found.words}, indent=1))
        return 0
    for sentence in found.words:
        print(sentence)
    if found.better:
        print(f"To use it: python -m compression check {name} --fix")
    table = Table("technique", "layers changed", "stored file", "seconds", "", box=None)
    for row in found.techniques:
        title = kind_of(STEP_TYPES[row.technique]).title
        ratio = units.factor(row.stored_ratio) + " smaller" if row.stored_ratio else ""
        reached = "" if row.problem else f"{row.reached} of {found.layers}"
        table.add_row(title, reached, ratio, f"{row.seconds:.1f}", row.problem)
    console().print(table)
    return 0


def _remove(options: argparse.Namespace) -> int:
    went = deletion.remove_own(Store(), options.name)
    print(json.dumps({"removed": options.name}) if options.json else f"removed {went}")
    return 0
