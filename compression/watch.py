"""Progress and cancellation of long work: one object, handed down to whoever does the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
Point = tuple[int, float]
"""Steps of training done, and the accuracy on validation images then (0 to 1)."""


class Watch:
    """Who watches long work: is told how far it is, and says whether it is still wanted."""

    def __init__(
        self,
        report: Callable[[float, str], None] = lambda fraction, words: None,
        check: Callable[[], None] = lambda: None,
        learned: Callable[[Sequence[Point], int, bool], None] = lambda points, steps, may_end: None,
        is_enough: Callable[[], bool] = lambda: False,
    ) -> None:
        self._report, self._check, self._learned, self._is_enough = report, check, learned, is_enough

    def report(self, fraction: float, words: str) -> None:
        """Tell that `fraction` (0 to 1) of the work is done, and in `words` what it is at."""
        self._report(fraction, words)

    def check(self) -> None:
        """Raise `Cancelled` when the work is no longer wanted; to be called at least once a second."""
        self._check()

    def learned(self, points: Sequence[Point], steps: int, *, may_end: bool) -> None:
        """Tell how accurate a network is that trains for `steps` steps: all points so far of this training.

        `may_end`: whether it would end here when asked to (`is_enough`).
        """
        self._learned(points, steps, may_end)

    def is_enough(self) -> bool:
        """Whether a training shall end here, with the best network so far."""
        return self._is_enough()

    def each(self, things: Iterable[T]) -> Iterator[T]:
        """The things one by one, with a `check` before each."""
        for thing in things:
            self.check()
            yield thing

    def part(self, start: float, stop: float, prefix: str = "") -> Watch:
        """For a part of the work, from the fraction `start` of the whole to `stop`; `prefix` goes before its words."""
        return Watch(
            lambda fraction, words: self.report(start + (stop - start) * fraction, prefix + words),
            self.check,
            lambda points, steps, may_end: self.learned(points, steps, may_end=may_end),
            self.is_enough,
        )


SILENT = Watch()
"""Nobody looks, and all work is wanted."""
