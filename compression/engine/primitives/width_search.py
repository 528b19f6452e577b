"""Widths for a wanted time, where time does not simply follow the number of channels.

Runtimes work on blocks of channels: ResNet-8 with 14 of its 16 channels takes 1.8 times as long in ONNX Runtime, and
with 8 of them 0.6 times. Halving an interval goes astray on such a curve, so this looks at all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from compression.engine.primitives.widths import Widths

Plan = Callable[[float, int], Widths]
"""From the fraction that goes and the number that widths are multiples of, to widths."""

Savings = Callable[[Sequence[Widths]], list[float]]
"""The fraction of the original's time that each network saves, all measured side by side."""

COARSE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Fractions that are measured first: apart by about what a block of channels is in the sample models."""

FINE = (-0.08, -0.06, -0.04, -0.02, 0.0, 0.02, 0.04, 0.06, 0.08)
"""What is measured around the best of them then; finer steps differ by less than the measurement."""

BLOCK = 8
"""Channels that kernels work on together: widths in multiples of it are tried whatever multiple was asked for."""

TOLERANCE = 0.02
"""Savings that differ by less count as equal: as much as two measurements of one network differ."""


def widths_for_time(
    plan: Plan,
    round_to: int,
    wanted: float,
    *,
    sizes: Widths,
    operations: Callable[[Widths], float],
    savings: Savings,
) -> Widths:
    """Of the networks tried, the one with the most operations that saves `wanted` of the time (0 to 1), or more.

    Where none does, the one that saves most; of networks that save alike again the one with the most operations.
    The original, whose widths are `sizes`, is only the answer where `plan` has no other.
    """
    multiples = (round_to, math.lcm(round_to, BLOCK))
    tried = {tuple(plan(fraction, multiple)): fraction for multiple in multiples for fraction in reversed(COARSE)}
    tried.pop(tuple(sizes), None)
    if not tried:
        return sizes
    best = _best(list(tried), operations, savings, wanted)
    fractions = [min(max(tried[best] + more, 0), COARSE[-1]) for more in FINE]
    around = {tuple(plan(fraction, multiple)) for multiple in multiples for fraction in fractions} | {best}
    return list(_best(sorted(around - {tuple(sizes)}), operations, savings, wanted))


def _best(
    candidates: Sequence[tuple[int, ...]], operations: Callable[[Widths], float], savings: Savings, wanted: float
) -> tuple[int, ...]:
    saved = savings([list(widths) for widths in candidates])
    enough = min(wanted, max(saved)) - TOLERANCE
    allowed = [widths for widths, saving in zip(candidates, saved, strict=True) if saving >= enough]
    return max(allowed, key=lambda widths: operations(list(widths)))
