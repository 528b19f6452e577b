"""What is told of a result: one row a metric, read wherever numbers are drawn, listed, compared or sorted. Torch-free.

A new metric is its field in `compression.results.record`, who measures it in `compression.engine`, and its row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from compression import units
from compression.results.energy import LABEL, PLACES, WORLD_GRID, Memory, carbon_grams_per_million, energy
from compression.results.record import Measures, Preview, Result
from compression.results.score import said
from compression.results.significance import wilson_interval

Side = Literal["cost", "gain"]
Effect = Literal["better", "same", "worse"]
"""What became of one number, as far as it can be measured."""

MISSING = "–"
"""Stands where a number is not measured."""


class Value(NamedTuple):
    """What a result has of a metric, with the 95 % interval where there is one."""

    at: float
    low: float | None = None
    high: float | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """The interval; without one, the number itself."""
        return self.at if self.low is None else self.low, self.at if self.high is None else self.high


class Change(NamedTuple):
    """How a value differs from another one, in words ('' where nothing can be said), and whether that is better."""

    words: str = ""
    effect: Effect = "same"


@dataclass(frozen=True)
class Unit:
    """How values are written.

    In words: `number` (of a value, and the decimals of a percentage) and `suffix`; `between` joins an interval's ends.
    On axes and in columns: how much `one` of `name` is, and the column's `pattern` and significant `digits` (0: all).
    Of changes `less` and `more`.
    """

    number: Callable[[float, int], str]
    name: str = ""
    one: float = 1.0
    pattern: str = "localized"
    suffix: str = ""
    between: str = "–"
    less: str = "less"
    more: str = "more"
    digits: int = 0

    def words(self, value: float, n_images: int) -> str:
        """'97.2 %', '71.2 KB'; `n_images` is on how many images a share rests."""
        return self.number(value, units.decimals_for(n_images)) + self.suffix


SHARE = Unit(units.percent, "%", 0.01, "%.{decimals}f", " %")
POINTS = Unit(units.points, "points", 0.01, "%.{decimals}f", " points", " to ")
BYTES = Unit(lambda value, _: units.size(value), "KB", 1000.0, digits=3)
FILE = replace(BYTES, less="smaller", more="larger")
TIME = Unit(lambda value, _: units.three_digits(value), "ms", 1.0, "%.3f", " ms", less="faster", more="slower")
RATIO = Unit(lambda value, _: f"{value:.2f}", pattern="%.2f")
TIMES = Unit(lambda value, _: units.factor(value), pattern="%.1f")
COUNT = Unit(lambda value, _: units.count(value), less="fewer")
MILLIONS = Unit(COUNT.number, "millions", 1e6)
ENERGY = Unit(lambda value, _: units.energy(value), "µJ", 1e-6, "%.2f")
MASS = Unit(lambda value, _: units.grams(value), "g")

Read = Callable[[Any], Any]
"""From what is known of a network."""


@dataclass(frozen=True)
class Metric:
    """One number of a result: `words` name it in a sentence, and `meaning` says what it tells; see `score.said`.

    `number` and `interval` (its 95 % one) read it from what is known of a network, if that is at least what it
    `needs`: bytes, milliseconds, joules, a share of 0..1 or a count. Where it compares with the baseline, that one's
    bare numbers have `of_itself`. `side` is the axis on which charts offer it (costs of several settings multiply,
    gains add), in the unit `drawn_in` if not in its own. A change below the share `same` is none; `best` names the
    order that has the best first. Where a table has a row for each metric, one without `has_row` is told by another's.
    Of a share, `n_images` says on how many images it rests.
    `measured_by` is the key of the measurement that a counted or modelled number stands for.
    """

    key: str
    named: str
    explained: str
    unit: Unit
    number: Read
    interval: Read = lambda known: None
    side: Side | None = None
    needs: type[Preview] = Preview
    of_itself: float | None = None
    nature: Literal["measured", "computed", "modelled"] = "measured"
    is_log: bool = False
    more_is_better: bool = False
    same: float = units.SAME_SIZE
    best: str = ""
    has_row: bool = True
    drawn_in: Unit | None = None
    n_images: Callable[[Preview], int] = lambda known: known.n_test
    measured_by: str = ""

    @property
    def words(self) -> str:
        """Its name in a sentence."""
        return said(self.named)

    @property
    def meaning(self) -> str:
        """What it tells."""
        return said(self.explained)

    @property
    def title(self) -> str:
        """Its name in a list; what is not measured says so."""
        name = units.capital(self.words)
        return name if self.nature == "measured" else f"{name}, {self.nature}"

    @property
    def drawn(self) -> Unit:
        """The unit of its axis."""
        return self.drawn_in or self.unit

    def read(self, known: Preview) -> float | None:
        """The number; None where it is not measured. Quicker than `of`, which has the interval too."""
        if isinstance(known, self.needs):
            at: float | None = self.number(known)
            return at
        return self.of_itself if isinstance(known, Measures) else None

    def of(self, known: Preview, one: float = 1.0) -> Value | None:
        """The number with its interval, in units of `one`; None where it is not measured."""
        at = self.read(known)
        if at is None:
            return None
        ends = self.interval(known) if isinstance(known, self.needs) else None
        return Value(at / one, ends[0] / one, ends[1] / one) if ends else Value(at / one)

    def said(self, known: Preview) -> str:
        """'97.2 % (96.1–98.0)', with the interval where there is one; `MISSING` where it is not measured."""
        at = self.read(known)
        if at is None:
            return MISSING
        words, interval = self.unit.words(at, self.n_images(known)), self.said_interval(known)
        return f"{words} ({interval})" if interval else words

    def said_interval(self, known: Preview) -> str:
        """'96.1–98.0'; nothing where there is no interval."""
        ends = self.interval(known) if isinstance(known, self.needs) else None
        decimals = units.decimals_for(self.n_images(known))
        return self.unit.between.join(self.unit.number(end, decimals) for end in ends or ())

    def signed(self, amount: float, n_images: int) -> str:
        """A difference of two values: '+1.20 KB', '−0.4 points'."""
        if self.unit in (SHARE, POINTS):
            return POINTS.words(amount, n_images)
        return f"{'−' if amount < 0 else '+'}{self.unit.words(abs(amount), n_images)}"

    def change(self, new: Preview, old: Preview) -> Change:
        """By what factor (shares: by how many points) `new` differs from `old`, where it is not chance or noise."""
        now, before = self.of(new), self.of(old)
        if now is None or before is None or self.unit in (RATIO, TIMES, POINTS):  # these tell a change already
            return Change()
        lower, higher = sorted((now, before), key=lambda value: value.at)
        is_same = lower.ends[1] >= higher.ends[0]
        if self.unit is SHARE:
            words = POINTS.words(now.at - before.at, self.n_images(new))
        elif lower.at <= 0:
            return Change()
        else:
            is_same = is_same or abs(now.at / before.at - 1) < self.same
            words = f"{units.factor(higher.at / lower.at)} {self.unit.less if now.at < before.at else self.unit.more}"
        if is_same:
            is_known = now.at == before.at or now.ends == (now.at, now.at)
            return Change("the same" if is_known else "no measurable difference")
        return Change(words, "better" if (now.at > before.at) == self.more_is_better else "worse")

    def contradicted(self, new: Preview, old: Preview) -> str:
        """What was measured, where this was only counted or modelled, and went the other way; '' where it did not."""
        measured = METRICS.get(self.measured_by)
        if measured is None:
            return ""
        truth = measured.change(new, old)  # in turns with the baseline, whatever the clock said
        if {self.change(new, old).effect, truth.effect} != {"better", "worse"}:
            return ""
        return f"measured, it went the other way: {measured.words} {truth.words}"


def _timed(known: Measures, ratio: float) -> float:
    """A ratio to the baseline as milliseconds; a baseline's is to itself."""
    if isinstance(known, Result) and not known.is_baseline:
        return ratio * known.baseline.latency_p50_ms
    return known.latency_p50_ms


def energy_of(memory: Memory) -> Metric:
    """The energy of one image where weights come from `memory`."""
    return Metric(
        "energy",
        "energy of one image",
        f"{LABEL}; weights come from {PLACES[memory]}.",
        ENERGY,
        lambda known: energy(known, memory).joules,
        side="cost",
        needs=Measures,
        nature="modelled",
        measured_by="latency",
    )


def carbon_of(memory: Memory, intensity: float = WORLD_GRID) -> Metric:
    """The carbon of a million images by the same model, with electricity of `intensity` grams of CO₂ a kWh."""
    meaning = f"That energy at {intensity:.0f} g of CO₂ a kWh, for a million images. By the model, not measured."
    return Metric(
        "carbon",
        "carbon a million images",
        meaning,
        MASS,
        lambda known: carbon_grams_per_million(energy(known, memory).joules, intensity),
        needs=Measures,
        nature="modelled",
        measured_by="latency",
    )


INTEGER_MACS = Metric(
    "integer_macs",
    "MACs in integer kernels",
    "Share of the MACs that integer kernels carry out.",
    SHARE,
    lambda known: known.integer_macs / known.macs if known.macs else None,
    needs=Measures,
)


def _file(key: str, words: str, meaning: str, number: Read, *, best: str = "", measured_by: str = "") -> Metric:
    """One of the sizes that are never mixed up."""
    return Metric(key, words, meaning, FILE, number, side="cost", is_log=True, best=best, measured_by=measured_by)


_ROWS = (
    Metric(
        "accuracy",
        "accuracy",
        "Share of the test images that are classified correctly, with its 95 % Wilson interval. Differences are "
        "paired: the same images, Newcombe's interval, exact McNemar test.",
        SHARE,
        lambda known: known.accuracy,
        lambda known: (known.accuracy_low, known.accuracy_high),
        "gain",
        more_is_better=True,
        best="most accurate",
    ),
    Metric(
        "difference",
        "accuracy against the baseline",
        "Percentage points above or below the baseline.",
        POINTS,
        lambda known: known.accuracy_difference,
        lambda known: (known.accuracy_difference_low, known.accuracy_difference_high),
        needs=Result,
        of_itself=0.0,
        more_is_better=True,
        has_row=False,
    ),
    Metric(
        "worst_class",
        "accuracy of the worst class",
        "Accuracy on the class that suffers most. A good average can hide it.",
        SHARE,
        lambda known: known.worst_class.accuracy if known.worst_class else None,
        lambda known: wilson_interval(known.worst_class.correct, known.worst_class.n) if known.worst_class else None,
        "gain",
        more_is_better=True,
        n_images=lambda known: known.worst_class.n if known.worst_class else known.n_test,
    ),
    Metric(
        "flips",
        "changed predictions",
        "Test images that get another answer than from the baseline, right or wrong. Fewer is better.",
        SHARE,
        lambda known: known.changed_predictions / known.n_test,
        lambda known: wilson_interval(known.changed_predictions, known.n_test),
        "gain",
        needs=Result,
        of_itself=0.0,
    ),
    _file(
        "stored",
        "stored file",
        "The file you would ship: it decodes to exactly what was measured.",
        lambda known: known.stored_bytes,
        best="smallest",
    ),
    Metric(
        "size_ratio",
        "times smaller",
        "The baseline's stored file over this one.",
        TIMES,
        lambda known: known.size_ratio,
        needs=Result,
        of_itself=1.0,
        more_is_better=True,
        has_row=False,
    ),
    _file(
        "runtime",
        "runtime file",
        "The decoded network as ONNX Runtime loads and runs it (.onnx).",
        lambda known: known.onnx_bytes,
    ),
    _file("zipped", "zipped runtime file", "The runtime file in an ordinary zip.", lambda known: known.zipped_bytes),
    _file(
        "theoretical",
        "theoretical size",
        "What papers quote: bits × weights that are not zero, and biases at 32 bits. No file is this small.",
        lambda known: known.theoretical_bytes,
        measured_by="stored",
    ),
    Metric(
        "latency",
        "latency of one image",
        "A call of ONNX Runtime, one thread: the ratio to the baseline times the baseline's median, so that busy and "
        "quiet moments compare.",
        TIME,
        lambda known: _timed(known, known.latency_ratio),
        lambda known: (_timed(known, known.latency_ratio_low), _timed(known, known.latency_ratio_high)),
        "cost",
        needs=Measures,
        best="fastest",
    ),
    Metric(
        "clock",
        "median latency",
        "Half of the runs took at most this long, as the clock said at that moment.",
        TIME,
        lambda known: known.timings[-1].p50_ms if known.timings else None,
        needs=Result,
        has_row=False,
    ),
    Metric(
        "p95",
        "p95 latency",
        "95 of 100 runs took at most this long.",
        TIME,
        lambda known: known.latency_p95_ms,
        needs=Measures,
        has_row=False,
    ),
    Metric(
        "ratio",
        "time against the baseline",
        "Each result was timed in turns with its own baseline: below 1 is faster. With its 95 % interval over "
        "repetitions at other times.",
        RATIO,
        lambda known: 1.0 if known.is_baseline else known.latency_ratio,
        lambda known: None if known.is_baseline else (known.latency_ratio_low, known.latency_ratio_high),
        needs=Result,
        of_itself=1.0,
    ),
    Metric(
        "memory",
        "peak memory",
        "Weights as the runtime holds them and the most activations that live at one time, for one image.",
        BYTES,
        lambda known: known.peak_memory_bytes or None,
        side="cost",
        needs=Measures,
        nature="computed",
        is_log=True,
        measured_by="process_peak",
    ),
    Metric(
        "process_peak",
        "process peak",
        "Measured: how much a process with nothing but ONNX Runtime grows for one image. Repeats within 5 %.",
        BYTES,
        lambda known: known.process_peak_bytes,
        needs=Measures,
        same=0.05,
    ),
    Metric("params", "parameters", "Numbers that were learned.", COUNT, lambda known: known.params),
    Metric(
        "nonzero",
        "parameters not zero",
        "Those that pruning left.",
        COUNT,
        lambda known: known.nonzero_params,
    ),
    Metric(
        "macs",
        "MACs of one image",
        "Multiply-accumulates (MACs): the products that are added up for one image. Fewer are not always less time.",
        COUNT,
        lambda known: known.macs,
        side="cost",
        measured_by="latency",
        drawn_in=MILLIONS,
    ),
    energy_of("cache"),
)
METRICS = {metric.key: metric for metric in _ROWS}
"""Every metric by its key, in the order in which tables show them. Links call a chart's axes by these keys."""


def offered(side: Side) -> dict[str, Metric]:
    """What charts offer on one of their axes."""
    return {metric.key: metric for metric in _ROWS if metric.side == side}
