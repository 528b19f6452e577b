"""How far estimates were off: each measured setting against what would have been expected without it. Torch-free."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from compression import units
from compression.recipe.settings import settings_of
from compression.results.record import Result
from compression.results.score import says
from compression.search.estimate import WIDTH, Estimate, Known, Lesson, Measured, estimate, lesson_of, loss_of

LATEST = 60
"""Settings that a record looks at: the last measured ones, for the estimator learns."""

_settings_of = functools.lru_cache(maxsize=10_000)(settings_of)
"""Found once: the same results are looked at with every move."""


@dataclass(frozen=True)
class Miss:
    """Measured minus estimated: accuracy in points, stored file and latency as shares of the estimate.

    `doubts` is how far the logarithm of the loss was off, in doubts of the estimate (`Estimate.doubt`).
    """

    estimate: Estimate
    doubts: float
    accuracy_points: float
    size_share: float
    latency_share: float


@dataclass(frozen=True)
class Record:
    """Medians of how far `n` estimates were off, whichever way, and how many accuracies lay in the given ranges.

    Each range was as wide as the other misses let it be.
    """

    n: int
    inside: int
    accuracy_points: float
    size_share: float
    latency_share: float


def lessons_of(results: Sequence[Result], known: Known, measured: Measured) -> tuple[Lesson, ...]:
    """What the `LATEST` of a model's results that combine settings teach; `known` and `measured` as of `estimate`."""
    pairs = ((_settings_of(known.subject, result.parsed_recipe), result) for result in results[-LATEST:])
    found = (lesson_of(settings, result, known, measured) for settings, result in pairs if settings is not None)
    return tuple(lesson for lesson in found if lesson is not None)


def miss_of(result: Result, known: Known, measured: Measured, lessons: Iterable[Lesson] = ()) -> Miss | None:
    """How far the estimate of a measured setting is off that knows all measurements but its own.

    `known`, `measured` and `lessons` are what `estimate` takes. None for the baseline, where nothing is known of it,
    and for recipes that the sliders cannot express, which are not estimated well.
    """
    settings = _settings_of(known.subject, result.parsed_recipe)
    if settings is None or result.is_baseline:
        return None
    others = {
        curve: {at: point for at, point in points.items() if point.recipe_id != result.recipe_id}
        for curve, points in measured.items()
    }
    found = estimate(settings, known, others, lessons=[one for one in lessons if one.settings != settings])
    if found.accuracy is None or not found.stored_bytes or not found.latency_ms or not known.latency_ms:
        return None
    return Miss(
        found,
        abs(loss_of(result, known) - found.loss) / found.doubt,
        100 * (result.accuracy - found.accuracy),
        result.stored_bytes / found.stored_bytes - 1,
        known.latency_ms * result.latency_ratio / found.latency_ms - 1,
    )


ENOUGH = 9
"""Misses that tell how wide ranges must be: of fewer the largest one does not leave one in ten outside."""


def width(misses: Iterable[float]) -> float:
    """How wide ranges must be, in doubts, for nine of ten to hold what is measured: split conformal prediction.

    `misses` are `Miss.doubts` (Vovk, Gammerman and Shafer, 2005: the smallest that at least nine tenths of n + 1 do not
    exceed). With fewer than `ENOUGH` it is not less than the usual one.
    """
    ordered = sorted(misses)
    if len(ordered) < ENOUGH:
        return max(WIDTH, *ordered, 0.0)
    return ordered[math.ceil(0.9 * (len(ordered) + 1)) - 1]


def misses_of(results: Sequence[Result], known: Known, measured: Measured, lessons: Sequence[Lesson]) -> list[Miss]:
    """Of the `LATEST` of the results."""
    found = (miss_of(result, known, measured, lessons) for result in results[-LATEST:])
    return [miss for miss in found if miss is not None]


def record(
    results: Iterable[Result], known: Known, measured: Measured, lessons: Sequence[Lesson] = ()
) -> Record | None:
    """The record over the `LATEST` of the results; None where there is nothing to judge by."""
    misses = misses_of(list(results), known, measured, lessons)
    if not misses:
        return None
    doubts = [miss.doubts for miss in misses]
    inside = sum(one <= width([*doubts[:n], *doubts[n + 1 :]]) for n, one in enumerate(doubts))
    fields = ("accuracy_points", "size_share", "latency_share")
    return Record(len(misses), inside, *(median(abs(getattr(miss, field)) for miss in misses) for field in fields))


@says
def record_in_words(found: Record) -> str:
    """One sentence about the record."""
    return (
        f"Estimates of this model were off by {found.accuracy_points:.1f} points of accuracy, "
        f"{units.share(found.size_share)} of the size and {units.share(found.latency_share)} of the latency "
        f"(median of {found.n} settings, each estimated without its own measurement). The accuracy lay in the given "
        f"range {found.inside} of {found.n} times."
    )


@says
def miss_in_words(found: Miss, n_test: int) -> str:
    """What had been expected of a setting that is measured now."""
    guess, decimals = found.estimate, units.decimals_for(n_test)
    assert guess.accuracy is not None and guess.stored_bytes is not None and guess.latency_ms is not None
    measured_ms = guess.latency_ms * (1 + found.latency_share)
    size, latency = (units.points(share, 0) for share in (found.size_share, found.latency_share))
    return (
        f"Without this measurement the estimate is {units.percent(guess.accuracy, decimals)} %, "
        f"{units.size(guess.stored_bytes)} and {units.milliseconds(guess.latency_ms)}. The measurement differs by "
        f"{units.points(found.accuracy_points / 100, decimals)} points, {size} % in size and "
        f"{latency} % in latency ({units.milliseconds(measured_ms)} on the charts' scale)."
    )
