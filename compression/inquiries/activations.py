"""The range of numbers between layers. Torch-free."""

from __future__ import annotations

from compression.inquiries.inquiry import Answer, Inquiry, Part


class ActivationRange(Part):
    """What leaves one layer (behind its activation function) on calibration images; 'image' is what enters.

    `low` and `high` are the 0.1 and 99.9 percentiles. Where it is rounded afterwards, `kept_low` and `kept_high` are
    the ends of the grid in `bits` bits, and `clipped` the share of the values that lie outside of it.
    """

    name: str
    min: float
    low: float
    high: float
    max: float
    kept_low: float | None = None
    kept_high: float | None = None
    bits: int = 0
    clipped: float = 0.0


class Activations(Answer):
    """Ranges of the network and of its baseline. `dynamic`: ranges are found anew for each image."""

    n_images: int
    subject: tuple[ActivationRange, ...]
    baseline: tuple[ActivationRange, ...]
    dynamic: bool = False


class ActivationInquiry(Inquiry, kind="activations", answer=Activations, words="watching activations"):
    """Which numbers leave each layer on calibration images, and which of them a quantizer keeps."""
