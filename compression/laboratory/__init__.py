"""The laboratory: answers studies of measured recipes. Runs in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compression.laboratory import layers, outcomes, verification
from compression.laboratory.bench import Bench, Subject
from compression.studies import Answer, Study
from compression.studies.layers import LayerStudy
from compression.studies.outcomes import OutcomeStudy, PictureStudy
from compression.studies.verification import VerificationStudy

ANSWERS: dict[type[Study], Callable[[Any, Bench], Answer]] = {
    LayerStudy: layers.layers,
    OutcomeStudy: outcomes.outcomes,
    PictureStudy: outcomes.pictures,
    VerificationStudy: verification.verify,
}

__all__ = ["ANSWERS", "Bench", "Subject", "answer"]


def answer(study: Study, bench: Bench) -> Answer:
    """What `study` finds. Raises `CompressionError` children, and `Cancelled` when the bench's check does."""
    return ANSWERS[type(study)](study, bench)
