"""What else was measured: what beats a setting, why not the others, and what the next point costs. Torch-free.

A rival is at least as accurate on the images that settings are chosen by, and on the test images, whose numbers are
told: so none is named for its luck on these. How sure its accuracy and its time are is said with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from compression import units
from compression.explain.differences import (
    Gap,
    accuracy_gap,
    amount_effect,
    gap_effect,
    gap_words,
    percent,
    speed_between,
)
from compression.results.metrics import Effect
from compression.results.record import Result
from compression.results.score import says

WORTH = 0.10
"""From this share on, less size, time or memory is worth telling somebody to change for it."""

POINT = 0.01
"""One percentage point of accuracy."""

Cost = Literal["size", "time", "memory"]
_BETTER: dict[Cost, str] = {"size": "smaller", "time": "faster", "memory": "with less memory"}
_WORSE: dict[Cost, str] = {"size": "larger", "time": "slower", "memory": "with more memory"}


@dataclass(frozen=True)
class Rival:
    """A measured setting that is at least as accurate, and `better` in a cost by `WORTH` or more.

    Where it is `worse` in nothing, it beats the other on all counts. `about` are its numbers against the other's.
    """

    result: Result
    better: tuple[Cost, ...]
    worse: tuple[Cost, ...]
    about: str = ""

    @property
    def beats(self) -> bool:
        """Whether nothing speaks for the other."""
        return not self.worse

    @property
    @says
    def title(self) -> str:
        """'Smaller and at least as accurate: 3-bit weights (but slower)'."""
        won = units.capital(", ".join(_BETTER[cost] for cost in self.better)) or "More accurate"
        kept = " and at least as accurate" if self.better else " at the same cost"
        but = f" (but {', '.join(_WORSE[cost] for cost in self.worse)})" if self.worse else ""
        return f"{won}{kept}: {self.result.words}{but}"


def rivals(result: Result, measured: Iterable[Result], gap: Gap = accuracy_gap) -> tuple[Rival, ...]:
    """What speaks against a setting: what beats it on all counts, or else what is smaller, and what is faster.

    Of several that beat it the smallest, then the most accurate; nothing where there is none. `gap` says how sure the
    difference in accuracy is.
    """
    return tuple(replace(rival, about=_about(rival.result, result, gap)) for rival in _chosen(result, measured))


def _chosen(result: Result, measured: Iterable[Result]) -> Collection[Rival]:
    found = [rival for other in _others(result, measured) if (rival := _rival(other, result))]
    if beating := [rival for rival in found if rival.beats]:
        return [min(beating, key=lambda rival: (rival.result.stored_bytes, -rival.result.accuracy))]
    smaller = [rival for rival in found if "size" in rival.better]
    faster = [rival for rival in found if "time" in rival.better]
    best = [min(smaller, key=lambda rival: rival.result.stored_bytes)] if smaller else []
    best += [min(faster, key=lambda rival: rival.result.latency_ratio)] if faster else []
    return {rival.result.recipe_id: rival for rival in best}.values()


def _others(result: Result, measured: Iterable[Result]) -> Iterable[Result]:
    """Other compressed settings of the same model."""
    return (
        other
        for other in measured
        if other.model == result.model and other.recipe_id != result.recipe_id and not other.is_baseline
    )


def _rival(other: Result, result: Result) -> Rival | None:
    if not _is_as_accurate(other, result):
        return None
    effects = _cost_effects(other, result)
    better = tuple(cost for cost, (effect, ratio) in effects.items() if effect == "better" and ratio <= 1 - WORTH)
    worse = tuple(cost for cost, (effect, _) in effects.items() if effect == "worse")
    if not better and (worse or gap_effect(*accuracy_gap(other, result)) != "better"):
        return None
    return Rival(other, better, worse)


def _is_as_accurate(other: Result, result: Result) -> bool:
    return other.accuracy >= result.accuracy and other.choosing.accuracy >= result.choosing.accuracy


def _cost_effects(other: Result, result: Result) -> dict[Cost, tuple[Effect, float]]:
    """What each cost of `other` is against `result`'s, with the ratio."""
    speed = speed_between(other, result)
    assert speed is not None  # both are of one model
    slower = "worse" if speed.effect == "same" and speed.ratio > 1 + WORTH else speed.effect  # perhaps, so not as good
    return {
        "size": (amount_effect(result.stored_bytes, other.stored_bytes), other.stored_bytes / result.stored_bytes),
        "time": (slower, speed.ratio),
        "memory": (
            amount_effect(result.peak_memory_bytes, other.peak_memory_bytes),
            other.peak_memory_bytes / result.peak_memory_bytes if result.peak_memory_bytes else 1.0,
        ),
    }


def _about(other: Result, result: Result, gap: Gap) -> str:
    speed = speed_between(other, result)
    assert speed is not None
    return (
        f"{units.size(other.stored_bytes)} instead of {units.size(result.stored_bytes)}, {speed.words}, "
        f"{percent(other)} right instead of {percent(result)} ({gap_words(other, result, gap)})"
    )


@says
def why_this_one(result: Result, measured: Iterable[Result]) -> str:
    """One sentence on why not one of the others: what those give up that are smaller, or else those that are faster."""
    others = list(_others(result, measured))
    if not others:
        return "No other setting of this model is measured yet, so nothing says that this is the best one."
    of = f"Of {units.counted(len(others), 'other measured setting')}"
    for cost in ("size", "time"):
        ahead = [other for other in others if _cost_effects(other, result)[cost][0] == "better"]
        if ahead:
            are = "is" if len(ahead) == 1 else "are"
            return f"{of} {len(ahead):,} {are} {_BETTER[cost]}{_given_up(ahead, result, cost)}."
    return f"{of} none is smaller, and none measurably faster."


def _given_up(ahead: Sequence[Result], result: Result, cost: Cost) -> str:
    """': 10 measurably less accurate, 2 slower': each is counted once, for the first thing that it gives up."""
    counts = Counter(_gives_up(other, result, cost) for other in ahead)
    if len(counts) > 1:
        return f": {', '.join(f'{count:,} {words}' for words, count in counts.most_common())}"
    (words,) = counts
    return f", {'all' if len(ahead) > 1 else 'and' if words == _AS_GOOD else 'but'} {words}"


def _gives_up(other: Result, result: Result, cost: Cost) -> str:
    if other.accuracy < result.accuracy:
        return f"{'measurably' if gap_effect(*accuracy_gap(other, result)) == 'worse' else 'perhaps'} less accurate"
    effects = _cost_effects(other, result)
    worse = [words for name, words in _WORSE.items() if name != cost and effects[name][0] == "worse"]
    return worse[0] if worse else _AS_GOOD


_AS_GOOD = "as good in all else"


@dataclass(frozen=True)
class NextPoint:
    """The cheapest setting that is measurably and, where one is, a whole point more accurate; `words` say its price."""

    result: Result
    words: str


@says
def next_point(result: Result, measured: Iterable[Result], gap: Gap = accuracy_gap) -> NextPoint | None:
    """What the next point of accuracy costs in bytes; None where nothing larger is measurably more accurate.

    What is more accurate without being larger is a rival: that costs nothing.
    """
    others = [
        other
        for other in measured
        if other.model == result.model
        and other.accuracy > result.accuracy
        and _is_as_accurate(other, result)
        and gap_effect(*accuracy_gap(other, result)) == "better"
    ]
    if not others or min(other.stored_bytes for other in others) <= result.stored_bytes:
        return None
    most = max(other.accuracy for other in others)
    wanted = min(most, result.accuracy + POINT)
    chosen = min((other for other in others if other.accuracy >= wanted), key=lambda other: other.stored_bytes)
    decimals = units.decimals_for(result.n_test)
    points = units.percent(chosen.accuracy - result.accuracy, decimals)
    price = units.size(chosen.stored_bytes - result.stored_bytes)
    return NextPoint(
        chosen, f"{points} more points of accuracy ({gap_words(chosen, result, gap)}) cost {price}: {chosen.words}"
    )
