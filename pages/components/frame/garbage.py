"""Modules are no garbage: Python need not look for any among them."""

from __future__ import annotations

import gc
import sys
from typing import Any

FULL = 2
"""The generation that a full collection looks through."""


def leave_modules_out() -> None:
    """Have full collections pass over whatever was alive when new modules had come; call it as often as you like.

    Otherwise each goes through all functions and classes of all modules: 0.2 s on a slow processor in which no other
    thread runs. What becomes garbage among the things that were
    set aside is freed only if nothing at all refers to it, so things are set aside for new modules' sake alone;
    `sweep` frees the rest.
    """
    if _set_aside not in gc.callbacks:
        gc.callbacks.append(_set_aside)


def sweep() -> None:
    """Free what a session that ended has left, also where it was set aside; rare, and takes some tenths of a second."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class _SetAside:
    """Called by Python around each collection; knows how many modules there were at the last one that counted."""

    modules = 0

    def __call__(self, phase: str, about: dict[str, Any]) -> None:
        if phase == "stop" and about["generation"] == FULL and len(sys.modules) != self.modules:
            self.modules = len(sys.modules)
            gc.freeze()


_set_aside = _SetAside()
