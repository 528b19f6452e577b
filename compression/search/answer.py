"""What a search found: the best measured setting, who stands beside it, and what loosening a limit would bring.

Torch-free. What chooses are validation images; whether a limit is kept in the end, and what is reported, is for the
test images to say, which chose nothing. A setting that they show to be beyond a limit is not offered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from compression import units
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.search.limits import (
    LIMITS,
    TARGETS,
    Kept,
    Limits,
    State,
    Target,
    are_kept,
    gained_of,
    judge,
    limit_in_words,
    rank_of,
)
from compression.search.wish import Wish

LOOSER = {"drop_points": 1.0, "worst_points": 1.0}
"""By how many points a limit on accuracy is loosened to see what that would buy; costs by `LOOSER_SHARE`."""
LOOSER_SHARE = 0.1
WORTH_IT = 0.01
"""Share of a cost, or half of it in accuracy, that loosening a limit must gain to be told."""
CHEAPER, LESS_LOST = 0.05, 0.003
"""What a setting must win over another one to be named beside it: a share of a cost, or of the images."""
ENOUGH_TIMINGS = 3
"""Measurements of the latency that a setting has before it is recommended, if time allows."""
BOLDER = "better, if it keeps to the limits"
"""Why a setting is named that beats the best but keeps to the limits only perhaps."""
ON_TEST = 5
"""Settings that are looked at on test images at most: more would choose by them."""


@dataclass(frozen=True)
class Standing:
    """One limit: what was asked and what is `reached` (both in its own unit), and whether that is kept."""

    field: str
    asked: float
    reached: float | None
    state: State
    words: str


@dataclass(frozen=True)
class Beside:
    """A setting beside the best: what it has over that, in words."""

    why: str
    result: Result


@dataclass(frozen=True)
class Price:
    """What loosening one limit would buy: the setting that would then be best, and both in words."""

    field: str
    most: float
    result: Result
    words: str


@dataclass(frozen=True)
class Answer:
    """The best that was measured for a wish.

    `best` keeps to every limit, at least by its number; None where nothing does: then `nearest` is the one that misses
    them least, and `needed` says how far each limit alone would have to give. `limits` are those of the best, or else
    of the nearest, on test images. `passed_over` were better on validation images and are beyond
    a limit on test images.
    """

    wish: Wish
    n_measured: int
    best: Result | None
    nearest: Result | None
    limits: tuple[Standing, ...]
    others: tuple[Beside, ...] = ()
    prices: tuple[Price, ...] = ()
    needed: tuple[Standing, ...] = ()
    passed_over: int = 0

    @property
    def is_met(self) -> bool:
        """Whether the intervals of the best keep to every limit."""
        return self.best is not None and all(one.state == "kept" for one in self.limits)

    @property
    def shown(self) -> Result | None:
        """The best, or else the nearest."""
        return self.best or self.nearest


def answer(results: Iterable[Result], wish: Wish) -> Answer:
    """The answer to a wish from all measured settings of a model."""
    every = list(results)
    if not every:
        return Answer(wish, 0, None, None, ())
    best, passed_over = _best(every, wish)
    if best is None:
        nearest = min(every, key=lambda result: (_missed(result, wish.limits), rank_of(result, wish.target)))
        return Answer(wish, len(every), None, nearest, standings(nearest, wish.limits), needed=_needed(every, wish))
    return Answer(
        wish,
        len(every),
        best,
        None,
        standings(best, wish.limits),
        others=_others(every, best, wish),
        prices=_prices(every, best, wish),
        passed_over=passed_over,
    )


def finalists(results: Iterable[Result], wish: Wish) -> tuple[Result, ...]:
    """Those that may be recommended, the best first, whose latency rests on few measurements."""
    candidates = [*_candidates(list(results), wish)][:ON_TEST]
    return tuple(one for one in candidates if 0 < len(one.timings) < ENOUGH_TIMINGS and not one.has_same_graph)


def standings(result: Result, limits: Limits) -> tuple[Standing, ...]:
    """How a setting stands to each limit, its accuracy on test images."""
    judged = zip(limits.asked.items(), judge(result, limits, on_test=True), strict=True)
    return tuple(
        Standing(field, most, reached(result, field, on_test=True), kept.state, kept.words)
        for (field, most), kept in judged
    )


def reached(result: Result, field: str, *, on_test: bool = False) -> float | None:
    """What a setting has of what a limit is on, in the limit's unit; a loss is positive."""
    limit = LIMITS[field]
    if limit.metric:
        value = METRICS[limit.metric].read(result)
        return None if value is None else value / limit.one
    gained = gained_of(result, field, on_test=on_test)
    return None if gained is None else -gained.at / limit.one


def _candidates(results: Sequence[Result], wish: Wish) -> list[Result]:
    """Those within the limits by validation images, first who surely is, each time the best first."""
    judged = [(result, judge(result, wish.limits)) for result in results]
    within = [(result, kept) for result, kept in judged if are_kept(kept)]
    return [
        result
        for result, kept in sorted(within, key=lambda pair: (not _is_sure(pair[1]), rank_of(pair[0], wish.target)))
    ]


def _is_sure(kept: Sequence[Kept]) -> bool:
    return all(one.state == "kept" for one in kept)


def _best(results: Sequence[Result], wish: Wish) -> tuple[Result | None, int]:
    """The first candidate that test images do not show to be beyond a limit, and how many they do before."""
    for number, result in enumerate(_candidates(results, wish)):
        if number >= ON_TEST:
            break
        if _holds(result, wish.limits):
            return result, number
    return None, 0


def _holds(result: Result, limits: Limits) -> bool:
    """Whether test images do not show it to be beyond a limit."""
    return all(one.state != "not kept" for one in judge(result, limits, on_test=True))


def _missed(result: Result, limits: Limits) -> float:
    """By how much in all: logarithms of costs over their limits, and points over theirs."""
    return sum(over(field, reached(result, field), most) for field, most in limits.asked.items())


def over(field: str, at: float | None, most: float) -> float:
    """By how much one limit is missed, so that all can be added up; infinite where it is not known."""
    if at is None:
        return math.inf
    if LIMITS[field].metric:
        return max(0.0, math.log(at / most)) if at > 0 else 0.0
    return max(0.0, at - most) / 10


def _needed(results: Sequence[Result], wish: Wish) -> tuple[Standing, ...]:
    """For each limit the least that it would have to be, if the others stay."""
    found = []
    for field, most in wish.limits.asked.items():
        others = replace(wish.limits, **{field: None})
        within = [result for result in results if are_kept(judge(result, others))]
        values = [at for result in within if (at := reached(result, field)) is not None]
        if values:
            least = min(values)
            words = f"{limit_in_words(field, most)} would have to be {_amount(field, least)}"
            found.append(Standing(field, most, least, "not kept", words))
    return tuple(found)


def _amount(field: str, value: float) -> str:
    """A value of a limit, rounded up so that it is enough."""
    shown = math.ceil(value * 100 - 1e-9) / 100 if not LIMITS[field].metric else value
    return limit_in_words(field, shown)


def _others(results: Sequence[Result], best: Result, wish: Wish) -> tuple[Beside, ...]:
    """A runner-up on each side: within the limits, and better than the best in something else.

    First, where the best surely keeps to the limits, one that would be better and keeps to them only perhaps.
    """
    within = [one for one in _candidates(results, wish) if one is not best and _holds(one, wish.limits)]
    sides: list[tuple[str, Target]] = [
        ("more accurate", "accuracy"),
        ("smaller", "smallest"),
        ("faster", "fastest"),
        ("less memory", "memory"),
    ]
    found: dict[str, Beside] = {}
    ranks = ((rank_of(one, wish.target)[0], one) for one in within)
    bolder = next((one for rank, one in ranks if rank < rank_of(best, wish.target)[0]), None)
    if bolder is not None:
        found[bolder.recipe_id] = Beside(BOLDER, bolder)
    for why, target in sides:
        if target == wish.target or not within:
            continue
        first = min(within, key=lambda result: rank_of(result, target))
        if is_clearly_better(first, best, target):
            found.setdefault(first.recipe_id, Beside(why, first))
    runner_up = next((result for result in within if result.recipe_id not in found), None)
    if runner_up is not None:
        found[runner_up.recipe_id] = Beside("runner-up", runner_up)
    return tuple(found.values())


def is_clearly_better(one: Result, other: Result, target: Target) -> bool:
    """Whether a person would care: `CHEAPER` of a cost, `LESS_LOST` of the accuracy."""
    now, before = rank_of(one, target)[0], rank_of(other, target)[0]
    return now <= before - LESS_LOST if target == "accuracy" else now <= (1 - CHEAPER) * before


def _prices(results: Sequence[Result], best: Result, wish: Wish) -> tuple[Price, ...]:
    """What loosening each limit alone would buy; a limit with such a price is one that binds."""
    found = []
    for field, most in wish.limits.asked.items():
        looser = most + LOOSER[field] if field in LOOSER else most * (1 + LOOSER_SHARE)
        there, _ = _best(results, replace(wish, limits=replace(wish.limits, **{field: looser})))
        if there is None:
            continue
        before, after = rank_of(best, wish.target)[0], rank_of(there, wish.target)[0]
        least = WORTH_IT / 2 if wish.target == "accuracy" else WORTH_IT * before
        if before - after >= least:
            bought = f"{limit_in_words(field, looser)} instead would bring {said_of(there, wish.target)}"
            found.append(Price(field, looser, there, f"{bought} instead of {said_of(best, wish.target)}"))
    return tuple(found)


def said_of(result: Result, target: Target) -> str:
    """What a target is about, of one setting, in words."""
    metric = METRICS[{"accuracy": "accuracy", "smallest": "stored", "fastest": "ratio", "memory": "memory"}[target]]
    at = metric.read(result)
    words = "unknown" if at is None else metric.unit.words(at, result.n_test)
    return f"{words} of the time" if target == "fastest" else words


def sentences(found: Answer) -> list[str]:
    """The answer in words: whether it is met, with what, what binds, and what loosening would buy."""
    shown, wish = found.shown, found.wish
    if shown is None:
        return ["Nothing was measured yet."]
    settings = units.counted(found.n_measured, "setting")
    lines = [_first_sentence(found, settings), *(f"{units.capital(one.words)}." for one in found.limits)]
    if found.passed_over:
        passed = units.counted(found.passed_over, "setting")
        lines.append(f"{units.capital(passed)} looked better on validation images and did not hold on test images.")
    if found.best is None:
        lines += [f"Alone, {one.words}." for one in found.needed]
    lines += [f"{units.capital(price.words)}." for price in found.prices]
    if wish.limits.are_set and found.best is not None and not found.prices:
        lines.append("Loosening one limit a little would not bring more.")
    return lines


def _first_sentence(found: Answer, settings: str) -> str:
    shown, wish = found.shown, found.wish
    assert shown is not None
    numbers = ", ".join(said_of(shown, target) for target in ("smallest", "accuracy", "fastest"))
    if found.best is None:
        return f"Not met: none of {settings} keeps to every limit. Nearest: {shown.words} ({numbers})."
    how = "Met" if found.is_met else "Perhaps met"
    if not wish.limits.are_set:
        how = "Found"
    return f"{how}: {TARGETS[wish.target]} of {settings} is {shown.words} ({numbers})."
