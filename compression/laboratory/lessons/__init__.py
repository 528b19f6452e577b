"""What the chapters of the course show, computed with the engine's own primitives on real layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compression.laboratory.bench import Bench
from compression.laboratory.lessons import (
    coding,
    factors,
    layout,
    pruning,
    rounding,
    sharing,
    split,
    teacher,
    timing,
)
from compression.studies import Answer, Study, lessons

ANSWERS: dict[type[Study], Callable[[Any, Bench], Answer]] = {
    lessons.LayoutStudy: layout.layout,
    lessons.PruningStudy: pruning.pruning,
    lessons.RoundingStudy: rounding.rounding,
    lessons.TeacherStudy: teacher.teacher,
    lessons.SharingStudy: sharing.sharing,
    lessons.FactorStudy: factors.factors,
    lessons.SplitStudy: split.split,
    lessons.CodingStudy: coding.coding,
    lessons.TimingStudy: timing.timing,
}
