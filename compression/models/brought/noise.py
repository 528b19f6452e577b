"""Images for networks that come without any: sizes and times need none, and answers to noise are better than nothing.

What a compressed network answers to noise says little about what it answers to photographs. Whoever is shown agreement
on such images is told so.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from compression.models.brought.image_facts import ImageFacts
from compression.models.brought.image_files import take_in
from compression.models.brought.own import NOISE, data_folder
from compression.watch import SILENT, Watch

COUNT = 600
"""A fifth of them are the test: enough to tell some points of agreement apart, and quick to make."""

UNKNOWN = ImageFacts((), False, 3, 224, 224, False, (0, 0, 0, 0), (0.5,) * 3, (0.25,) * 3, "", "", 0)
"""What is known where there are no images: nothing. Colours and size are those of most classifiers."""

WARNING = (
    "There are no images: agreement is counted on coloured noise. Sizes, latency and memory are real; what compression "
    "does to answers on your images cannot be known from this."
)


def make_noise(name: str, shape: tuple[int, int, int], watch: Watch = SILENT) -> ImageFacts:
    """Keep `COUNT` images of `shape` (C x H x W), always the same ones, as the data set `name`, without labels."""
    channels, height, width = shape
    random = np.random.default_rng(0)
    images = np.empty((COUNT, height, width, channels), np.uint8)
    for image in images:
        coarse = random.integers(0, 256, (4, 4, channels), dtype=np.uint8)
        for channel in range(channels):
            smooth = Image.fromarray(coarse[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
            image[..., channel] = np.clip(np.asarray(smooth) + random.normal(0, 12, (height, width)), 0, 255)
    with tempfile.TemporaryDirectory(prefix="compression-noise-") as folder:
        path = Path(folder) / NOISE
        np.savez(path, images=images)
        return take_in(path, data_folder(name), watch)
