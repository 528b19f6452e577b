"""What can be expected of a wish before anything is searched, within a second. Torch-free.

A thousand settings are estimated, a grid over the three sliders, and held against the limits beside all that is
measured. What is measured wins; an estimate is always called one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from statistics import median
from typing import Literal, NamedTuple

from compression import units
from compression.models.subject import Subject
from compression.recipe.budgets import Budget
from compression.recipe.recipe import Recipe
from compression.recipe.settings import FLOAT_BITS, QUANTIZATION_AWARE_BITS, Settings, neutral_settings, recipe_of
from compression.recipe.words import levels_chosen
from compression.results.metrics import METRICS, Metric
from compression.results.record import Result
from compression.results.score import says
from compression.search import allocation
from compression.search.allocation import Allocation
from compression.search.answer import CHEAPER, LESS_LOST, over, said_of
from compression.search.estimate import HAVE_PRIORS, WIDTH, Estimate, Known, Lesson, Measured, estimate
from compression.search.limits import (
    LIMITS,
    Choice,
    Limits,
    Target,
    are_kept,
    choose,
    fits,
    judge,
    limit_in_words,
    rank_of,
)

Chance = Literal["measured", "probably", "perhaps", "hardly", "unknown"]
"""Whether a wish can be met: it is by a measured setting; by an estimate with all of its range; by one without that; by
none; or nobody can say yet."""

CHANNELS = range(0, 90 + 1, 10)
ZEROS = (50, 70, 80, 90, 95)
BITS = (FLOAT_BITS, 8, 7, 6, 5, 4, 3, 2)
STUDENTS = (100, 80, 60, 50, 35)
"""The grid. What is coarser than this loses too much, and what lies between is hardly another answer."""


REACHED = ("stored", "ratio", "accuracy")
"""Metrics whose reach is told."""


@dataclass(frozen=True)
class Expected:
    """Settings, or levels of single layers, that were not measured, and what is estimated of them."""

    what: Settings | Allocation
    guess: Estimate
    known: Known

    @property
    def recipe(self) -> Recipe:
        """What would be measured."""
        if isinstance(self.what, Allocation):
            return allocation.recipe_of(self.known.subject.name, self.what)
        return recipe_of(self.known.subject, self.what)

    @property
    def ratio(self) -> float | None:
        """The time against the original's."""
        now, before = self.guess.latency_ms, self.known.latency_ms
        return None if now is None or not before else now / before

    def reached(self, field: str, worst_before: float | None = None, *, at_worst: bool = False) -> float | None:
        """What it has of what a limit is on, in the limit's unit: see `answer.reached`; None where nobody knows.

        `at_worst` takes the low end of the accuracy's range. `worst_before` is the original's accuracy in its worst
        class.
        """
        if field == "drop_points":
            low = self.guess.accuracy_range[0] if at_worst and self.guess.accuracy_range else self.guess.accuracy
            return None if low is None or self.known.accuracy is None else 100 * (self.known.accuracy - low)
        if field == "worst_points":
            now = self.guess.of(METRICS["worst_class"])
            return None if now is None or worst_before is None else 100 * (worst_before - now)
        if field == "latency_ratio":
            return self.ratio
        cost = self.guess.of(METRICS[LIMITS[field].metric])
        return None if cost is None else cost / LIMITS[field].one

    def rank(self, target: Target) -> float:
        """The smaller, the better: see `limits.rank_of`. Of accuracies the low end of the range counts."""
        values = {
            "accuracy": None if self.guess.accuracy_range is None else -self.guess.accuracy_range[0],
            "smallest": self.guess.stored_bytes,
            "fastest": self.ratio,
            "memory": self.guess.of(METRICS["memory"]),
        }
        value = values[target]
        return math.inf if value is None else value

    @property
    def words(self) -> str:
        """'4-bit weights: about 31.0 KB, 98.1 % (97.5–98.6), 0.60 of the time, estimated'."""
        guess, parts = self.guess, []
        if guess.stored_bytes is not None:
            parts.append(f"about {units.size(guess.stored_bytes)}")
        if guess.accuracy is not None and guess.accuracy_range is not None:
            parts.append(f"{units.percent(guess.accuracy)} % ({units.percent_interval(*guess.accuracy_range)})")
        if self.ratio is not None:
            parts.append(f"{METRICS['ratio'].unit.words(self.ratio, 0)} of the time")
        return f"{levels_chosen(self.recipe)}: {', '.join([*parts, 'estimated'])}"


class Reach(NamedTuple):
    """The smallest, the middle and the largest value of a metric."""

    least: float
    middle: float
    most: float


@dataclass(frozen=True)
class Outlook:
    """Whether a wish can be met, in `sentences`, the first of which says it.

    `best` is the best that is measured, `expected` the best estimate that is better or all there is; `reach` has, by
    metric, what lies within the limits, or what there is at all where nothing does (`is_within`).
    """

    chance: Chance
    sentences: tuple[str, ...]
    best: Result | None = None
    expected: Expected | None = None
    reach: Mapping[str, Reach] = field(default_factory=dict)
    is_within: bool = False


def asked_for(limits: Limits, target: Target) -> tuple[Metric, ...]:
    """Metrics that have to be estimated for a wish beside those that always are."""
    keys = [LIMITS[name].metric or ("worst_class" if name == "worst_points" else "accuracy") for name in limits.asked]
    keys += ["memory"] if target == "memory" else []
    return tuple(METRICS[key] for key in dict.fromkeys(keys) if key not in (*HAVE_PRIORS, "ratio"))


def grid(subject: Subject, budget: Budget) -> Iterator[Settings]:
    """The settings to estimate: few enough for a second. With a budget only those that would train."""
    usual = replace(neutral_settings(subject), budget=budget)
    students = STUDENTS if subject.has_slimmable else STUDENTS[:1]
    removals = [
        *({"pruning_percent": at} for at in CHANNELS),
        *({"pruning_percent": at, "remove": "weights", "criterion": "second_order"} for at in ZEROS),
    ]
    for removal, bits, student in product(removals, BITS, students):
        changes = bool(removal["pruning_percent"]) or student < 100 or bits <= QUANTIZATION_AWARE_BITS
        if budget == "none" or changes:
            yield replace(usual, weight_bits=bits, student_percent=student, **removal)


def expect(
    known: Known,
    budget: Budget,
    measured: Measured,
    *,
    lessons: Sequence[Lesson] = (),
    width: float = WIDTH,
    asked: Collection[Metric] = (),
) -> tuple[Expected, ...]:
    """The whole grid, estimated: see `estimate` for what it takes."""
    return tuple(
        Expected(settings, estimate(settings, known, measured, asked, lessons, width=width), known)
        for settings in grid(known.subject, budget)
    )


@says
def look_out(limits: Limits, target: Target, results: Collection[Result], expected: Sequence[Expected]) -> Outlook:
    """What can be expected of a wish, from what is measured of a model and from its estimates."""
    choice, worst = choose(results, limits, target), worst_before(results)
    kept = sorted((one for one in expected if keeps(one, limits, worst)), key=lambda one: one.rank(target))
    sure = _unmeasured((one for one in kept if keeps(one, limits, worst, at_worst=True)), results)
    named = sure or _unmeasured(kept, results)
    reach = _reach(kept, [one for one in results if are_kept(judge(one, limits))])
    if choice.best is not None:
        better = sure if sure and _wins(sure, choice.best, target) else None
        said = _measured(choice, choice.best, limits)
        more = [f"More may be possible: {better.words}."] if better else []
        return Outlook("measured", (said, *more), choice.best, better, reach, is_within=True)
    if named is not None:
        chance: Chance = "probably" if sure else "perhaps"
        doubt = "" if sure else " Its accuracy may turn out to be beyond."
        words = f"{chance.capitalize()}: for instance {named.words}.{doubt}"
        return Outlook(chance, (words,), None, named, reach, is_within=True)
    return _none_keeps(limits, worst, expected, results)


def _measured(choice: Choice, best: Result, limits: Limits) -> str:
    numbers = ", ".join(said_of(best, target) for target in ("smallest", "accuracy", "fastest"))
    total = units.counted(choice.total, "measured setting")
    if not limits.are_set:
        return f"Best of {total}: {best.words} ({numbers})."
    how = "Measured already" if best == choice.sure else "Measured already, perhaps"
    keep = "keeps" if choice.kept == 1 else "keep"
    return (
        f"{how}: {best.words} ({numbers}). {choice.kept:,} of {total} surely {keep} to the limits, "
        f"{choice.perhaps:,} perhaps."
    )


def _none_keeps(
    limits: Limits, worst: float | None, expected: Sequence[Expected], results: Collection[Result]
) -> Outlook:
    """Nothing does: what comes nearest, and what it misses; or what nobody can say yet."""

    def missed(one: Expected) -> float:
        return sum(over(field, one.reached(field, worst), most) for field, most in limits.asked.items())

    reach = _reach(expected, results)
    nearest = _unmeasured(sorted(expected, key=missed), results)
    if nearest is None or math.isinf(missed(nearest)):
        unknown = [field for field in limits.asked if all(one.reached(field, worst) is None for one in expected)]
        what = " and ".join(f"“{limit_in_words(field, limits.asked[field])}”" for field in unknown) or "this"
        return Outlook("unknown", (f"Not known yet: too little is measured to estimate {what}.",), reach=reach)
    gives = [
        f"“{limit_in_words(field, most)}” would have to be “{limit_in_words(field, _rounded(field, at))}”"
        for field, most in limits.asked.items()
        if (at := nearest.reached(field, worst)) is not None and not fits(at, most)
    ]
    none = f"Hardly: none of {len(expected):,} estimated settings keeps to all of it."
    given = f" For that, {' and '.join(gives)}." if gives else ""
    return Outlook("hardly", (f"{none} Nearest is {nearest.words}.{given}",), None, nearest, reach)


def _rounded(field: str, value: float) -> float:
    return value if LIMITS[field].metric else math.ceil(10 * value) / 10


def _unmeasured(ordered: Iterable[Expected], results: Iterable[Result]) -> Expected | None:
    """The first that nobody measured: what is measured needs no estimate."""
    done = {result.recipe_id for result in results}
    return next((one for one in ordered if one.recipe.recipe_id not in done), None)


def keeps(one: Expected, limits: Limits, worst: float | None, *, at_worst: bool = False) -> bool:
    """Whether an estimate keeps to every limit; `at_worst` with all of its range. See `Expected.reached`."""
    return all(
        (at := one.reached(field, worst, at_worst=at_worst)) is not None and fits(at, most)
        for field, most in limits.asked.items()
    )


def worst_before(results: Iterable[Result]) -> float | None:
    """The original's accuracy in its worst class, if it is known."""
    first = next((result.baseline.worst_class for result in results if result.baseline.worst_class), None)
    return first.accuracy if first else None


def _wins(one: Expected, best: Result, target: Target) -> bool:
    """Whether an estimate is enough better than the best measurement."""
    if target == "accuracy":
        lost = one.reached("drop_points")
        return lost is not None and -best.choosing.difference - lost / 100 >= LESS_LOST
    return one.rank(target) <= (1 - CHEAPER) * rank_of(best, target)[0]


def _reach(expected: Iterable[Expected], results: Iterable[Result]) -> dict[str, Reach]:
    """Of both together; nothing of what nobody knows."""
    values: dict[str, list[float]] = {key: [] for key in REACHED}
    for one in expected:
        guessed = {"stored": one.guess.stored_bytes, "ratio": one.ratio, "accuracy": one.guess.accuracy}
        for key, value in guessed.items():
            if value is not None:
                values[key].append(value)
    for result in results:
        for key in REACHED:
            if (value := METRICS[key].read(result)) is not None:
                values[key].append(value)
    return {key: Reach(min(found), median(found), max(found)) for key, found in values.items() if found}


SEEN = 0.005
"""The least hypervolume that says anything: below, next to nothing is smaller and faster at once."""
HARDLY_MORE = 0.01
"""What the last third of a search's time must have brought, as a share of what was found before."""
LATELY = 1 / 3


def hardly_helps(progress: Sequence[tuple[float, int, float]], spent_s: float) -> bool:
    """Whether more time will hardly bring more: what was found grew by less than `HARDLY_MORE` lately.

    `progress` has seconds, settings measured and hypervolume then (0 to 1), oldest first; `spent_s` is now. Nothing is
    said before there are a few measurements, or where hardly any was made lately: the machine is busy then.
    """
    earlier = [one for one in progress if one[0] <= (1 - LATELY) * spent_s]
    if len(earlier) < FEW:
        return False
    (_, measured, before), (_, by_now, volume) = earlier[-1], progress[-1]
    return by_now - measured >= FEW and before >= SEEN and volume < (1 + HARDLY_MORE) * before


FEW = 6
"""Points of a search's progress that must lie before the last third, and measurements in it."""
