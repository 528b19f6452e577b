"""What the trade-off charts can show, across and up: one entry an axis. Torch-free.

Latency on a chart is the ratio to the interleaved baseline times the baseline's own median, so that points measured
in busy and in quiet moments stand in the right order; what the clock said is in the hover.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from compression import units
from compression.results.energy import LABEL, energy
from compression.results.record import Measures, Preview, Result
from compression.results.significance import wilson_interval
from compression.search.estimate import Estimate, Reading

Cost = Literal["stored", "theoretical", "runtime", "zipped", "memory", "latency", "macs", "energy"]
"""What one pays: the axis across."""
Gain = Literal["accuracy", "worst_class", "flips"]
"""What one gets: the axis up."""
Axis = Cost | Gain


@dataclass(frozen=True)
class Point:
    """One measured recipe, or what is known of it so far; `reference_ms` is the baseline's median latency."""

    recipe_id: str
    known: Preview
    reference_ms: float
    hover: str


@dataclass(frozen=True)
class Value:
    """Where a point stands on an axis, with the 95 % interval where there is one."""

    at: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Scale:
    """One axis: `choice` names it in a list, `title` beside the chart, `words` in a sentence, and `about` explains it.

    `number` reads what is known of a setting, given the baseline's median latency (None where that is not measured);
    `interval` is the number's 95 % interval; `expected` reads an estimate, where that has a prior for it.
    """

    choice: str
    title: str
    words: str
    about: str
    number: Callable[[Preview, float], float | None]
    expected: Callable[[Estimate], float | None] | None = None
    interval: Callable[[Preview, float], Interval] | None = None
    is_log: bool = False
    more_is_better: bool = False

    def of(self, point: Point) -> Value | None:
        """Where a point stands; None where that is not measured."""
        at = self.number(point.known, point.reference_ms)
        if at is None:
            return None
        return Value(at, *self.interval(point.known, point.reference_ms)) if self.interval else Value(at)

    def foreseen(self, guess: Estimate) -> float | None:
        """Where a setting is expected; None where nobody knows."""
        return self.expected(guess) if self.expected else guess.others.get(self.choice)


Interval = tuple[float, float]


def _kilobytes(field: str) -> Callable[[Preview, float], float]:
    return lambda known, _: float(getattr(known, field)) / 1000


def _memory(known: Preview, _: float) -> float | None:
    return known.peak_memory_bytes / 1000 if isinstance(known, Measures) and known.peak_memory_bytes else None


def _latency(known: Preview, reference_ms: float) -> float | None:
    return reference_ms * known.latency_ratio if isinstance(known, Result) else None


def _latency_interval(known: Preview, reference_ms: float) -> Interval:
    assert isinstance(known, Result)
    return reference_ms * known.latency_ratio_low, reference_ms * known.latency_ratio_high


def _energy(known: Preview, _: float) -> float | None:
    return 1e6 * energy(known).joules if isinstance(known, Measures) else None


def _worst_class(known: Preview, _: float) -> float | None:
    return 100 * known.worst_class.accuracy if known.worst_class else None


def _worst_interval(known: Preview, _: float) -> Interval:
    assert known.worst_class is not None
    return _percent(wilson_interval(known.worst_class.correct, known.worst_class.n))


def _flips(known: Preview, _: float) -> float | None:
    if isinstance(known, Result):
        return 100 * known.changed_predictions / known.n_test
    return 0.0 if isinstance(known, Measures) else None  # a baseline's numbers: it answers like itself


def _flips_interval(known: Preview, _: float) -> Interval:
    assert isinstance(known, Result)
    return _percent(wilson_interval(known.changed_predictions, known.n_test))


def _percent(shares: Interval) -> Interval:
    return 100 * shares[0], 100 * shares[1]


COSTS: dict[Cost, Scale] = {
    "stored": Scale(
        "Stored file", "stored file, KB (log scale)", "stored file",
        "The compressed file you would ship.",
        _kilobytes("stored_bytes"),
        lambda guess: guess.stored_bytes / 1000 if guess.stored_bytes else None,
        is_log=True,
    ),
    "theoretical": Scale(
        "Theoretical size", "theoretical size, KB (log scale)", "theoretical size",
        "What papers quote: bits × weights that are not zero, and biases at 32 bits.",
        _kilobytes("theoretical_bytes"), is_log=True,
    ),
    "runtime": Scale(
        "Runtime file", "runtime file, KB (log scale)", "runtime file",
        "The .onnx file that ONNX Runtime loads.",
        _kilobytes("onnx_bytes"), is_log=True,
    ),
    "zipped": Scale(
        "Zipped runtime file", "zipped runtime file, KB (log scale)", "zipped runtime file",
        "The runtime file in an ordinary zip archive.",
        _kilobytes("zipped_bytes"), is_log=True,
    ),
    "memory": Scale(
        "Peak memory", "peak memory, KB (computed, log scale)", "peak memory",
        "Weights as the runtime holds them and the most activations that live at one time. Computed.",
        _memory, is_log=True,
    ),
    "latency": Scale(
        "Latency", "latency of one image, ms", "latency",
        "How long ONNX Runtime takes for one image on one thread. Measured.",
        _latency,
        lambda guess: guess.latency_ms,
        _latency_interval,
    ),
    "macs": Scale(
        "MACs", "multiply-accumulates of one image, millions", "MACs",
        units.MACS.removeprefix("MACs: ").capitalize(),
        lambda known, _: known.macs / 1e6,
    ),
    "energy": Scale(
        "Energy (model)", "energy of one image, µJ (model)", "energy",
        f"{LABEL}; weights come from the cache.",
        _energy,
    ),
}  # fmt: skip

GAINS: dict[Gain, Scale] = {
    "accuracy": Scale(
        "Accuracy", "accuracy{images}, %", "accuracy",
        "Share of the test images that are classified correctly.",
        lambda known, _: 100 * known.accuracy,
        lambda guess: 100 * guess.accuracy if guess.accuracy is not None else None,
        lambda known, _: (100 * known.accuracy_low, 100 * known.accuracy_high),
        more_is_better=True,
    ),
    "worst_class": Scale(
        "Worst class", "accuracy of the worst class, %", "worst class's accuracy",
        "Accuracy on the class that suffers most. A good average can hide it.",
        _worst_class, interval=_worst_interval, more_is_better=True,
    ),
    "flips": Scale(
        "Changed predictions", "changed predictions{images}, %", "changed predictions",
        "Share of the test images that get another answer than from the baseline, right or wrong. Fewer is better.",
        _flips, interval=_flips_interval,
    ),
}  # fmt: skip


def scale_of(axis: Axis) -> Scale:
    """What an axis of either kind shows."""
    return GAINS[axis] if axis in GAINS else COSTS[axis]  # type: ignore[index]  # mypy narrows no literals by `in`


@dataclass(frozen=True)
class Axes:
    """What the two charts show: each its cost across, both the same gain up."""

    left: Cost = "stored"
    right: Cost = "latency"
    gain: Gain = "accuracy"

    @property
    def all(self) -> tuple[Axis, ...]:
        """Each once."""
        return tuple(dict.fromkeys((self.left, self.right, self.gain)))

    @property
    def readings(self) -> tuple[Reading, ...]:
        """What an estimate must be asked for by name."""
        scales = {axis: scale_of(axis) for axis in self.all}
        return tuple(
            Reading(scale.choice, scale.number, axis in COSTS)
            for axis, scale in scales.items()
            if scale.expected is None
        )


DEFAULT_AXES = Axes()


def parse_axes(text: str) -> Axes | None:
    """Read `left,right,gain` by name; None where that is not what the text says."""
    names = [name.strip() for name in text.split(",")]
    if len(names) != 3 or not {*names[:2]} <= {*get_args(Cost)} or names[2] not in get_args(Gain):
        return None
    return Axes(*names)  # type: ignore[arg-type]  # just checked
