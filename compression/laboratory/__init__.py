"""The laboratory: answers studies of measured recipes. Runs in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compression.laboratory import outcomes, verification
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
from compression.studies import lessons as questions
from compression.studies.outcomes import OutcomeStudy, PictureStudy
from compression.studies.verification import VerificationStudy

ANSWERS: dict[type[Study], Callable[[Any, Bench], Answer]] = {
    OutcomeStudy: outcomes.outcomes,
    PictureStudy: outcomes.pictures,
    VerificationStudy: verification.verify,
    questions.AnatomyStudy: anatomy.anatomy,
    questions.PruningStudy: pruning.pruning,
    questions.RoundingStudy: rounding.rounding,
    questions.TeacherStudy: teacher.teacher,
    questions.SharingStudy: sharing.sharing,
    questions.FactorStudy: factors.factors,
    questions.SplitStudy: split.split,
    questions.CodingStudy: coding.coding,
    questions.TimingStudy: timing.timing,
}

__all__ = ["ANSWERS", "Bench", "Subject", "answer"]


def answer(study: Study, bench: Bench) -> Answer:
    """What `study` finds. Raises `CompressionError` children, and `Cancelled` when the bench's check does."""
    return ANSWERS[type(study)](study, bench)
