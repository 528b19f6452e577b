"""How long a network takes against its baseline: single measurements, and what several of them say. Torch-free.

A measurement has rounds, each with newly loaded networks. What differs between rounds (where in memory the networks
lie) shows within one; what differs between moments (load, clock rates) only between several.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from compression.results.significance import Z_95, trimmed_mean

DRIFT = 0.02
"""By how much, as a share of it, a ratio differs between moments beyond what its rounds show: the standard deviation
that makes 95 % intervals hold. `benchmarks/truth.md` has the figures: mostly less, but twice that for networks whose
weights do not fit into the caches, beside other programs."""


class Timing(BaseModel):
    """One measurement of a network in turns with its baseline, of one image on one thread.

    Milliseconds by the clock: medians and 95th percentiles of both, and `call_ms`, the median of a network that does
    nothing. `ratios` has each round's median over the baseline's, and `runs` is how often each ran in all rounds (0 in
    results of earlier versions). `load` is the share of the machine's processors
    (0 to 1) that all else kept busy meanwhile.
    """

    model_config = ConfigDict(frozen=True)

    created_at: str
    p50_ms: float
    p95_ms: float
    baseline_p50_ms: float
    baseline_p95_ms: float
    call_ms: float
    ratios: tuple[float, ...]
    runs: int = 0
    load: float


class Ratio(NamedTuple):
    """Time over the baseline's (below 1 is faster) with its 95 % interval."""

    at: float
    low: float
    high: float


SAME_GRAPH = Ratio(1.0, 1.0, 1.0)
"""Of a network that runs the same operations on the same shapes as its baseline."""


def pooled(measurements: Sequence[Sequence[float]]) -> Ratio:
    """What measurements (one or more) of the same two networks at different moments say together.

    Each has the ratios of its rounds, as `Timing.ratios`. Its centre is the trimmed mean of their logarithms, and the
    centres are averaged. The interval has the uncertainty of each centre, and the drift between them: `DRIFT`, or
    more where they show more.
    """
    centres, halves = np.transpose([trimmed_mean(np.log(ratios)) for ratios in measurements])
    count = len(measurements)
    within = float(np.mean(halves**2)) / Z_95**2
    between = float(np.var(centres, ddof=1)) - within if count > 1 else 0.0
    half = Z_95 * math.sqrt((within + max(DRIFT**2, between)) / count)
    centre = float(np.mean(centres))
    return Ratio(math.exp(centre), math.exp(centre - half), math.exp(centre + half))
