"""How one result differs from another: what is measurably better or worse, and the words, never without the interval.

Torch-free.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compression import units
from compression.errors import CorruptFile
from compression.results.metrics import Effect
from compression.results.predictions import Classes, classes_from
from compression.results.record import Preview, Result
from compression.results.significance import PairedDifference, disagreement_interval, unpaired_interval


@dataclass(frozen=True)
class SpeedRatio:
    """How long one result takes, as a multiple of another's time, with its 95 % interval.

    `indirect`: the two were never timed in turns with each other, but each with the baseline.
    """

    ratio: float
    low: float
    high: float
    indirect: bool

    @property
    def effect(self) -> Effect:
        """Better is a shorter time."""
        return time_effect(self.low, self.high)

    @property
    def words(self) -> str:
        """'1.4× faster (1.3–1.5×)', or 'no measurable difference in speed (0.98–1.02 of the time)'."""
        return units.speed(self.ratio, self.low, self.high)


def speed_between(result: Result, reference: Result) -> SpeedRatio | None:
    """`result`'s time over `reference`'s; None for different models, which share no baseline.

    Each was measured in turns with the baseline. The ratio of two such ratios takes them as independent: on a log
    scale the sides of their intervals add up as squares.
    """
    if result.model != reference.model:
        return None
    if reference.is_baseline:
        return SpeedRatio(result.latency_ratio, result.latency_ratio_low, result.latency_ratio_high, indirect=False)
    if result.is_baseline:
        ratios = (reference.latency_ratio, reference.latency_ratio_high, reference.latency_ratio_low)
        return SpeedRatio(1 / ratios[0], 1 / ratios[1], 1 / ratios[2], indirect=False)
    ratio = result.latency_ratio / reference.latency_ratio
    down = math.hypot(
        math.log(result.latency_ratio / result.latency_ratio_low),
        math.log(reference.latency_ratio_high / reference.latency_ratio),
    )
    up = math.hypot(
        math.log(result.latency_ratio_high / result.latency_ratio),
        math.log(reference.latency_ratio / reference.latency_ratio_low),
    )
    return SpeedRatio(ratio, ratio * math.exp(-down), ratio * math.exp(up), indirect=True)


def time_effect(low: float, high: float) -> Effect:
    """Of a ratio of times with this interval: better is a shorter time."""
    return "better" if high < 1 else "worse" if low > 1 else "same"


def amount_effect(old: float, new: float) -> Effect:
    """Of an amount that is counted exactly, of which less is better: sizes, memory; 0 is not known."""
    if min(old, new) <= 0 or units.is_same_size(old, new):
        return "same"
    return "better" if new < old else "worse"


def accuracy_words(difference: PairedDifference, n_test: int) -> str:
    """'−0.8 points (−1.4 to −0.2)', or 'no measurable difference' with them where the test finds none."""
    decimals = units.decimals_for(n_test)
    interval = units.points_interval(difference.low, difference.high, decimals)
    middle = f"{units.points(difference.difference, decimals)} points"
    if is_measurable(difference):
        return f"{middle} ({interval})"
    return f"no measurable difference ({middle}, {interval})"


def is_measurable(difference: PairedDifference) -> bool:
    """Whether the exact McNemar test on the same images finds a difference (5 %)."""
    return difference.p_value < 0.05


Gap = Callable[[Preview, Preview], tuple[float, float]]
"""The 95 % interval of the accuracy of the first minus that of the second."""


def accuracy_gap(one: Preview, other: Preview) -> tuple[float, float]:
    """95 % interval of the accuracy of `one` minus that of `other`, where no image's answers are at hand."""
    correct = [round(each.accuracy * each.n_test) for each in (one, other)]
    return unpaired_interval(correct[0], one.n_test, correct[1], other.n_test)


def paired_gap(read: Callable[[str], bytes | None]) -> Gap:
    """`accuracy_gap`, but of the same images where the files of both networks' predictions can be `read` by name."""

    def gap(one: Preview, other: Preview) -> tuple[float, float]:
        mine, others = (_predictions(each, read) for each in (one, other))
        if mine is None or others is None or not len(mine) == len(others) == one.n_test:
            return accuracy_gap(one, other)
        correct, beside = (round(each.accuracy * each.n_test) for each in (one, other))
        return disagreement_interval(correct, beside, int(np.count_nonzero(mine != others)), one.n_test)

    return gap


def _predictions(known: Preview, read: Callable[[str], bytes | None]) -> Classes | None:
    name = known.artifacts.get("predictions") if isinstance(known, Result) else None
    try:
        content = read(name) if name else None
    except CorruptFile:
        return None
    return None if content is None else classes_from(content, known.n_test)


def gap_effect(low: float, high: float) -> Effect:
    """Of a difference of accuracies with this interval."""
    return "better" if low > 0 else "worse" if high < 0 else "same"


def gap_words(one: Preview, other: Preview, gap: Gap = accuracy_gap) -> str:
    """'between −0.5 and +1.1 points': a gap in a sentence."""
    return units.points_between(*gap(one, other), units.decimals_for(one.n_test))


def percent(measures: Preview) -> str:
    """The accuracy: '96.9 %'."""
    return units.share(measures.accuracy, units.decimals_for(measures.n_test))
