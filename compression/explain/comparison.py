"""Results side by side: every number with its difference to the first one's. Torch-free.

Sizes and counts are exact. A difference in accuracy is paired, on the same images; one in speed is direct only
against the baseline, with which each result was timed in turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from compression import units
from compression.explain.verdict import time_effect
from compression.results.metrics import METRICS, MISSING, Change, Effect, Metric, reference_ms
from compression.results.record import Result
from compression.results.significance import PairedDifference

LETTERS = "ABCD"


@dataclass(frozen=True)
class Contender:
    """One of the results; the first, A, is what the others are compared with."""

    letter: str
    colour: str
    result: Result


# Differences.


@dataclass(frozen=True)
class SpeedRatio:
    """How long one result takes, as a multiple of another's time, with its 95 % interval.

    `indirect`: the two were never timed in turns with each other, but each with the baseline.
    """

    ratio: float
    low: float
    high: float
    indirect: bool


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


def speed_words(speed: SpeedRatio) -> str:
    """'1.4× faster (1.3×–1.5×)', '1.2× slower …' or 'no measurable difference'."""
    ends = (speed.low, speed.high) if speed.low > 1 else (1 / speed.high, 1 / speed.low)
    if time_effect(speed.low, speed.high) == "same":
        return f"no measurable difference ({speed.low:.2f}–{speed.high:.2f} of the time)"
    return f"{units.speed_change(speed.ratio, speed.low, speed.high)} ({'–'.join(map(_beyond_one, ends))})"


def _beyond_one(times: float) -> str:
    """A factor; one that is just above 1 has the digits that say so."""
    return f"{times:.3f}×" if 1 < times < 1.005 else units.factor(times)


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


def known_difference(result: Result, reference: Result) -> PairedDifference | None:
    """What the row itself says of the accuracy: only against the model's own baseline."""
    if result.model != reference.model or not reference.is_baseline:
        return None
    return PairedDifference(
        result.accuracy_difference,
        result.accuracy_difference_low,
        result.accuracy_difference_high,
        result.p_value,
    )


# The table.


@dataclass(frozen=True)
class Cell:
    """One number with what belongs to it (`detail`: interval, spread) and its difference to the first column."""

    value: str
    detail: str = ""
    change: str = ""
    tone: Effect = "same"


@dataclass(frozen=True)
class Row:
    """One measure of all results."""

    title: str
    meaning: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Pair:
    """What two results of a comparison have to do with each other; None where it is not known (yet)."""

    accuracy: PairedDifference | None
    changed: int | None


def table(found: Sequence[Contender], pairs: Mapping[str, Pair]) -> tuple[Row, ...]:
    """Every metric. `pairs` holds for each letter but the first how it differs on the test images."""
    return tuple(
        Row(metric.title, metric.meaning, tuple(_cell(metric, each, found, pairs.get(each.letter)) for each in found))
        for metric in METRICS.values()
        if metric.has_row
    )


def _cell(metric: Metric, contender: Contender, found: Sequence[Contender], pair: Pair | None) -> Cell:
    """A number with its interval, and how it differs from the first one; some are only compared in pairs."""
    if metric.key in _IN_PAIRS:
        return _IN_PAIRS[metric.key](contender, found, pair)
    result = contender.result
    value = metric.read(result, None)
    if value is None:
        return Cell(MISSING)
    change = metric.change(result, found[0].result) if contender is not found[0] else Change()
    return Cell(metric.unit.words(value, metric.n_images(result)), metric.said_interval(result), *change)


def _accuracy(contender: Contender, _: Sequence[Contender], pair: Pair | None) -> Cell:
    result, metric = contender.result, METRICS["accuracy"]
    detail = f"{metric.said_interval(result)}, n = {result.n_test:,}"
    cell = Cell(metric.unit.words(result.accuracy, result.n_test), detail)
    if pair is None or pair.accuracy is None:
        return cell
    tone: Effect = "same"
    if is_measurable(pair.accuracy):
        tone = "better" if pair.accuracy.difference > 0 else "worse"
    return Cell(cell.value, cell.detail, accuracy_words(pair.accuracy, result.n_test), tone)


def _changed(contender: Contender, _: Sequence[Contender], pair: Pair | None) -> Cell:
    """Against the first result, not against the baseline."""
    if pair is None or pair.changed is None:
        return Cell(MISSING)
    n_test = contender.result.n_test
    return Cell(f"{pair.changed:,}", f"{METRICS['flips'].unit.words(pair.changed / n_test, n_test)} of {n_test:,}")


def _latency(contender: Contender, found: Sequence[Contender], _: Pair | None) -> Cell:
    """As on the charts; what the clock said beside it."""
    result, reference = contender.result, found[0].result
    detail = f"p95 {units.milliseconds(result.latency_p95_ms)}"
    if not result.is_baseline:
        clock, then = (units.milliseconds(ms) for ms in (result.latency_p50_ms, result.baseline.latency_p50_ms))
        detail += f"; by the clock {clock} while the baseline took {then}"
    before_ms = reference_ms((other.result for other in found), result.model) or result.baseline.latency_p50_ms
    cell = Cell(units.milliseconds(before_ms * (1.0 if result.is_baseline else result.latency_ratio)), detail)
    if result is reference:
        return cell
    speed = speed_between(result, reference)
    if speed is None:
        return Cell(cell.value, cell.detail, "another model: never timed in turns")
    change = speed_words(speed) + (", indirect" if speed.indirect else "")
    return Cell(cell.value, cell.detail, change, time_effect(speed.low, speed.high))


_IN_PAIRS: Mapping[str, Callable[[Contender, Sequence[Contender], Pair | None], Cell]] = {
    "accuracy": _accuracy,
    "flips": _changed,
    "latency": _latency,
}
"""Cells of metrics whose difference is that of two results that were compared image by image, or timed in turns."""


def sentence(contender: Contender, reference: Contender, pair: Pair) -> str:
    """What it means to take `contender` instead of `reference`, for everyone."""
    new, old = contender.result, reference.result
    parts = [_size_words(old.stored_bytes, new.stored_bytes)]
    speed = speed_between(new, old)
    if speed is None:
        parts.append("speed: not compared, as these are different models")
    else:
        parts.append(f"speed: {speed_words(speed)}{', indirect' if speed.indirect else ''}")
    if pair.accuracy is not None:
        parts.append(f"accuracy: {accuracy_words(pair.accuracy, new.n_test)}")
    return f"{contender.letter} instead of {reference.letter}: {'; '.join(parts)}."


def _size_words(old: float, new: float) -> str:
    change = units.size_change(old, new)
    return "a file of the same size" if change == "same size" else f"a {change} file"
