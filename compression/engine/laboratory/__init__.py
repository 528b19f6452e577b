"""The laboratory: answers inquiries of measured recipes. Runs in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compression.engine.laboratory import (
    activations,
    anatomy,
    course,
    outcomes,
    retiming,
    sensitivity,
    verification,
    weights,
)
from compression.engine.laboratory.bench import Bench
from compression.inquiries import Answer, Inquiry
from compression.inquiries.activations import ActivationInquiry
from compression.inquiries.anatomy import AnatomyInquiry
from compression.inquiries.outcomes import OutcomeInquiry, PictureInquiry
from compression.inquiries.retiming import RetimingInquiry
from compression.inquiries.sensitivity import SensitivityInquiry
from compression.inquiries.verification import VerificationInquiry
from compression.inquiries.weights import WeightInquiry

ANSWERS: dict[type[Inquiry], Callable[[Any, Bench], Answer]] = {
    ActivationInquiry: activations.activations,
    AnatomyInquiry: anatomy.anatomy,
    OutcomeInquiry: outcomes.outcomes,
    PictureInquiry: outcomes.pictures,
    RetimingInquiry: retiming.retime,
    SensitivityInquiry: sensitivity.sensitivity,
    VerificationInquiry: verification.verify,
    WeightInquiry: weights.weights,
    **course.ANSWERS,
}

__all__ = ["ANSWERS", "Bench", "answer"]


def answer(inquiry: Inquiry, bench: Bench) -> Answer:
    """What `inquiry` finds. Raises `CompressionError` children, and `Cancelled` when the bench's check does."""
    return ANSWERS[type(inquiry)](inquiry, bench)
