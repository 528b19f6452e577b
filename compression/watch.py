"""Progress and cancellation of long work: one object, handed down to whoever does the work."""

from __future__ import annotations

from collections.abc import Callable


class Watch:
    """Who watches long work: is told how far it is, and says whether it is still wanted."""

    def __init__(
        self,
        report: Callable[[float, str], None] = lambda fraction, words: None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._report, self._check = report, check

    def report(self, fraction: float, words: str) -> None:
        """Tell that `fraction` (0 to 1) of the work is done, and in `words` what it is at."""
        self._report(fraction, words)

    def check(self) -> None:
        """Raise `Cancelled` when the work is no longer wanted; to be called at least once a second."""
        self._check()

    def part(self, start: float, stop: float, prefix: str = "") -> Watch:
        """For a part of the work, from the fraction `start` of the whole to `stop`; `prefix` goes before its words."""
        return Watch(lambda fraction, words: self.report(start + (stop - start) * fraction, prefix + words), self.check)


SILENT = Watch()
"""Nobody looks, and all work is wanted."""
