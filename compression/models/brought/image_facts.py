"""What is known of a data set that a person brought, as it is kept beside its images."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from compression.errors import CorruptFile

MEASURED_IMAGES = 1000
"""Training images that the mean and the standard deviation are taken over: more would move them by less than 1 %."""


@dataclass(frozen=True)
class ImageFacts:
    """Of images that a person brought.

    `classes` is empty where there are no labels. `channels` is 1 if every image is stored in grey, else 3. `height` and
    `width` in pixels are the most common ones, those of all images if `same_size`. `parts` is how many images there
    are for training, calibration, validation and test, which are kept in this order. `mean` and `std` are of training
    images for each channel, of values from 0 to 1. `sha256` is of the content in its order with labels and parts.
    `source` is the name of what was brought; `bytes` is what the images take on the disk.
    """

    classes: tuple[str, ...]
    has_labels: bool
    channels: int
    height: int
    width: int
    same_size: bool
    parts: tuple[int, int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str
    source: str
    bytes: int


def write_facts(folder: Path, facts: ImageFacts) -> None:
    """Write `facts.json`."""
    (folder / "facts.json").write_text(json.dumps(asdict(facts), ensure_ascii=False, indent=1), encoding="utf-8")


def read_facts(folder: Path) -> ImageFacts:
    """What `take_in` found out about the images in `folder`; raises `CorruptFile` where that cannot be read."""
    try:
        stored = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        fields: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in stored.items()}
        return ImageFacts(**fields)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CorruptFile(
            f"The images in {folder} cannot be read: {error}. Remove the folder and bring them anew."
        ) from error


@dataclass
class Measurement:
    """Sizes, colours and content of images, taken while they pass by once, training images first."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    is_grey: bool = True
    n_bytes: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    """SHA-256 of all content, each with its length before it."""

    _moments: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, content: bytes, image: Image.Image, *, of_training: bool) -> None:
        """One image, as it is kept and decoded, of mode L or RGB."""
        self.n_bytes += len(content)
        self.digest.update(len(content).to_bytes(8, "big"))
        self.digest.update(content)
        self.sizes[image.height, image.width] += 1
        self.is_grey &= image.mode == "L"
        if of_training and len(self._moments) < MEASURED_IMAGES:
            self._moments.append(_moments(image))

    @property
    def channels(self) -> int:
        """1 if every image is grey, else 3."""
        return 1 if self.is_grey else 3

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of most images."""
        return self.sizes.most_common(1)[0][0]

    def mean_and_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """For each channel, of values from 0 to 1; every image counts the same, whatever its size."""
        mean, square = np.mean(self._moments, axis=0)[:, : self.channels]
        std = np.sqrt(np.maximum(square - mean**2, 0))
        return tuple(map(float, mean.round(4))), tuple(map(float, np.maximum(std, 1 / 255).round(4)))


def _moments(image: Image.Image) -> NDArray[np.float64]:
    """Mean and mean square of three channels, 2 x 3; from counts of each value, whatever the image's size."""
    counts = np.reshape(image.histogram(), (-1, 256)) / (image.width * image.height)
    values = np.arange(256) / 255
    return np.array([np.broadcast_to(counts @ power, 3) for power in (values, values**2)])
