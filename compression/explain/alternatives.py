"""Several settings beside each other, for people who choose one: what each brings, in the same three numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compression.explain import presentation
from compression.explain.presentation import BigNumber
from compression.explain.verdict import Verdict, judge
from compression.results.record import Result

AT_MOST = 2
"""Alternatives beside the presented setting: with the original four marks on a chart."""

PRESENTED = "after"
"""What the presented setting is called on charts, beside "before"."""


@dataclass(frozen=True)
class Option:
    """One setting: what charts call it, its recipe in words, the verdict and the three numbers."""

    name: str
    setting: str
    verdict: Verdict
    numbers: tuple[BigNumber, BigNumber, BigNumber]


def names(count: int) -> list[str]:
    """What charts call the presented setting and `count` alternatives."""
    return [PRESENTED, *(f"alternative {number + 1}" for number in range(count))]


def options(result: Result, others: Sequence[Result]) -> tuple[Option, ...]:
    """The presented setting first."""
    before_ms = result.baseline.latency_p50_ms
    return tuple(
        Option(name, one.words, judge(one), presentation.big_numbers(one, before_ms))
        for name, one in zip(names(len(others)), (result, *others), strict=True)
    )
