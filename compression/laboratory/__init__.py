"""The laboratory: answers studies of measured recipes. Runs in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compression.laboratory import activations, anatomy, lessons, outcomes, sensitivity, verification, weights
from compression.laboratory.bench import Bench, Subject
from compression.studies import Answer, Study
from compression.studies.activations import ActivationStudy
from compression.studies.anatomy import AnatomyStudy
from compression.studies.outcomes import OutcomeStudy, PictureStudy
from compression.studies.sensitivity import SensitivityStudy
from compression.studies.verification import VerificationStudy
from compression.studies.weights import WeightStudy

ANSWERS: dict[type[Study], Callable[[Any, Bench], Answer]] = {
    ActivationStudy: activations.activations,
    AnatomyStudy: anatomy.anatomy,
    OutcomeStudy: outcomes.outcomes,
    PictureStudy: outcomes.pictures,
    SensitivityStudy: sensitivity.sensitivity,
    VerificationStudy: verification.verify,
    WeightStudy: weights.weights,
    **lessons.ANSWERS,
}

__all__ = ["ANSWERS", "Bench", "Subject", "answer"]


def answer(study: Study, bench: Bench) -> Answer:
    """What `study` finds. Raises `CompressionError` children, and `Cancelled` when the bench's check does."""
    return ANSWERS[type(study)](study, bench)
