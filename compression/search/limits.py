"""What a person allows a setting to cost, and the best setting that keeps to it. Torch-free.

Settings are chosen by their accuracy on validation images (`Result.choosing`), so that what is reported of the chosen
one, on the test images, does not flatter it. Accuracy and latency are known with an interval: a limit is kept where all
of it is within, not kept where all of it is beyond, and perhaps kept where it lies on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from compression import units
from compression.results.metrics import METRICS, POINTS, Unit, Value
from compression.results.record import Result
from compression.results.significance import unpaired_interval

State = Literal["kept", "perhaps", "not kept"]

Target = Literal["accuracy", "smallest", "fastest", "memory"]
TARGETS: dict[Target, str] = {
    "accuracy": "the most accurate",
    "smallest": "the smallest file",
    "fastest": "the fastest",
    "memory": "the least memory",
}
"""What is to be as good as the limits allow, and what the best is by it."""


@dataclass(frozen=True)
class Limit:
    """One thing that may be limited.

    A cost's `metric`, limited in units of `one` of its own; '' for points of the accuracy. Numbers from `least` to
    `most` can be said. `link` and `option` are its names in links and on the command line, which says bytes where
    others say `thousands` of them.
    """

    metric: str
    one: float
    link: str
    option: str
    least: float
    most: float
    thousands: bool = False


LIMITS = {
    "stored_kb": Limit("stored", 1000, "max_kb", "--max-bytes", 0.001, 1e9, thousands=True),
    "runtime_kb": Limit("runtime", 1000, "max_runtime_kb", "--max-runtime-bytes", 0.001, 1e9, thousands=True),
    "latency_ms": Limit("latency", 1, "max_ms", "--max-latency-ms", 1e-6, 1e6),
    "latency_ratio": Limit("ratio", 1, "max_ratio", "--max-latency-ratio", 0.001, 1000.0),
    "memory_kb": Limit("memory", 1000, "max_memory_kb", "--max-memory-bytes", 0.001, 1e9, thousands=True),
    "drop_points": Limit("", 0.01, "max_drop", "--max-points-lost", 0.0, 100.0),
    "worst_points": Limit("", 0.01, "max_worst", "--max-worst-class-points-lost", 0.0, 100.0),
}
"""By field of `Limits`: a byte to a terabyte, a nanosecond to a quarter of an hour."""


@dataclass(frozen=True)
class Limits:
    """The most a setting may cost; None is no limit.

    Kilobytes of the stored and of the runtime file, milliseconds and time against the baseline, kilobytes of memory,
    and percentage points of accuracy lost: on average, and by the class that is worst.
    """

    stored_kb: float | None = None
    runtime_kb: float | None = None
    latency_ms: float | None = None
    latency_ratio: float | None = None
    memory_kb: float | None = None
    drop_points: float | None = None
    worst_points: float | None = None

    @property
    def are_set(self) -> bool:
        """Whether there is any limit."""
        return self != NO_LIMITS

    @property
    def asked(self) -> dict[str, float]:
        """Those that are set, by field."""
        every = {field: getattr(self, field) for field in LIMITS}
        return {field: most for field, most in every.items() if most is not None}

    @property
    def words(self) -> str:
        """'100 KB · at most 0.5 points lost'."""
        return " · ".join(limit_in_words(field, most) for field, most in self.asked.items())


def limit_in_words(field: str, most: float) -> str:
    """One limit: '100 KB', 'at most 0.5 points lost'."""
    points = units.counted(most, "point")
    said = {
        "stored_kb": lambda: units.size(1000 * most),
        "runtime_kb": lambda: f"runtime file {units.size(1000 * most)}",
        "latency_ms": lambda: units.milliseconds(most),
        "latency_ratio": lambda: f"{most:.3g} of the baseline's time",
        "memory_kb": lambda: f"{units.size(1000 * most)} of memory",
        "drop_points": lambda: f"at most {points} lost",
        "worst_points": lambda: f"worst class at most {points} lost",
    }
    return said[field]()


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Kept:
    """Whether a result keeps to one limit: `words` say by which numbers, and `by_itself` is it without intervals."""

    state: State
    by_itself: bool
    words: str


def judge(result: Result, limits: Limits, *, on_test: bool = False) -> tuple[Kept, ...]:
    """How a result stands to each limit that is set, in the order of `Limits.asked`.

    Its accuracy is that on validation images, by which it is chosen; `on_test` that on the test images, by which
    nothing was.
    """
    return tuple(_judged(result, field, most, on_test) for field, most in limits.asked.items())


def _judged(result: Result, field: str, most: float, on_test: bool) -> Kept:
    limit = LIMITS[field]
    if limit.metric:
        metric = METRICS[limit.metric]
        return _kept(metric.of(result), limit.one * most, metric.unit, result.n_test)
    gained = gained_of(result, field, on_test=on_test)
    kind = "test" if on_test else "validation"
    return _lost(gained, limit.one * most, result.n_test if on_test else result.choosing.n, kind)


def gained_of(result: Result, field: str, *, on_test: bool = False) -> Value | None:
    """The accuracy that a limit speaks of, against the baseline's (-1..1); None where it is not known."""
    if result.is_baseline:
        return Value(0.0)
    if field == "worst_points":
        return _worst_gained(result, on_test)
    if on_test:
        low, high = result.accuracy_difference_low, result.accuracy_difference_high
        return Value(result.accuracy_difference, low, high)
    seen = result.choosing
    return Value(seen.difference, seen.difference_low, seen.difference_high)


def _worst_gained(result: Result, on_test: bool) -> Value | None:
    """Of the class with the smallest share right, which need not be the same one as before."""
    known = result.validation
    now, before = (
        (result.worst_class, result.baseline.worst_class)
        if on_test or known is None
        else (known.worst_class, known.worst_class_before)
    )
    if now is None or before is None:
        return None
    ends = unpaired_interval(now.correct, now.n, before.correct, before.n)
    return Value(now.accuracy - before.accuracy, *ends)


def are_kept(judged: Iterable[Kept]) -> bool:
    """Whether a setting counts as one within the limits, which it may be only perhaps: its numbers keep to each."""
    return all(one.by_itself for one in judged)


def _kept(value: Value | None, most: float, unit: Unit, n_images: int) -> Kept:
    """Of a cost; one that is not known keeps to nothing."""
    if value is None:
        return Kept("not kept", False, "it is not known")
    low, high = value.ends
    state = _state(low, high, most)
    said = unit.words(value.at, n_images)
    if low < high:
        said += f" ({unit.between.join(unit.number(end, 0) for end in (low, high))})"
    beside = {"kept": "within", "perhaps": "perhaps within", "not kept": "over"}[state]
    return Kept(state, fits(value.at, most), f"{said} is {beside} {unit.words(most, n_images)}")


def _lost(gained: Value | None, most: float, n_images: int, kind: str) -> Kept:
    """Of the accuracy on images of a kind, where a loss is a negative difference."""
    if gained is None:
        return Kept("not kept", False, "it is not known")
    low, high = gained.ends
    state = _state(-high, -low, most)
    decimals = units.decimals_for(n_images)
    said = POINTS.words(gained.at, n_images)
    if low < high:
        said += f" ({units.points_interval(low, high, decimals)})"
    beside = {"kept": "within", "perhaps": "perhaps within", "not kept": "beyond"}[state]
    allowed = units.counted(round(100 * most, 9), "point")
    words = f"{said} on {n_images:,} {kind} images is {beside} {allowed} lost"
    return Kept(state, fits(-gained.at, most), words)


def _state(low: float, high: float, most: float) -> State:
    if fits(high, most):
        return "kept"
    return "perhaps" if fits(low, most) else "not kept"


def fits(cost: float, most: float) -> bool:
    """Whether a cost is within a limit, up to rounding.

    As a difference of fractions 0.5 points are 0.5000000000000004.
    """
    return cost <= most or math.isclose(cost, most, abs_tol=1e-12)


@dataclass(frozen=True)
class Choice:
    """How many of `total` measured settings keep to the limits, surely or perhaps, and which of them is best.

    `best` may keep to them only perhaps; `sure` is the best of those that surely do. `best_by` says by what, and
    `finalists` has the first few, the best first.
    """

    kept: int
    perhaps: int
    total: int
    best: Result | None
    sure: Result | None
    best_by: str
    finalists: tuple[Result, ...]


FINALISTS = 3
"""How many settings are looked at more closely before one is recommended."""


def usual_target(limits: Limits) -> Target:
    """What is best where nobody said: the smallest file with a limit on accuracy lost, else the most accurate."""
    return "accuracy" if limits.drop_points is None and limits.worst_points is None else "smallest"


def rank_of(result: Result, target: Target) -> tuple[float, ...]:
    """The smaller, the better: by the target, and among equals by the others. Accuracy is on validation images."""
    costs = {
        "accuracy": -result.choosing.accuracy,
        "smallest": float(result.stored_bytes),
        "fastest": 1.0 if result.is_baseline else result.latency_ratio,
        "memory": float(result.peak_memory_bytes),
    }
    return (costs.pop(target), *costs.values())


def choose(results: Iterable[Result], limits: Limits, target: Target | None = None) -> Choice:
    """The best setting within the limits, by what validation images say of the accuracy.

    `target` says what is best; see `usual_target`. One that keeps to a limit perhaps must do so by its number.
    """
    every, wanted = list(results), target or usual_target(limits)
    judged = [(result, judge(result, limits)) for result in every]
    allowed = [(result, kept) for result, kept in judged if are_kept(kept)]
    ordered = sorted((result for result, _ in allowed), key=lambda result: rank_of(result, wanted))
    sure = {result for result, kept in allowed if all(one.state == "kept" for one in kept)}
    return Choice(
        kept=len(sure),
        perhaps=len(ordered) - len(sure),
        total=len(every),
        best=ordered[0] if ordered else None,
        sure=next((result for result in ordered if result in sure), None),
        best_by=TARGETS[wanted],
        finalists=tuple(ordered[:FINALISTS]),
    )
