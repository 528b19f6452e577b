"""What the chapters of the course show, computed with the engine's own primitives on real layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compression.engine.laboratory.bench import Bench
from compression.engine.laboratory.course import coding, factors, layout, pruning, rounding, sharing, teacher, timing
from compression.inquiries import Answer, Inquiry, course

ANSWERS: dict[type[Inquiry], Callable[[Any, Bench], Answer]] = {
    course.LayoutInquiry: layout.layout,
    course.PruningInquiry: pruning.pruning,
    course.RoundingInquiry: rounding.rounding,
    course.TeacherInquiry: teacher.teacher,
    course.SharingInquiry: sharing.sharing,
    course.FactorInquiry: factors.factors,
    course.SplitInquiry: timing.split,
    course.CodingInquiry: coding.coding,
    course.TimingInquiry: timing.timing,
}
