"""The laboratory: answers studies of measured recipes. Runs in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compression.laboratory import outcomes
from compression.laboratory.bench import Bench, Subject
from compression.laboratory.lessons import (
    anatomy,
    coding,
    factors,
    pruning,
    rounding,
    sharing,
    split,
    teacher,
    timing,
)
from compression.studies import Answer, Study
from compression.studies.lessons import (
    AnatomyStudy,
    CodingStudy,
    FactorStudy,
    PruningStudy,
    RoundingStudy,
    SharingStudy,
    SplitStudy,
    TeacherStudy,
    TimingStudy,
)
from compression.studies.outcomes import OutcomeStudy, PictureStudy

ANSWERS: dict[type[Study], Callable[[Any, Bench], Answer]] = {
    OutcomeStudy: outcomes.outcomes,
    PictureStudy: outcomes.pictures,
    AnatomyStudy: anatomy.anatomy,
    PruningStudy: pruning.pruning,
    RoundingStudy: rounding.rounding,
    TeacherStudy: teacher.teacher,
    SharingStudy: sharing.sharing,
    FactorStudy: factors.factors,
    SplitStudy: split.split,
    CodingStudy: coding.coding,
    TimingStudy: timing.timing,
}

__all__ = ["ANSWERS", "Bench", "Subject", "answer"]


def answer(study: Study, bench: Bench) -> Answer:
    """What `study` finds. Raises `CompressionError` children, and `Cancelled` when the bench's check does."""
    return ANSWERS[type(study)](study, bench)
