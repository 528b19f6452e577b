"""Inquiries: questions about measured recipes, as data. Torch-free; `compression.engine.laboratory` answers them.

To add one: an `Inquiry` and its `Answer` in a file here, a function in a file of the laboratory, a line in `kinds` and
in the laboratory's table.
"""

from __future__ import annotations

import functools
import json

from compression.inquiries.inquiry import Answer, Inquiry

__all__ = ["Answer", "Inquiry", "kinds", "parse_inquiry"]


def kinds() -> tuple[type[Inquiry], ...]:
    """All kinds of inquiries. Imported when they are asked for: pages start sooner without them."""
    from compression.inquiries import (
        activations,
        anatomy,
        course,
        outcomes,
        retiming,
        sensitivity,
        verification,
        weights,
    )

    return (
        activations.ActivationInquiry,
        anatomy.AnatomyInquiry,
        outcomes.OutcomeInquiry,
        outcomes.PictureInquiry,
        retiming.RetimingInquiry,
        sensitivity.SensitivityInquiry,
        verification.VerificationInquiry,
        weights.WeightInquiry,
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
    content = json.loads(text)
    kind = content.pop("kind", None)
    if kind not in _by_name():
        raise ValueError(f"There is no inquiry {kind!r}; this version knows {', '.join(_by_name())}.")
    return _by_name()[kind].model_validate(content)


@functools.cache
def _by_name() -> dict[str, type[Inquiry]]:
    return {kind.KIND: kind for kind in kinds()}
