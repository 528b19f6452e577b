"""What a network says to every test image, and the images themselves."""

from __future__ import annotations

import numpy as np
from scipy import special

from compression.engine.laboratory.bench import Bench
from compression.engine.measure.evaluation import logits_of
from compression.errors import InvalidRecipe
from compression.inquiries.outcomes import OutcomeInquiry, Outcomes, PictureInquiry, Pictures
from compression.results.predictions import as_classes


def outcomes(inquiry: OutcomeInquiry, bench: Bench) -> Outcomes:
    """Softmax of the runtime file's logits, on the images that its accuracy was measured on."""
    test = bench.dataset.test
    logits = logits_of(bench.variant.onnx, test, watch=bench.watch)
    probabilities = special.softmax(logits.astype(np.float64), axis=1)
    return Outcomes(probabilities=probabilities.astype(np.float16), labels=as_classes(test.y, logits.shape[1]))


def pictures(inquiry: PictureInquiry, bench: Bench) -> Pictures:
    """The images as they came, before preprocessing. Raises `InvalidRecipe` for an image that is not there."""
    test = bench.dataset.test
    wrong = [index for index in inquiry.indices if not 0 <= index < len(test)]
    if wrong:
        raise InvalidRecipe(f"There is no test image {wrong[0]}; choose from 0 to {len(test) - 1}.")
    return Pictures(images=test.images[list(inquiry.indices)], white=test.white)
