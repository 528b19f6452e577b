"""What a person allows a setting to cost, and the best setting that keeps to it. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from compression import units
from compression.results.record import Result


@dataclass(frozen=True)
class Limits:
    """The most a setting may cost: stored kilobytes, milliseconds, accuracy points lost; None is no limit.

    Latency is compared as on the charts: the ratio to the interleaved baseline times the baseline's median.
    """

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
            None if self.drop_points is None else f"at most {self.drop_points:g} points lost",
        ]
        return " · ".join(filter(None, said))


NO_LIMITS = Limits()


def exceeded(result: Result, limits: Limits, reference_ms: float) -> tuple[str, ...]:
    """The limits that a result does not keep to, in words; `reference_ms` is the baseline's median latency."""
    size, time = result.stored_bytes / 1000, reference_ms * result.latency_ratio
    lost = round(-100 * result.accuracy_difference, 6)  # a difference of fractions: 0.5 points are 0.5000000000000004
    found = []
    if limits.stored_kb is not None and size > limits.stored_kb:
        found.append(f"{units.size(result.stored_bytes)} is over {units.size(1000 * limits.stored_kb)}")
    if limits.latency_ms is not None and time > limits.latency_ms:
        found.append(f"{units.milliseconds(time)} is over {units.milliseconds(limits.latency_ms)}")
    if limits.drop_points is not None and lost > limits.drop_points:
        found.append(f"{lost:.3g} points lost are over {limits.drop_points:g}")
    return tuple(found)


@dataclass(frozen=True)
class Choice:
    """How many of the measured settings keep to the limits, and which of them is best, by what (`best_by`)."""

    allowed: int
    total: int
    best: Result | None
    best_by: str


def choose(results: Iterable[Result], limits: Limits, reference_ms: float) -> Choice:
    """The best setting within the limits.

    With a limit on the accuracy lost that is the smallest stored file; without one, the most accurate setting. Among
    equals the other of the two decides, then the latency.
    """
    every = list(results)
    allowed = [result for result in every if not exceeded(result, limits, reference_ms)]
    smallest_first = limits.drop_points is not None

    def rank(result: Result) -> tuple[float, float, float]:
        size, error = float(result.stored_bytes), -result.accuracy
        return (size, error, result.latency_ratio) if smallest_first else (error, size, result.latency_ratio)

    best_by = "the smallest file" if smallest_first else "the most accurate"
    return Choice(len(allowed), len(every), min(allowed, key=rank, default=None), best_by)
