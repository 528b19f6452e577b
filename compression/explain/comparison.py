"""Results side by side: every number with its difference to the first one's. Torch-free.

Sizes and counts are exact. A difference in accuracy is paired, on the same images; one in speed is direct only
against the baseline, with which each result was timed in turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from compression import units
from compression.explain.titles import setting_in_words
from compression.explain.verdict import Effect, time_effect
from compression.results import energy
from compression.results.record import Result
from compression.results.significance import PairedDifference

LETTERS = "ABCD"


@dataclass(frozen=True)
class Contender:
    """One of the results; the first, A, is what the others are compared with."""

    letter: str
    colour: str
    result: Result

    @property
    def words(self) -> str:
        """Its recipe in words."""
        return setting_in_words(self.result)

    @property
    def model(self) -> str:
        """The model that its recipe starts from."""
        return str(self.result.recipe["model"])

    @property
    def is_baseline(self) -> bool:
        """Whether it is the uncompressed model."""
        return not self.result.recipe["steps"]


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
    if result.recipe["model"] != reference.recipe["model"]:
        return None
    if not reference.recipe["steps"]:
        return SpeedRatio(result.latency_ratio, result.latency_ratio_low, result.latency_ratio_high, indirect=False)
    if not result.recipe["steps"]:
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
    if result.recipe["model"] != reference.recipe["model"] or reference.recipe["steps"]:
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
    """All measures. `pairs` holds for each letter but the first how it differs on the test images."""
    others = [contender.result for contender in found]
    rows = [
        Row("Accuracy", ACCURACY_MEANING, tuple(_accuracy(contender, pairs) for contender in found)),
        Row(
            "Changed predictions",
            "Test images for which the predicted class is not the first column's, for better or worse.",
            tuple(_changed(contender, pairs) for contender in found),
        ),
        *(_exact(kind, others) for kind in SIZES),
        Row("Latency of one image", LATENCY_MEANING, tuple(_latency(result, others) for result in others)),
        Row("Time against the baseline", RATIO_MEANING, tuple(_ratio(result) for result in others)),
        *(_exact(kind, others) for kind in COUNTS),
    ]
    return tuple(rows)


ACCURACY_MEANING = (
    "Share of test images that are classified right, with its 95 % Wilson interval. Differences are paired: the same "
    "images, Newcombe's interval, exact McNemar test."
)
LATENCY_MEANING = (
    "ONNX Runtime, one thread, one image: the ratio below times the baseline's median, as on the charts, so that busy "
    "and quiet moments compare. In small: the 95th percentile, and what the clock said."
)
RATIO_MEANING = (
    "Each result was timed in turns with its own baseline: below 1 is faster. With its 95 % bootstrap interval."
)


def _accuracy(contender: Contender, pairs: Mapping[str, Pair]) -> Cell:
    result = contender.result
    decimals = units.decimals_for(result.n_test)
    interval = units.percent_interval(result.accuracy_low, result.accuracy_high, decimals)
    cell = Cell(f"{units.percent(result.accuracy, decimals)} %", f"{interval}, n = {result.n_test:,}")
    pair = pairs.get(contender.letter)
    if pair is None or pair.accuracy is None:
        return cell
    tone: Effect = "same"
    if is_measurable(pair.accuracy):
        tone = "better" if pair.accuracy.difference > 0 else "worse"
    return Cell(cell.value, cell.detail, accuracy_words(pair.accuracy, result.n_test), tone)


def _changed(contender: Contender, pairs: Mapping[str, Pair]) -> Cell:
    pair = pairs.get(contender.letter)
    if pair is None or pair.changed is None:
        return Cell("–")
    share = units.percent(pair.changed / contender.result.n_test, units.decimals_for(contender.result.n_test))
    return Cell(f"{pair.changed:,}", f"{share} % of {contender.result.n_test:,}")


def _latency(result: Result, every: Sequence[Result]) -> Cell:
    reference = every[0]
    detail = f"p95 {units.milliseconds(result.latency_p95_ms)}"
    if result.recipe["steps"]:
        clock, then = (units.milliseconds(ms) for ms in (result.latency_p50_ms, result.baseline.latency_p50_ms))
        detail += f"; by the clock {clock} while the baseline took {then}"
    cell = Cell(units.milliseconds(_comparable_ms(result, every)), detail)
    if result is reference:
        return cell
    speed = speed_between(result, reference)
    if speed is None:
        return Cell(cell.value, cell.detail, "another model: never timed in turns")
    change = speed_words(speed) + (", indirect" if speed.indirect else "")
    return Cell(cell.value, cell.detail, change, time_effect(speed.low, speed.high))


def _comparable_ms(result: Result, every: Sequence[Result]) -> float:
    """The ratio to the baseline times one time of it for all results of a model, as on the charts."""
    family = [other for other in every if other.recipe["model"] == result.recipe["model"]]
    measured = [other.latency_p50_ms for other in family if not other.recipe["steps"]]
    before_ms = measured[0] if measured else family[0].baseline.latency_p50_ms
    return before_ms * (result.latency_ratio if result.recipe["steps"] else 1.0)


def _ratio(result: Result) -> Cell:
    if not result.recipe["steps"]:
        return Cell("1", "the baseline itself")
    return Cell(f"{result.latency_ratio:.2f}", f"{result.latency_ratio_low:.2f}–{result.latency_ratio_high:.2f}")


@dataclass(frozen=True)
class _Exact:
    """A number of which less is better: how it is read and said, what less of it is called, and what counts as same."""

    title: str
    meaning: str
    read: Callable[[Result], float | None]
    words: Callable[[float], str]
    less: str
    more: str = "more"
    same: float = units.SAME_SIZE


SIZES = (
    _Exact(
        "Stored file", "The file you would ship; it decodes to exactly what was measured.",
        lambda result: result.stored_bytes, units.size, "smaller", "larger",
    ),
    _Exact(
        "Runtime file", "The decoded network as ONNX Runtime loads it (.onnx).",
        lambda result: result.onnx_bytes, units.size, "smaller", "larger",
    ),
    _Exact(
        "Zipped runtime file", "The runtime file in an ordinary zip.",
        lambda result: result.zipped_bytes, units.size, "smaller", "larger",
    ),
    _Exact(
        "Theoretical size", "What papers quote: bits × weights that are not zero, and biases at 32 bits.",
        lambda result: result.theoretical_bytes, units.size, "smaller", "larger",
    ),
)  # fmt: skip
PEAK_REPEATS = 0.05
"""Two measurements of the same process peak differ by up to this."""
COUNTS = (
    _Exact(
        "Peak memory, computed", "Weights as the runtime holds them and the most activations alive at one time.",
        lambda result: result.peak_memory_bytes, units.size, "less",
    ),
    _Exact(
        "Process peak, measured",
        "How much a process with nothing but ONNX Runtime grows for one image. Repeats within 5 %.",
        lambda result: result.process_peak_bytes, units.size, "less", same=PEAK_REPEATS,
    ),
    _Exact("Parameters", "Numbers that were learned.", lambda result: result.params, units.count, "fewer"),
    _Exact(
        "Parameters not zero", "Those that pruning left.", lambda result: result.nonzero_params, units.count, "fewer"
    ),
    _Exact(
        "Operations (MACs)", units.MACS,
        lambda result: result.macs, units.count, "fewer",
    ),
    _Exact(
        "Energy of one image, modelled", f"{energy.LABEL}; weights from the cache.",
        lambda result: energy.energy(result).joules, units.energy, "less",
    ),
)  # fmt: skip


def _exact(kind: _Exact, results: Sequence[Result]) -> Row:
    first, *others = (kind.read(result) for result in results)
    cells = (_amount(kind, first, None), *(_amount(kind, other, first) for other in others))
    return Row(kind.title, kind.meaning, cells)


def _amount(kind: _Exact, new: float | None, old: float | None) -> Cell:
    """A number, and by what factor it differs from `old`, where there is one."""
    if new is None:
        return Cell("–")
    if not old or not new:
        return Cell(kind.words(new))
    if abs(new / old - 1) < kind.same:
        return Cell(kind.words(new), change="the same")
    less = new < old
    change = f"{units.factor(max(old / new, new / old))} {kind.less if less else kind.more}"
    return Cell(kind.words(new), "", change, "better" if less else "worse")


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
