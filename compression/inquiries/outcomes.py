"""What a network says to every test image, and the images themselves. Torch-free."""

from __future__ import annotations

from pydantic import Field

from compression.inquiries.arrays import Array
from compression.inquiries.inquiry import Answer, Inquiry

MAX_PICTURES = 500
"""Images that one inquiry hands out."""


class Outcomes(Answer):
    """`probabilities` (float16, images x classes; each row sums to 1) and the true `labels` (unsigned, images)."""

    probabilities: Array
    labels: Array


class OutcomeInquiry(Inquiry, kind="outcomes", answer=Outcomes, words="asking the network about every test image"):
    """What the decoded network says to each test image, and how sure it is."""


class Pictures(Answer):
    """`images` (uint8, images x channels x height x width) as the data set has them; `white` is the brightest value."""

    images: Array
    white: int


class PictureInquiry(Inquiry, kind="pictures", answer=Pictures, words="fetching images"):
    """What these test images look like. `indices` count within the test split of the recipe's data set."""

    indices: tuple[int, ...] = Field(min_length=1, max_length=MAX_PICTURES)
