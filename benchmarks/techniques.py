"""Every technique on every sample model, without training and with more and more: one table.

    python -m benchmarks.techniques                                   # everything: hours
    python -m benchmarks.techniques --models mlp-digits --budget none # a part: a minute
    python -m benchmarks.techniques --markdown benchmarks/techniques.md
    python -m benchmarks.techniques --sample 20 --seed 15 --spread --budget none quick thorough \
        --models resnet8-mnist5k resnet20-fashion mobilenet-fashion   # two hours on one core

Each cell is one recipe, carried out and measured as the dashboard does it: accuracy on the test images with its 95 %
interval, the four sizes, latency against the baseline's, seconds taken; or the reason why the technique makes no sense
for that model. The budget "none" trains nothing; "quick" and "thorough" are the dashboard's budgets of these names.
Where a setting has several, they are compared on the same test images: the end says in how many cells more budget is
worse beyond the paired interval. `--sample` draws that many settings by a `--seed` that is to be written down before,
the same for every model, or with `--spread` each for one of the models in turn. Rows are appended to a file as they
come, and cells that stand there already are not carried out again, so a run may be interrupted, and done in parts. A
cell that fails says FAILED and is tried again next time; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.variants import VARIANTS, Plan, Variant
from compression import ENGINE_VERSION, environment, units
from compression.errors import CompressionError, NotApplicable
from compression.models.subject import subject_of
from compression.recipe.budgets import BUDGETS, Budget
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.words import recipe_in_words
from compression.results.significance import PairedDifference, paired_difference
from sample_models.catalogue import MODELS

Row = dict[str, Any]

USUAL: tuple[Budget, ...] = ("none", "quick")
"""Budgets that are tried where no others are asked for: thorough ones take minutes a cell."""
TRAINS = "trains by nature"
"""Why a variant has no cell without a budget."""
WIDE = 220
"""Characters a line where no terminal says how wide it is."""
COLUMNS = (
    "technique",
    "variant",
    "model",
    "budget",
    "accuracy, 95 %",
    "theoretical",
    "stored",
    "runtime",
    "zipped",
    "latency ratio, 95 %",
    "seconds",
)


@dataclass(frozen=True)
class Cell:
    """One place in the table. `problem` says why there is no recipe for it."""

    variant: Variant
    model: str
    budget: str
    recipe: Recipe | None
    problem: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two measurements the same one; how many passes a budget is depends on the machine."""
        return (self.variant.technique, self.variant.name, self.model, self.budget, ENGINE_VERSION)


def cells(models: Sequence[str], techniques: Sequence[str], budgets: Sequence[Budget], word: str = "") -> list[Cell]:
    """The places of the table that are asked for; `word` must occur in the variant's name."""
    chosen = [v for v in VARIANTS if v.technique in techniques and word.lower() in v.name.lower()]
    return [_cell(variant, model, budget) for model in models for variant in chosen for budget in budgets]


def drawn(wanted: Sequence[Cell], count: int, seed: int, *, spread: bool = False) -> list[Cell]:
    """The cells of so many settings, of those that exist without training too; `spread` keeps each on one model."""
    every = sorted((variant.technique, variant.name) for variant in VARIANTS if not variant.trains)
    chosen = random.Random(seed).sample(every, min(count, len(every)))
    models = tuple(dict.fromkeys(cell.model for cell in wanted))
    places = {
        (setting, model)
        for number, setting in enumerate(chosen)
        for model in models
        if not spread or model == models[number % len(models)]
    }
    return [cell for cell in wanted if ((cell.variant.technique, cell.variant.name), cell.model) in places]


def _cell(variant: Variant, model: str, budget: Budget) -> Cell:
    if budget == "none" and variant.trains:
        return Cell(variant, model, budget, None, TRAINS)
    try:
        return Cell(variant, model, budget, make_recipe(model, variant.steps(Plan(model, budget))))
    except NotApplicable as error:
        return Cell(variant, model, budget, None, str(error))


# --- carrying it out ---------------------------------------------------------------------------------------------


def fill(
    wanted: Sequence[Cell],
    path: Path,
    *,
    fresh: bool = False,
    report: Callable[[int, Cell], None] = lambda number, cell: None,
) -> list[Row]:
    """The rows of `wanted`; those that `path` does not have yet, or all if `fresh`, are measured and appended."""
    known = {} if fresh else read_rows(path)
    baselines: dict[str, Any] = {}
    rows = []
    for number, cell in enumerate(wanted):
        report(number, cell)
        row = known.get(cell.key)
        if row is None or row["status"] == "failed":
            row = _measure(cell, baselines)
            _append(path, row)
        rows.append(row)
    return rows


def _time_trainings(models: Iterable[str]) -> None:
    """How fast this machine trains each model, before budgets are turned into passes by that."""
    from compression.engine.build import load_network
    from compression.engine.training.pace import keep_speed

    for subject in map(subject_of, models):
        keep_speed(subject, load_network(subject), subject.data.load())


def _measure(cell: Cell, baselines: dict[str, Any]) -> Row:
    """One row, whatever happens."""
    row: Row = {"key": list(cell.key), "technique": cell.variant.technique, "variant": cell.variant.name}
    row |= {"model": cell.model, "budget": cell.budget}
    try:
        if cell.recipe is None:
            raise NotApplicable(cell.problem)
        return row | _run(cell.recipe, baselines)
    except NotApplicable as error:
        return row | {"status": "not applicable", "reason": str(error)}
    except Exception as error:  # one cell must not end the table; it says what went wrong, and the exit code tells
        if not isinstance(error, CompressionError):
            traceback.print_exc()
        return row | {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


def _run(recipe: Recipe, baselines: dict[str, Any]) -> Row:
    from compression.engine.run import run_recipe

    if recipe.model not in baselines:
        baselines[recipe.model] = run_recipe(subject_of(recipe.model), recipe.baseline())
    subject = subject_of(recipe.model)
    output = run_recipe(subject, recipe, baseline=baselines[recipe.model])
    right = np.packbits(output.predictions == subject.data.load().test.y)
    return {"status": "measured", "result": output.result.model_dump(mode="json"), "right": right.tobytes().hex()}


def read_rows(path: Path) -> dict[tuple[str, ...], Row]:
    """All rows of a file by key, the last of each; an interrupted last line is left out."""
    rows: dict[tuple[str, ...], Row] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        rows[tuple(row["key"])] = row
    return rows


def _append(path: Path, row: Row) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


# --- what more budget brings ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One setting of a model with more budget against the same with less, on the same test images."""

    model: str
    setting: str
    less: str
    more: str
    gained: PairedDifference

    @property
    def is_worse(self) -> bool:
        """Whether more budget is worse beyond the paired interval."""
        return self.gained.high < 0


def _by_setting(rows: Iterable[Row]) -> dict[tuple[str, str], dict[str, Row]]:
    """The measured rows of each model and setting by budget, the smallest first."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in sorted(rows, key=lambda row: BUDGETS.index(row["budget"])):
        if row["status"] == "measured" and "right" in row:
            found.setdefault((row["model"], f"{row['technique']}, {row['variant']}"), {})[row["budget"]] = row
    return found


def budget_steps(rows: Iterable[Row]) -> list[Step]:
    """Every pair of budgets of the same setting and model that were measured."""
    return [
        Step(model, setting, less, more, paired_difference(_right(by_budget[more]), _right(by_budget[less])))
        for (model, setting), by_budget in _by_setting(rows).items()
        for less, more in itertools.combinations(by_budget, 2)
    ]


BUDGET_COLUMNS = ("model", "setting", *BUDGETS, *(f"{more} − {less}" for less, more in itertools.pairwise(BUDGETS)))


def budget_table(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """A line for each setting that was measured with several budgets: percent accuracy, and what more brought.

    A difference has its paired 95 % interval, in points; `kept` where training gave the network back as it was.
    """
    gains = {(step.model, step.setting, step.less, step.more): step.gained for step in budget_steps(rows)}
    lines = []
    for setting, by_budget in _by_setting(rows).items():
        if len(by_budget) > 1:
            accuracies = [_accuracy(by_budget[budget]) if budget in by_budget else "" for budget in BUDGETS]
            found = [gains.get((*setting, less, more)) for less, more in itertools.pairwise(BUDGETS)]
            lines.append((*setting, *accuracies, *map(_in_points, found)))
    return lines


def _accuracy(row: Row) -> str:
    trainings = row["result"]["trainings"]
    kept = " (kept)" if trainings and all(training["kept"] == "untrained" for training in trainings) else ""
    return units.percent(row["result"]["accuracy"], units.decimals_for(row["result"]["n_test"])) + kept


def _in_points(gained: PairedDifference | None) -> str:
    if gained is None:
        return ""
    difference, low, high = (units.points(end, 2) for end in (gained.difference, gained.low, gained.high))
    return f"{difference} [{low}, {high}]"


def _right(row: Row) -> np.typing.NDArray[np.uint8]:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(row["right"]), np.uint8))
    return bits[: row["result"]["n_test"]]


def budget_words(steps: Sequence[Step]) -> list[str]:
    """For each model and pair of budgets in how many settings the larger is better, and in how many worse."""
    groups: dict[tuple[str, str, str], list[Step]] = {}
    for step in steps:
        groups.setdefault((step.model, step.less, step.more), []).append(step)
    lines = []
    for (model, less, more), group in groups.items():
        worse = [step for step in group if step.is_worse]
        better = sum(step.gained.low > 0 for step in group)
        mean = 100 * sum(step.gained.difference for step in group) / len(group)
        names = "".join(f"; {step.setting} ({100 * step.gained.difference:+.2f} points)" for step in worse)
        lines.append(
            f"{model}, {more} against {less}: {len(group)} settings, better in {better}, worse in {len(worse)} beyond "
            f"the paired interval{names}; {mean:+.2f} points on average."
        )
    return lines


# --- showing it --------------------------------------------------------------------------------------------------


def table_of(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """The table's lines as text, each model's baseline first."""
    lines: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for row in rows:
        if row["status"] == "measured" and row["model"] not in seen:
            seen.add(row["model"])
            lines.append(("baseline", "", row["model"], "", *_numbers(row["result"]["baseline"]), ""))
        lines.append((row["technique"], row["variant"], row["model"], row["budget"], *_outcome(row)))
    return lines


def _outcome(row: Row) -> tuple[str, ...]:
    if row["status"] != "measured":
        said = "FAILED" if row["status"] == "failed" else "not applicable"
        return (f"{said}: {row['reason']}", "", "", "", "", "", "")
    return (*_numbers(row["result"]), f"{row['result']['seconds']:.1f}")


def _numbers(result: dict[str, Any]) -> tuple[str, ...]:
    decimals = units.decimals_for(result["n_test"])
    accuracy, low, high = (
        units.percent(result[name], decimals) for name in ("accuracy", "accuracy_low", "accuracy_high")
    )
    sizes = (units.size(result[f"{kind}_bytes"]) for kind in ("theoretical", "stored", "onnx", "zipped"))
    ratio, least, most = (result[f"latency_ratio{end}"] for end in ("", "_low", "_high"))
    return (f"{accuracy} % [{low}, {high}]", *sizes, f"{ratio:.2f} [{least:.2f}, {most:.2f}]")


def markdown(rows: Sequence[Row]) -> str:
    """The table in Markdown: a section for each model, with the reasons of what is not applicable at its end."""
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    sections = [line for model, found in by_model.items() for line in _section(model, found)]
    told = [f"- {words}" for words in budget_words(budget_steps(rows))]
    compared = _markdown_table(BUDGET_COLUMNS, budget_table(rows)) if told else []
    return "\n".join([*_heading(rows), *told, "", *compared, "", *sections])


def _markdown_table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in (columns, ["---"] * len(columns), *lines)]
    return [f"| {' | '.join(line)} |" for line in escaped]


def _heading(rows: Sequence[Row]) -> list[str]:
    """What was measured, when and with what."""
    results = [row["result"] for row in rows if row["status"] == "measured"]
    days = sorted(result["created_at"][:10] for result in results)
    machines = sorted({result["machine"]["cpu"] for result in results})
    versions = sorted({" ".join(pair) for found in results for pair in found["machine"]["versions"].items()})
    states = Counter(row["status"] for row in rows)
    return [
        "# Every technique on every sample model, without training and with more and more",
        "",
        f"`python -m benchmarks.techniques`: {states['measured']:,} cells measured, {states['not applicable']} not "
        f"applicable, {states['failed']} failed. {' to '.join(dict.fromkeys([days[0], days[-1]])) if days else ''}, "
        f"{', '.join(machines)}; {', '.join(versions)}.",
        "Accuracy is that of the test images, with its 95 % interval; the latency ratio is to the uncompressed model, "
        "measured in turns. Seconds are those of one cell from recipe to numbers.",
        "",
    ]


def _section(model: str, rows: Sequence[Row]) -> list[str]:
    columns = [number for number, name in enumerate(COLUMNS) if name != "model"]
    without: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["status"] == "not applicable" and row["reason"] != TRAINS:
            without.setdefault(row["reason"], {})[f"{row['technique']}, {row['variant']}"] = None
    told = [row for row in rows if row["status"] != "not applicable"]
    lines = [[line[number] for number in columns] for line in table_of(told)]
    return [
        f"## {model}",
        "",
        *_markdown_table([COLUMNS[number] for number in columns], lines),
        "",
        *(f"- Not applicable: {'; '.join(names)}. {reason}" for reason, names in without.items()),
        "",
    ]


def _print(lines: Sequence[tuple[str, ...]]) -> None:
    table = Table(*COLUMNS, box=None)
    for line in lines:
        table.add_row(*line)
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the cells that are asked for, print the table, and return 1 if one of them failed."""
    techniques = tuple(dict.fromkeys(variant.technique for variant in VARIANTS))
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=tuple(MODELS), metavar="MODEL")
    parser.add_argument("--techniques", nargs="+", choices=techniques, default=techniques, metavar="TECHNIQUE")
    parser.add_argument("--variant", default="", metavar="WORD", help="only variants with this in their name")
    parser.add_argument("--budget", nargs="+", choices=BUDGETS, default=USUAL)
    parser.add_argument("--sample", type=int, metavar="COUNT", help="only so many settings, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spread", action="store_true", help="each setting of the sample for one model only")
    parser.add_argument(
        "--json", type=Path, metavar="ROWS.jsonl", default=environment.home() / "benchmarks" / "techniques.jsonl"
    )
    parser.add_argument("--markdown", type=Path, metavar="OUT.md", help="write the table here too, a section a model")
    parser.add_argument("--fresh", action="store_true", help="measure again what the file has (after a change of code)")
    parser.add_argument("--list", action="store_true", help="print the cells and measure nothing")
    options = parser.parse_args(arguments)
    if not options.list:
        _time_trainings(options.models)
    wanted = cells(options.models, options.techniques, options.budget, options.variant)
    if options.sample:
        wanted = drawn(wanted, options.sample, options.seed, spread=options.spread)
    if options.list:
        _print_list(wanted)
        return 0
    rows = _fill_with_progress(wanted, options.json, options.fresh)
    lines = table_of(rows)
    _print(lines)
    for words in budget_words(budget_steps(rows)):
        print(words)
    if options.markdown:
        options.markdown.write_text(markdown(rows), encoding="utf-8")
    failed = sum(row["status"] == "failed" for row in rows)
    print(f"{len(rows)} cells, {failed} failed; rows in {options.json}", file=sys.stderr)
    return 1 if failed else 0


def _print_list(wanted: Sequence[Cell]) -> None:
    for cell in wanted:
        what = recipe_in_words(cell.recipe) if cell.recipe else f"not applicable: {cell.problem}"
        print(f"{cell.variant.technique}, {cell.variant.name}, {cell.model}, {cell.budget}: {what}")


def _fill_with_progress(wanted: Sequence[Cell], path: Path, fresh: bool) -> list[Row]:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(wanted))

        def report(number: int, cell: Cell) -> None:
            words = f"{cell.model}, {cell.budget}: {cell.variant.technique}, {cell.variant.name}"
            bar.update(task, completed=number, description=words)
            if not console.is_terminal:
                console.print(f"{number + 1} of {len(wanted)}: {words}", soft_wrap=True)

        return fill(wanted, path, fresh=fresh, report=report)


if __name__ == "__main__":
    raise SystemExit(main())
