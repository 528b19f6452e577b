"""Inquiries: questions about measured recipes, as data. Torch-free; `compression.engine.laboratory` answers them.

To add one: an `Inquiry` and its `Answer` in a file here, a function in a file of the laboratory, and a line in
`answered_by`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping

from compression.inquiries.inquiry import Answer, Inquiry

__all__ = ["Answer", "Inquiry", "answered_by", "parse_inquiry"]


@functools.cache
def answered_by() -> Mapping[type[Inquiry], str]:
    """All kinds of inquiries, and what answers each: module and function below `compression.engine.laboratory`.

    Imported when they are asked for: pages start sooner without them.
    """
    from compression.inquiries import (
        activations,
        anatomy,
        course,
        layer_tables,
        outcomes,
        retiming,
        verification,
        weights,
    )

    return {
        activations.ActivationInquiry: "activations.activations",
        anatomy.AnatomyInquiry: "anatomy.anatomy",
        layer_tables.TableInquiry: "layer_tables.answering.tables",
        outcomes.OutcomeInquiry: "outcomes.outcomes",
        outcomes.PictureInquiry: "outcomes.pictures",
        retiming.RetimingInquiry: "retiming.retime",
        verification.VerificationInquiry: "verification.verify",
        weights.WeightInquiry: "weights.weights",
        course.CodingInquiry: "course.coding.coding",
        course.FactorInquiry: "course.factors.factors",
        course.LayoutInquiry: "course.layout.layout",
        course.PruningInquiry: "course.pruning.pruning",
        course.RoundingInquiry: "course.rounding.rounding",
        course.SharingInquiry: "course.sharing.sharing",
        course.SplitInquiry: "course.timing.split",
        course.TeacherInquiry: "course.teacher.teacher",
        course.TimingInquiry: "course.timing.timing",
    }


def parse_inquiry(text: str) -> Inquiry:
    """The inquiry that `Inquiry.to_json` wrote. Raises ValueError for what another version of this program asked."""
    content = json.loads(text)
    kind = content.pop("kind", None)
    if kind not in _by_name():
        raise ValueError(f"There is no inquiry {kind!r}; this version knows {', '.join(_by_name())}.")
    return _by_name()[kind].model_validate(content)


@functools.cache
def _by_name() -> dict[str, type[Inquiry]]:
    return {kind.KIND: kind for kind in answered_by()}
