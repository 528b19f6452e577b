"""Timing a measured recipe once more, at another moment. Torch-free."""

from __future__ import annotations

from pydantic import Field

from compression.inquiries.inquiry import Answer, Inquiry
from compression.results.timing import Timing


class Retimed(Answer):
    """A further timing; the store pools it with those that the result has."""

    timing: Timing


class RetimingInquiry(Inquiry, kind="retiming", answer=Retimed, words="timing it again"):
    """Time the network in turns with its baseline once more; `done` timings there are already."""

    done: int = Field(ge=1)
