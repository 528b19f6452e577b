"""What each layer alone costs and loses at each level of each technique: tables to choose levels from. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from compression.inquiries.inquiry import Answer, Inquiry, Part

LEVELS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "quantization": (8, 6, 5, 4, 3, 2, 1),
        "magnitude_pruning": (0.5, 0.7, 0.8, 0.9, 0.95),
        "weight_sharing": (64, 32, 16, 8, 4),
        "low_rank": (0.75, 0.5, 0.25),
        "channel_pruning": (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875),
    }
)
"""By technique, from the mildest level to the hardest: of a step's main setting, as recipes have it."""

FREE_LEVEL: Mapping[str, float] = MappingProxyType({"magnitude_pruning": 0.0, "low_rank": 1.0, "channel_pruning": 0.0})
"""The level at which a technique leaves a layer as it is, for those that have one."""


class Left(Part):
    """A layer that loses channels: the share of its weights that is left, and the time that it then takes."""

    layer: str
    share: float
    ms: float


class Cell(Part):
    """The network with one layer (or one group of coupled channels) at one level of one technique.

    `bytes` is what the layer's weights and biases then take in the stored file, an estimate; `macs` and `ms` are its
    operations and its time for one image. `loss` is how far the predictions move: the mean Kullback-Leibler divergence
    from the original network's, in nats. `accuracy` is the share of right answers (0 to 1). Channels come and go in all
    layers that a group runs through: then all of `left` are counted, and the level is that of the first layer whose
    outputs belong to the group.
    """

    technique: str
    level: float
    bytes: float
    macs: float
    ms: float
    loss: float
    accuracy: float
    left: tuple[Left, ...] = ()


class Both(Part):
    """What a layer's weights and biases take with a share of zeros and another technique's level at once, in bytes."""

    zeros: float
    technique: str
    level: float
    bytes: float


class LayerTable(Part):
    """One layer: what it takes as it is, and with each level alone.

    `ms` is the time of the layer with its activation for one image on one thread, the mean over its calls added up;
    `integer_ms` the same on an integer kernel of 8 bits, where there is one.
    """

    name: str
    weights: int
    bytes: float
    macs: float
    ms: float
    integer_ms: float | None = None
    cells: tuple[Cell, ...] = ()
    both: tuple[Both, ...] = ()

    def of(self, technique: str) -> tuple[Cell, ...]:
        """The cells of one technique, from the mildest level to the hardest; empty where it does not fit the layer."""
        return tuple(cell for cell in self.cells if cell.technique == technique)


class Tables(Answer):
    """All layers of the uncompressed network, judged on `n_images` validation images, never on test images.

    `accuracy` is the network's on these. `other_bytes` and `other_ms` belong to no layer: the stored file's graph and
    header; what else the network computes, and the call itself.
    """

    n_images: int
    accuracy: float
    layers: tuple[LayerTable, ...]
    other_bytes: float
    other_ms: float


class TableInquiry(Inquiry, kind="tables", answer=Tables, words="compressing one layer at a time"):
    """Compress one layer at a time; asked of a model's baseline, as all settings of the model share the answer."""
