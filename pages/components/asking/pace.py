"""How pages share the server: those who move something are answered first, and news waits.

A page looks for news by itself, and draws itself anew where there is some. For one person that costs next to nothing.
For a class, whose curves all grow with each point that is measured, it would be all that the server does: so pages look
less often the more there are, and draw news one after another, with pauses in which only moves are answered.
"""

from __future__ import annotations

import threading

LOOK_SECONDS = 0.6
"""How often one page asks whether anything changed: one small query each time. Twice as often is no sooner: what is
drawn on the way takes time from the workers."""

FEW = 5
"""So many pages look that often."""

OWN_REST, OTHERS_REST = 1.0, 4.0
"""After some page drew news no other does for so many times as long as that took: with news of the very setting that
somebody waits for, and with that of curves."""

PATIENCE_S = 10.0
"""A page that has not drawn its news by then has gone away."""


def look_seconds(pages: int) -> float:
    """How long a page waits before it looks for news again, where there are so many."""
    return LOOK_SECONDS * max(1.0, pages / FEW)


class Turns:
    """Whose turn it is to draw news; `now` in seconds of any clock that goes on evenly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder, self._since, self._until = "", -PATIENCE_S, -PATIENCE_S

    def take(self, page: str, now: float, *, is_own: bool) -> bool:
        """Whether a page may draw its news now. It says when it has: see `over`."""
        with self._lock:
            if self._holder and now - self._since < PATIENCE_S:
                return page == self._holder
            took = self._until - self._since
            if now < self._until + took * (OWN_REST if is_own else OTHERS_REST):
                return False
            self._holder, self._since = page, now
            return True

    def over(self, page: str, now: float) -> None:
        """A page has drawn itself."""
        with self._lock:
            if page == self._holder:
                self._holder, self._until = "", now


turns = Turns()
"""Of this server."""
