"""Who is there: what a browser session had done in the background is given up once its tab is closed.

A tab that loses its connection is back within seconds and finds its session as it was. One that stays away is closed:
its session ends, and the curves and guesses that it asked for are not measured any more. What somebody asked for by
hand goes on, and so does what other sessions asked for, also where that is the same.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from compression.errors import CompressionError
from compression.work import dispatcher
from pages.components.frame import garbage

GONE_AFTER_S = 90.0
"""Streamlit keeps what a tab shows for two minutes, in case it comes back."""

LOOK_S = 10.0
"""How often the server looks who is there."""


class Presence:
    """Sessions and their groups of jobs; `is_there` and `leave` are told a session's name, `leave` its groups too."""

    def __init__(self, is_there: Callable[[str], bool], leave: Callable[[str, Collection[str]], None]) -> None:
        self._is_there, self._leave = is_there, leave
        self._groups: dict[str, set[str]] = {}
        self._away_since: dict[str, float] = {}

    def note(self, session: str, group: str) -> None:
        """A session has jobs in this group."""
        self._groups.setdefault(session, set()).add(group)

    def __len__(self) -> int:
        return len(self._groups)

    def look(self, now: float) -> None:
        """Have sessions leave that were away for `GONE_AFTER_S`; `now` in seconds."""
        for session in list(self._groups):
            if self._is_there(session):
                self._away_since.pop(session, None)
            elif now - self._away_since.setdefault(session, now) >= GONE_AFTER_S:
                del self._away_since[session]
                self._leave(session, self._groups.pop(session))


def count() -> int:
    """How many sessions have had work done and are not gone."""
    return len(_made[0]) if _made else 0


def note(group: str) -> None:
    """The session that is being drawn has jobs in this group."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is not None and runtime.exists():
        _the_one().note(context.session_id, group)


_lock = threading.Lock()
_made: list[Presence] = []


def _the_one() -> Presence:
    """Of this server, with a thread that looks."""
    with _lock:
        if not _made:
            _made.append(Presence(runtime.get_instance().is_active_session, _leave))
            threading.Thread(target=_watch, args=(_made[0],), daemon=True, name="compression-presence").start()
        return _made[0]


def _watch(presence: Presence) -> None:
    while runtime.exists():
        time.sleep(LOOK_S)
        with contextlib.suppress(CompressionError):  # pages meet the same, and say it
            presence.look(time.monotonic())


def _leave(session: str, groups: Collection[str]) -> None:
    here = runtime.get_instance()
    here._get_async_objs().eventloop.call_soon_threadsafe(here.close_session, session)  # as it has to be called
    dispatcher.get_dispatcher().give_up(groups)
    garbage.sweep()
