"""Inquiries: questions about measured recipes, as data. Torch-free; `compression.engine.laboratory` answers them.

To add one: a `Inquiry` and its `Answer` in a file here, a function in a file of the laboratory, a line in `kinds` and
in the laboratory's table.
"""

from __future__ import annotations

import functools
import json

from compression.inquiries.inquiry import Answer, Inquiry

__all__ = ["Answer", "Inquiry", "kinds", "parse_inquiry"]


def kinds() -> tuple[type[Inquiry], ...]:
    """All kinds of inquiries. Imported when they are asked for: pages start sooner without them."""
    from compression.inquiries import course
    from compression.inquiries.activations import ActivationInquiry
    from compression.inquiries.anatomy import AnatomyInquiry
    from compression.inquiries.outcomes import OutcomeInquiry, PictureInquiry
    from compression.inquiries.sensitivity import SensitivityInquiry
    from compression.inquiries.verification import VerificationInquiry
    from compression.inquiries.weights import WeightInquiry

    return (
        ActivationInquiry,
        AnatomyInquiry,
        OutcomeInquiry,
        PictureInquiry,
        SensitivityInquiry,
        VerificationInquiry,
        WeightInquiry,
        course.CodingInquiry,
        course.FactorInquiry,
        course.LayoutInquiry,
        course.PruningInquiry,
        course.RoundingInquiry,
        course.SharingInquiry,
        course.SplitInquiry,
        course.TeacherInquiry,
        course.TimingInquiry,
    )


def parse_inquiry(text: str) -> Inquiry:
    """The inquiry that `Inquiry.to_json` wrote. Raises ValueError for what another version of this program asked."""
    kind = json.loads(text).get("kind")
    if kind not in _by_name():
        raise ValueError(f"There is no inquiry {kind!r}; this version knows {', '.join(_by_name())}.")
    return _by_name()[kind].model_validate_json(text)


@functools.cache
def _by_name() -> dict[str, type[Inquiry]]:
    return {str(kind.model_fields["kind"].default): kind for kind in kinds()}
