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

State = Literal["kept", "perhaps", "not kept"]


@dataclass(frozen=True)
class Limits:
    """The most a setting may cost: stored kilobytes, milliseconds, accuracy points lost; None is no limit."""

    stored_kb: float | None = None
    latency_ms: float | None = None
    drop_points: float | None = None

    @property
    def are_set(self) -> bool:
        """Whether there is any limit."""
        return self != NO_LIMITS

    @property
    def words(self) -> str:
        """'100 KB · at most 0.5 points lost'."""
        said = [
            None if self.stored_kb is None else units.size(1000 * self.stored_kb),
            None if self.latency_ms is None else units.milliseconds(self.latency_ms),
            None if self.drop_points is None else f"at most {units.counted(self.drop_points, 'point')} lost",
        ]
        return " · ".join(filter(None, said))


NO_LIMITS = Limits()

RANGES = {"stored_kb": (0.001, 1e9), "latency_ms": (1e-6, 1e6), "drop_points": (0.0, 100.0)}
"""The least and the most that a limit can say: a byte to a terabyte, a nanosecond to a quarter of an hour."""


@dataclass(frozen=True)
class Kept:
    """Whether a result keeps to one limit: `words` say by which numbers, and `by_itself` is it without intervals."""

    state: State
    by_itself: bool
    words: str


def judge(result: Result, limits: Limits) -> tuple[Kept, ...]:
    """How a result stands to each limit that is set."""
    size, time = METRICS["stored"], METRICS["latency"]
    found = []
    if limits.stored_kb is not None:
        found.append(_kept(size.of(result), 1000 * limits.stored_kb, size.unit, result.n_test))
    if limits.latency_ms is not None:
        found.append(_kept(time.of(result), limits.latency_ms, time.unit, result.n_test))
    if limits.drop_points is not None:
        seen = result.choosing
        gained = Value(0.0) if result.is_baseline else Value(seen.difference, seen.difference_low, seen.difference_high)
        found.append(_lost(gained, limits.drop_points / 100, seen.n))
    return tuple(found)


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
    return Kept(state, _fits(value.at, most), f"{said} is {beside} {unit.words(most, n_images)}")


def _lost(gained: Value, most: float, n_images: int) -> Kept:
    """Of the accuracy, where a loss is a negative difference."""
    low, high = gained.ends
    state = _state(-high, -low, most)
    decimals = units.decimals_for(n_images)
    said = POINTS.words(gained.at, n_images)
    if low < high:
        said += f" ({units.points_interval(low, high, decimals)})"
    beside = {"kept": "within", "perhaps": "perhaps within", "not kept": "beyond"}[state]
    allowed = units.counted(round(100 * most, 9), "point")
    words = f"{said} on {n_images:,} validation images is {beside} {allowed} lost"
    return Kept(state, _fits(-gained.at, most), words)


def _state(low: float, high: float, most: float) -> State:
    if _fits(high, most):
        return "kept"
    return "perhaps" if _fits(low, most) else "not kept"


def _fits(cost: float, most: float) -> bool:
    """Up to rounding: as a difference of fractions 0.5 points are 0.5000000000000004."""
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


def choose(results: Iterable[Result], limits: Limits) -> Choice:
    """The best setting within the limits, by what validation images say of the accuracy.

    With a limit on the accuracy lost that is the smallest stored file; without one, the most accurate setting. Among
    equals the other of the two decides, then the latency. One that keeps to a limit perhaps must do so by its number.
    """
    every = list(results)
    judged = [(result, judge(result, limits)) for result in every]
    allowed = [(result, kept) for result, kept in judged if are_kept(kept)]
    smallest_first = limits.drop_points is not None

    def rank(result: Result) -> tuple[float, float, float]:
        size, error = float(result.stored_bytes), -result.choosing.accuracy
        return (size, error, result.latency_ratio) if smallest_first else (error, size, result.latency_ratio)

    ordered = sorted((result for result, _ in allowed), key=rank)
    sure = {result for result, kept in allowed if all(one.state == "kept" for one in kept)}
    return Choice(
        kept=len(sure),
        perhaps=len(ordered) - len(sure),
        total=len(every),
        best=ordered[0] if ordered else None,
        sure=next((result for result in ordered if result in sure), None),
        best_by="the smallest file" if smallest_first else "the most accurate",
        finalists=tuple(ordered[:FINALISTS]),
    )
