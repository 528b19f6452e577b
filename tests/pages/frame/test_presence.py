"""Who is there, and what becomes of the work of those who left."""

import gc
import weakref

from pages.components.frame import garbage
from pages.components.frame.presence import GONE_AFTER_S, Presence


class Sessions:
    """Some that are there, and what was given up."""

    def __init__(self, *there):
        self.there, self.left = set(there), []
        self.presence = Presence(self.there.__contains__, lambda name, groups: self.left.append((name, sorted(groups))))
        for name in there:
            self.presence.note(name, f"sweep-{name}")


def test_who_is_there_keeps_everything():
    sessions = Sessions("one", "two")
    for now in (0.0, 10.0, 10 * GONE_AFTER_S):
        sessions.presence.look(now)
    assert sessions.left == []


def test_who_stays_away_leaves_once_and_alone():
    sessions = Sessions("one", "two")
    sessions.presence.note("one", "ahead-one")
    sessions.there.remove("one")
    for now in (0.0, GONE_AFTER_S - 1):
        sessions.presence.look(now)
        assert sessions.left == []
    for now in (GONE_AFTER_S, 3 * GONE_AFTER_S):
        sessions.presence.look(now)
        assert sessions.left == [("one", ["ahead-one", "sweep-one"])]


def test_who_comes_back_in_time_has_not_been_away():
    sessions = Sessions("one")
    for now, is_there in ((0.0, False), (GONE_AFTER_S - 1, True), (GONE_AFTER_S, False), (2 * GONE_AFTER_S - 1, False)):
        sessions.there = {"one"} if is_there else set()
        sessions.presence._is_there = sessions.there.__contains__
        sessions.presence.look(now)
    assert sessions.left == []


def test_what_was_set_aside_and_is_garbage_is_freed():
    class Ring:
        def __init__(self):
            self.itself = self

    ring = Ring()
    seen = weakref.ref(ring)
    gc.freeze()
    del ring
    gc.collect()
    assert seen() is not None
    garbage.sweep()
    assert seen() is None
    gc.unfreeze()
