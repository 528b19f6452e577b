"""How far up a share stands on a trade-off chart: spaced by the logarithm of what goes wrong, or evenly. Torch-free.

Between 99.0 and 99.3 % nearly a third of the mistakes are gone, between 50.0 and 50.3 % hardly any. Spaced by the
logarithm of the error both pairs stand as far apart as that says, and 50 % is still on the picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from compression.results.metrics import METRICS, Metric, Value

Range = tuple[float, float]

LEAST = 0.05
"""Percent that go wrong where none does: half a mistake in 1,000 images. A logarithm has no place for nothing."""

LANDMARKS = (100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0)
"""Percent that go wrong at the ticks: accuracies of 0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9 and 100 %."""

TOPS = (50, 30, 20, 10, 7, 5, 3, 2, 1, 0.7, 0.5, 0.3, 0.2, 0.1, LEAST)
"""Percent that go wrong at the upper end of a logarithmic axis: it grows upwards in these steps."""

DEPTHS = {5: 1, 10: 2, 20: 5, 40: 10, 60: 10, 100: 20}
"""Percent that go wrong at the lower end of an even axis, which grows downwards in these steps, and between ticks."""


@dataclass(frozen=True)
class Rise:
    """The axis up, on which better is higher. It shows the metric `key`, a share in percent.

    Places are what plotly.js gets, on a plain axis: −log10 of the share that goes wrong (0 for all, 1 for 10 %, 2 for
    1 %), or where it `is_even` minus its percent.
    """

    key: str
    is_even: bool = False

    @property
    def metric(self) -> Metric:
        """What is shown."""
        return METRICS[self.key]

    @property
    def name(self) -> str:
        """Under which `Ranges` keep how far it reaches."""
        return f"{self.key}_even" if self.is_even else self.key

    @property
    def spacing(self) -> str:
        """In words, where it is not even."""
        return "" if self.is_even else "log of the error" if self.metric.more_is_better else "log scale"

    def place(self, percent: float) -> float:
        """Where a value of the metric stands; what is beyond `LEAST` stands there."""
        wrong = 100 - percent if self.metric.more_is_better else percent
        return self._place(wrong)

    def _place(self, wrong: float) -> float:
        return -wrong if self.is_even else -math.log10(max(wrong, LEAST) / 100)

    def placed(self, value: Value) -> Value:
        """A value with its interval's lower and upper end, which where less is better change sides."""
        if value.low is None or value.high is None:
            return Value(self.place(value.at))
        low, high = sorted((self.place(value.low), self.place(value.high)))
        return Value(self.place(value.at), low, high)

    def ticks(self, span: Range) -> tuple[list[float], list[str]]:
        """Their places and what they say, also beyond the span, which a person may drag."""
        marks = list(LANDMARKS)
        if self.is_even:
            step = next(DEPTHS[depth] for depth in DEPTHS if depth >= min(100, -span[0]))
            marks = list(range(0, 101, step))
        texts = (100 - wrong if self.metric.more_is_better else wrong for wrong in marks)
        return [self._place(wrong) for wrong in marks], [f"{text:g}" for text in texts]

    def span(self, values: Iterable[Value]) -> Range:
        """The axis that holds these values.

        Its ends are steps, so that it stays as it is when most points arrive. One that is spaced by the logarithm
        always begins at the worst, and cuts off no interval but of those that reach the best.
        """
        placed = [self.placed(value) for value in values]
        if self.is_even:
            lowest = min((value.ends[0] for value in placed), default=0.0)
            return -float(next(depth for depth in DEPTHS if depth >= min(100, -lowest))), 0.0
        most = self._place(LEAST)
        highest = max((value.at if value.ends[1] >= most else value.ends[1] for value in placed), default=0.0)
        return self._place(100) - ROOM, next(top for top in map(self._place, TOPS) if top >= highest) + ROOM


ROOM = 0.02
"""Beyond the ends of a logarithmic axis, for marks that stand there."""
