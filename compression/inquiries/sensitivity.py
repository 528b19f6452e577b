"""How much each layer alone can be compressed before the network suffers. Torch-free."""

from __future__ import annotations

from compression.inquiries.inquiry import Answer, Inquiry, Part

BITS = (8, 4, 3, 2)
SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95)


class LayerSensitivity(Part):
    """The network's accuracy when this layer alone is compressed, for each of `BITS` and of `SPARSITIES`."""

    name: str
    weights: int
    by_bits: tuple[float, ...]
    by_sparsity: tuple[float, ...]


class Sensitivities(Answer):
    """Accuracies (0 to 1) on `n_images` of the validation split, which is never the one that results are tested on."""

    n_images: int
    accuracy: float
    layers: tuple[LayerSensitivity, ...]


class SensitivityInquiry(Inquiry, kind="sensitivity", answer=Sensitivities, words="compressing one layer at a time"):
    """Compress one layer at a time; asked of a model's baseline, as all settings of the model share the answer."""
