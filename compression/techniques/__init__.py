"""Techniques: functions that carry out one kind of step.

The one protocol is `(model, step, context) -> model`. The given model is not changed. A technique knows
nothing of jobs, files or pages; `Context` brings what it needs. To add one: a step in `recipe.py`, a file
here, a line in `TECHNIQUES`, an entry in the contract test.
"""

from __future__ import annotations

from compression.techniques.context import Context, Technique

__all__ = ["Context", "Technique"]
