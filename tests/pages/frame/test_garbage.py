import gc
import sys
import types
import weakref

import pytest

from pages.components.frame import garbage, menu


@pytest.fixture(autouse=True)
def nothing_set_aside(monkeypatch):
    monkeypatch.setattr(garbage._set_aside, "modules", 0)
    gc.unfreeze()


def is_looked_through(thing):
    return any(each is thing for each in gc.get_objects())


def test_modules_of_a_page_are_passed_over(home):
    assert is_looked_through(menu.frame)
    home()
    gc.collect()
    assert not is_looked_through(menu.frame)


def test_rings_of_garbage_are_found_as_before(monkeypatch):
    class Ring:
        def __init__(self):
            self.itself = self

    garbage.leave_modules_out()
    garbage.leave_modules_out()
    assert gc.callbacks.count(garbage._set_aside) == 1
    gc.collect()
    set_aside, ring = gc.get_freeze_count(), Ring()
    seen = weakref.ref(ring)
    gc.collect()
    assert is_looked_through(ring)
    assert gc.get_freeze_count() <= set_aside
    del ring
    gc.collect()
    assert seen() is None
    monkeypatch.setitem(sys.modules, "a_new_module", types.ModuleType("a_new_module"))
    alive = Ring()
    gc.collect(1)
    assert is_looked_through(alive)
    gc.collect()
    assert not is_looked_through(alive)
