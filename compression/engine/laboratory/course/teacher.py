"""What a teacher tells a student, beyond the right answer."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from compression.engine.laboratory.bench import Bench
from compression.engine.measure.evaluation import logits_of
from compression.inquiries.course import TEACHER_PICTURES, TEMPERATURES, Taught, TeacherInquiry
from compression.results.predictions import as_classes

SURE = 0.99
"""A prediction above this is called sure."""


def teacher(inquiry: TeacherInquiry, bench: Bench) -> Taught:
    """Predictions of the uncompressed network on validation images, softened like the targets of distillation."""
    split = bench.dataset.validation
    logits = torch.from_numpy(logits_of(bench.baseline.onnx, split, watch=bench.watch)).double()
    softened = torch.stack([torch.softmax(logits / temperature, 1) for temperature in TEMPERATURES])
    shown = _shown(softened[0].numpy())
    return Taught(
        images=split.images[shown],
        white=split.white,
        labels=as_classes(split.y[shown], logits.shape[1]),
        classes=bench.dataset.classes,
        probabilities=softened[:, shown].float().numpy(),
        entropy_bits=(torch.special.entr(softened).sum(2).mean(1) / np.log(2)).numpy(),
        sure=float((softened[0].amax(1) > SURE).double().mean()),
    )


def _shown(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The images that the teacher is least sure of, then the first of the others."""
    ranked = np.sort(probabilities, axis=1)
    doubtful = np.argsort(ranked[:, -1] - ranked[:, -2], kind="stable")[: TEACHER_PICTURES // 2]
    others = np.setdiff1d(np.arange(len(ranked)), doubtful)[: TEACHER_PICTURES - len(doubtful)]
    chosen: NDArray[np.int64] = np.concatenate([doubtful, others])
    return chosen
