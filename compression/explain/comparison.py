"""Results side by side: every number with its difference to the first one's. Torch-free.

Sizes and counts are exact. A difference in accuracy is paired, on the same images; one in speed is direct only
against the baseline, with which each result was timed in turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from compression import units
from compression.explain.differences import accuracy_words, is_measurable, speed_between
from compression.results.metrics import METRICS, MISSING, Change, Effect, Metric
from compression.results.record import Result
from compression.results.score import says
from compression.results.significance import PairedDifference

LETTERS = "ABCD"


@dataclass(frozen=True)
class Contender:
    """One of the results; the first, A, is what the others are compared with."""

    letter: str
    colour: str
    result: Result


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
    value = metric.read(result)
    if value is None:
        return Cell(MISSING)
    words, effect = metric.change(result, found[0].result) if contender is not found[0] else Change()
    if against := metric.contradicted(result, found[0].result):
        words = f"{words}; {against}"
    return Cell(metric.unit.words(value, metric.n_images(result)), metric.said_interval(result), words, effect)


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
    if result.timings and not result.is_baseline:
        last = result.timings[-1]
        clock, then = (units.milliseconds(ms) for ms in (last.p50_ms, last.baseline_p50_ms))
        detail += f"; by the clock {clock} while the baseline took {then}"
    cell = Cell(units.milliseconds(result.latency_p50_ms), detail)
    if result is reference:
        return cell
    speed = speed_between(result, reference)
    if speed is None:
        return Cell(cell.value, cell.detail, "another model: never timed in turns")
    return Cell(cell.value, cell.detail, speed.words + (", indirect" if speed.indirect else ""), speed.effect)


_IN_PAIRS: Mapping[str, Callable[[Contender, Sequence[Contender], Pair | None], Cell]] = {
    "accuracy": _accuracy,
    "flips": _changed,
    "latency": _latency,
}
"""Cells of metrics whose difference is that of two results that were compared image by image, or timed in turns."""


@says
def sentence(contender: Contender, reference: Contender, pair: Pair) -> str:
    """What it means to take `contender` instead of `reference`, for everyone."""
    new, old = contender.result, reference.result
    parts = [_size_words(old.stored_bytes, new.stored_bytes)]
    speed = speed_between(new, old)
    if speed is None:
        parts.append("speed: not compared, as these are different models")
    else:
        parts.append(f"{speed.words}{', indirect' if speed.indirect else ''}")
    if pair.accuracy is not None:
        parts.append(f"accuracy: {accuracy_words(pair.accuracy, new.n_test)}")
    return f"{contender.letter} instead of {reference.letter}: {'; '.join(parts)}."


def _size_words(old: float, new: float) -> str:
    change = units.size_change(old, new)
    return "a file of the same size" if change == units.SAME else f"a {change} file"
