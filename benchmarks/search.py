"""The search against what people would call by hand, and whether it keeps what it promises.

    python -m benchmarks.search                                            # everything: hours on two cores
    python -m benchmarks.search --models lenet5-mnist5k --seeds 0 --minutes 5
    python -m benchmarks.search --wishes 50 --models lenet5-mnist5k
    python -m benchmarks.search --markdown benchmarks/search.md

Every method looks among the same recipes (`compression.search.space`), which the same code carries out and measures,
two at a time. Time is counted, not waited for: a recipe that another method has measured already takes each its
seconds, and is not measured again. So all have the same minutes, and a worker waits while its method thinks.
Methods: ours, Optuna's tree-structured Parzen estimator (TPE) and NSGA-II with their defaults, and random search with
ten times as many measurements as ours. All are judged by the hypervolume of accuracy lost, stored bytes and latency
ratio (`compression.search.front`), on validation images, which they choose by, and on test images, which they never
see.

Wishes are drawn by a seed: one to three limits within what random search reaches, and a target. Each is given to the
search, which begins with what it measured for the hypervolume, for one more minute; and to random search of thirty
minutes, of which the same code chooses the answer. A promise is broken where a limit of an answer is exceeded by all of
its interval on test images.
"""

from __future__ import annotations

import argparse
import heapq
import json
import multiprocessing
import random
import statistics
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from compression import ENGINE_VERSION, environment
from compression.errors import CompressionError
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.results.record import Result
from compression.search import front
from compression.search.answer import answer
from compression.search.campaign import Campaign
from compression.search.limits import Limits, judge, rank_of
from compression.search.space import Space
from compression.search.wish import Wish, wish_for

MODELS = ("lenet5-mnist5k", "resnet8-mnist5k", "resnet20-fashion")
WORKERS = 2
TIMES_AS_MANY = 10
"""Measurements of random search for one of ours."""
RANDOM_MINUTES = 30
"""Of random search, for wishes."""


# --- measuring ---------------------------------------------------------------------------------------------------


class Bench:
    """Recipes of one model measured by processes of their own, and kept in a file."""

    def __init__(self, model: str, folder: Path) -> None:
        self.model, self.subject = model, subject_of(model)
        self._path = folder / f"search-{model}-engine{ENGINE_VERSION}.jsonl"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, Result | None] = dict(self._read())
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(WORKERS, context, initializer=_begin, initargs=(model,))
        self._under_way: dict[str, Future[str | None]] = {}

    def _read(self) -> Iterator[tuple[str, Result | None]]:
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                recipe_id, document = json.loads(line)
                yield recipe_id, None if document is None else Result.model_validate(document)

    def begin(self, recipe: Recipe) -> None:
        """Have it measured, unless that was done."""
        if recipe.recipe_id not in self._known and recipe.recipe_id not in self._under_way:
            self._under_way[recipe.recipe_id] = self._pool.submit(_measured, recipe.to_json())

    def result(self, recipe: Recipe) -> Result | None:
        """What came out; None where the recipe makes no sense for the model."""
        self.begin(recipe)
        if recipe.recipe_id not in self._known:
            document = self._under_way.pop(recipe.recipe_id).result()
            self._known[recipe.recipe_id] = None if document is None else Result.model_validate_json(document)
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps([recipe.recipe_id, document and json.loads(document)]) + "\n")
        return self._known[recipe.recipe_id]

    @property
    def baseline(self) -> Result:
        """The uncompressed model."""
        found = self.result(Recipe(model=self.model))
        assert found is not None
        return found

    def close(self) -> None:
        """Let the processes go."""
        self._pool.shutdown(cancel_futures=True)


_baseline: Any = None
_timings: dict[str, Any] = {}


def _begin(model: str) -> None:
    """In each process: one thread, and the uncompressed model, measured once."""
    import torch

    from compression.engine.run import run_recipe

    global _baseline  # noqa: PLW0603 - a process of a pool has nothing else to keep it in
    torch.set_num_threads(1)
    _baseline = run_recipe(subject_of(model), Recipe(model=model))


def _measured(text: str) -> str | None:
    """In a process: a recipe's result as JSON."""
    from compression.engine.run import run_recipe

    recipe = Recipe.model_validate_json(text)
    if recipe.is_baseline:
        return str(_baseline.result.model_dump_json())
    try:
        found = run_recipe(
            subject_of(recipe.model), recipe, baseline=_baseline, timed=lambda graph: _timings.get(graph, ())
        )
    except CompressionError:
        return None
    except Exception:  # a fault of the engine: it is told, and the search goes on, as it does in the product
        traceback.print_exc()
        print(f"in {recipe.to_short_json()}", file=sys.stderr, flush=True)
        return None
    _timings[found.result.graph] = found.result.timings
    return found.result.model_dump_json()


# --- methods -----------------------------------------------------------------------------------------------------


class Method(Protocol):
    """Asked for a recipe, told what came out."""

    def ask(self) -> Recipe | None: ...  # noqa: D102

    def tell(self, recipe: Recipe, result: Result | None) -> None: ...  # noqa: D102


class Ours:
    """The product's own."""

    def __init__(self, model: str, seed: int, wish: Wish | None = None) -> None:
        limits = (wish.limits, wish.target) if wish else ()
        self.campaign = Campaign(subject_of(model), *limits, seed=seed)

    def ask(self) -> Recipe | None:
        """See `Campaign.ask`."""
        return self.campaign.ask()

    def tell(self, recipe: Recipe, result: Result | None) -> None:
        """See `Campaign.tell`."""
        if result is None:
            self.campaign.failed(recipe)
        else:
            self.campaign.tell(result)


class ByOptuna:
    """One of Optuna's samplers with its defaults over the same space, with the same three objectives."""

    def __init__(self, model: str, seed: int, sampler: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._space = optuna, Space(subject_of(model))
        made = getattr(optuna.samplers, sampler)(seed=seed)
        self._study = optuna.create_study(directions=["minimize"] * 3, sampler=made)
        sizes = zip(self._space.names, self._space.sizes, strict=True)
        self._knobs: dict[str, Any] = {name: optuna.distributions.IntDistribution(0, size - 1) for name, size in sizes}
        self._trials: dict[str, list[Any]] = {}

    def ask(self) -> Recipe | None:
        """Its next trial as a recipe."""
        trial = self._study.ask(self._knobs)
        recipe = self._space.recipe(self._space.canonical(tuple(trial.params[name] for name in self._space.names)))
        self._trials.setdefault(recipe.recipe_id, []).append(trial)
        return recipe

    def tell(self, recipe: Recipe, result: Result | None) -> None:
        """The three goals, or that it failed."""
        trial = self._trials[recipe.recipe_id].pop(0)
        if result is None:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, [float(goal) for goal in front.goals([result])[0]])


class ByChance:
    """Every knob anywhere, each recipe once."""

    def __init__(self, model: str, seed: int) -> None:
        self._space, self._random = Space(subject_of(model)), random.Random(seed)
        self._asked: set[tuple[int, ...]] = set()

    def ask(self) -> Recipe | None:
        """One that was not drawn before."""
        while True:
            drawn = self._space.canonical(tuple(self._random.randrange(size) for size in self._space.sizes))
            if drawn not in self._asked:
                self._asked.add(drawn)
                return self._space.recipe(drawn)

    def tell(self, recipe: Recipe, result: Result | None) -> None:
        """It learns nothing."""


@dataclass(frozen=True)
class Seen:
    """A measurement, when its method had it (seconds from the start)."""

    at: float
    result: Result


def searched(bench: Bench, method: Method, *, seconds: float = np.inf, count: float = np.inf) -> list[Seen]:
    """What a method measures with `WORKERS` workers in so many counted seconds, or until it has `count` results."""
    seen, now, asked = [Seen(0.0, bench.baseline)], 0.0, 0
    begun: list[tuple[float, Recipe]] = []
    running: list[tuple[float, int, Recipe, Result | None]] = []  # by when they are over
    while now < seconds and len(seen) <= count:
        while len(running) + len(begun) < WORKERS:
            thought = time.perf_counter()
            recipe = method.ask()
            now += time.perf_counter() - thought
            if recipe is None:
                return seen
            bench.begin(recipe)
            begun.append((now, recipe))
        for start, recipe in begun:
            result, asked = bench.result(recipe), asked + 1
            heapq.heappush(running, (start + (result.seconds if result else 0.1), asked, recipe, result))
        begun.clear()
        over, _, recipe, result = heapq.heappop(running)
        now = max(now, over)
        method.tell(recipe, result)
        if result is not None and over <= seconds:
            seen.append(Seen(over, result))
    return seen


def volume(seen: Sequence[Seen], until: float = np.inf, *, on_test: bool = False) -> float:
    """The hypervolume of what was measured until then."""
    return front.hypervolume(front.goals([one.result for one in seen if one.at <= until], on_test=on_test))


# --- hypervolumes --------------------------------------------------------------------------------------------------


def compare(bench: Bench, seed: int, minutes: float) -> dict[str, Any]:
    """All methods on one model with one seed."""
    seconds, model = 60 * minutes, bench.model
    ours = searched(bench, Ours(model, seed), seconds=seconds)
    others = {
        "TPE": searched(bench, ByOptuna(model, seed, "TPESampler"), seconds=seconds),
        "NSGA-II": searched(bench, ByOptuna(model, seed, "NSGAIISampler"), seconds=seconds),
        "random, 10 times as many": searched(bench, ByChance(model, seed), count=TIMES_AS_MANY * len(ours)),
    }
    row: dict[str, Any] = {"model": model, "seed": seed, "minutes": minutes, "methods": {}}
    best = max(volume(others[name]) for name in ("TPE", "NSGA-II"))
    reached = next((one.at for one in ours if volume(ours, one.at) >= best), None)
    for name, seen in {"ours": ours, **others}.items():
        row["methods"][name] = {
            "measured": len(seen) - 1,
            "seconds": seen[-1].at,
            "validation": volume(seen),
            "test": volume(seen, on_test=True),
        }
    return row | {"reached_s": reached}


# --- wishes --------------------------------------------------------------------------------------------------------


def drawn_wishes(results: Sequence[Result], count: int, seed: int) -> list[Wish]:
    """One to three limits each, between what a tenth and what seven tenths of some good settings keep to."""
    points = front.goals(results)
    good = [results[n] for n in np.flatnonzero(front.nondominated(points))]
    random_ = random.Random(seed)
    values = {
        "stored_kb": sorted(one.stored_bytes / 1000 for one in good),
        "latency_ratio": sorted(one.latency_ratio for one in good),
        "memory_kb": sorted(one.peak_memory_bytes / 1000 for one in good),
        "drop_points": [0.25, 0.5, 1.0, 2.0, 3.0, 5.0],
    }
    wishes = []
    for number in range(count):
        fields = random_.sample(sorted(values), random_.choice((1, 2, 2, 3)))
        limits = {}
        for field in fields:
            ordered = values[field]
            limits[field] = float(f"{ordered[int(random_.uniform(0.1, 0.7) * (len(ordered) - 1))]:.3g}")
        target = random_.choice(("accuracy", "smallest", "fastest"))
        wishes.append(wish_for(Limits(**limits), target, 1.0, number))
    return wishes


def grant(bench: Bench, wish: Wish, before: Sequence[Result], by_chance: Sequence[Result]) -> dict[str, Any]:
    """One wish, to the search with what was measured before, and to random search."""
    method = Ours(bench.model, wish.seed, wish)
    method.campaign.take(before)
    seen = searched(bench, method, seconds=60 * wish.minutes)
    ours = answer([*before, *(one.result for one in seen)], wish)
    theirs = answer(by_chance, wish)
    row = {"model": bench.model, "wish": wish.words, "met": ours.is_met, "found": ours.best is not None}
    row |= {"chance_found": theirs.best is not None, "chance_met": theirs.is_met}
    if ours.best is not None:
        row["broken"] = any(one.state == "not kept" for one in judge(ours.best, wish.limits, on_test=True))
    if ours.best is not None and theirs.best is not None:
        mine, other = (rank_of(one, wish.target)[0] for one in (ours.best, theirs.best))
        row |= {"ours": mine, "chance": other, "better": mine < other, "worse": mine > other}
    return row


# --- the whole -----------------------------------------------------------------------------------------------------


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Both tables."""
    volumes = [row for row in rows if "methods" in row]
    wishes = [row for row in rows if "wish" in row]
    lines = ["# Searching", "", f"`python -m benchmarks.search`, engine {ENGINE_VERSION}.", ""]
    if volumes:
        lines += [*_volume_lines(volumes), ""]
    if wishes:
        lines += [*_wish_lines(wishes), ""]
    return "\n".join(lines)


def _volume_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = list(rows[0]["methods"])
    head = ["model", "seed", "minutes", *(f"{name} (settings)" for name in names), "ours is above Optuna's after"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for row in rows:
        cells = [
            f"{one['validation']:.4f}, test {one['test']:.4f} ({one['measured']:,})" for one in row["methods"].values()
        ]
        reached = "never" if row["reached_s"] is None else f"{row['reached_s']:.0f} s"
        lines.append(f"| {row['model']} | {row['seed']} | {row['minutes']:g} | {' | '.join(cells)} | {reached} |")
    return lines


def _wish_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    by_model: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    lines = ["| model | wishes | random search answers | ours too | better | worse | met | broken promises |"]
    lines.append("|" + " --- |" * 8)
    for model, group in by_model.items():
        both = [row for row in group if row["chance_found"]]
        counts = [
            len(group),
            len(both),
            sum(row["found"] for row in both),
            sum(row.get("better", False) for row in both),
            sum(row.get("worse", False) for row in both),
            sum(row["met"] for row in group),
            sum(row.get("broken", False) for row in group),
        ]
        lines.append(f"| {model} | {' | '.join(map(str, counts))} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill in what is asked for, print it, and return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="MODEL")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2), metavar="SEED")
    parser.add_argument("--minutes", type=float, default=5.0, help="of each method (default: 5)")
    parser.add_argument("--wishes", type=int, default=0, metavar="COUNT", help="so many wishes of each model instead")
    parser.add_argument("--folder", type=Path, default=environment.home() / "benchmarks")
    parser.add_argument("--markdown", type=Path, metavar="OUT.md", help="write all that was found so far here")
    options = parser.parse_args(arguments)
    path = options.folder / "search.jsonl"
    for model in options.models:
        bench = Bench(model, options.folder)
        found = _wishes(bench, options) if options.wishes else _volumes(bench, options)
        for row in found:
            print(json.dumps(row), flush=True)
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        bench.close()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if options.markdown:
        options.markdown.write_text(markdown(rows), encoding="utf-8")
    return 1 if any(row.get("broken") for row in rows) else 0


def _volumes(bench: Bench, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for seed in options.seeds:
        yield compare(bench, seed, options.minutes)


def _wishes(bench: Bench, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    before = [one.result for one in searched(bench, Ours(bench.model, 0), seconds=60 * options.minutes)]
    by_chance = [one.result for one in searched(bench, ByChance(bench.model, 1000), seconds=60 * RANDOM_MINUTES)]
    usual = statistics.median(one.seconds for one in by_chance)
    print(f"{bench.model}: {len(by_chance):,} by chance, {usual:.1f} s each", file=sys.stderr)
    for wish in drawn_wishes([*before, *by_chance], options.wishes, seed=17):
        yield grant(bench, wish, before, by_chance)


if __name__ == "__main__":
    sys.exit(main())
