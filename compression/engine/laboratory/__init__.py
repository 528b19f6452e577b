"""The laboratory: answers inquiries of measured recipes. Runs in worker processes."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from compression.engine.laboratory.bench import Bench
from compression.inquiries import Answer, Inquiry, answered_by

__all__ = ["Bench", "answer", "function_of"]


def answer(inquiry: Inquiry, bench: Bench) -> Answer:
    """What `inquiry` finds. Raises `CompressionError` children, and `Cancelled` when the bench's check does."""
    return function_of(type(inquiry))(inquiry, bench)


@functools.cache
def function_of(kind: type[Inquiry]) -> Callable[[Any, Bench], Answer]:
    """What answers inquiries of a kind."""
    module, _, name = answered_by()[kind].rpartition(".")
    function: Callable[[Any, Bench], Answer] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return function
