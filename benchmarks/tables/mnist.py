"""The MNIST of the papers: 60,000 images to train on, of which some are set aside to choose by, and the 10,000."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import fx, nn

from compression.engine.network.tracing import trace
from compression.engine.samples.train import SEED, fit
from compression.models.data import SPLIT_SEED, Augmentation, Dataset, Split

VALIDATION, CALIBRATION = 5_000, 1_000
MEAN, STD = 0.1307, 0.3081
JITTER = Augmentation(rotate=8, scale=0.08, shear=0.08, shift=0.06)
"""Degrees, and shares of the image's size: digits as other hands might have written them."""

SHAPE = (1, 28, 28)
LEARNING_RATE = 0.05


def load(path: Path) -> Dataset:
    """From an `.npz` with `train_x, train_y, test_x, test_y` (N x 28 x 28, uint8), or `x_train, ...` as Keras has it.

    The test images are the official ones; validation and calibration images are drawn from the others by a fixed seed.
    """
    with np.load(path) as arrays:
        name = "{1}_{0}" if "train_x" in arrays else "{0}_{1}"
        train, test = ([arrays[name.format(part, split)] for part in "xy"] for split in ("train", "test"))
    order = np.random.default_rng(SPLIT_SEED).permutation(len(train[1]))
    validation, calibration, rest = np.split(order, [VALIDATION, VALIDATION + CALIBRATION])
    parts = [_split(train[0][which], train[1][which]) for which in (rest, calibration, validation)]
    return Dataset("mnist", tuple("0123456789"), JITTER, *parts, _split(*test))


def _split(images: NDArray[np.uint8], labels: NDArray[np.integer[Any]]) -> Split:
    return Split(np.ascontiguousarray(images[:, None]), labels.astype(np.int64), 255, MEAN, STD)


def trained(build: Callable[[], nn.Module], name: str, dataset: Dataset, epochs: float, folder: Path) -> fx.GraphModule:
    """The uncompressed network, trained once with a fixed seed and then kept in `folder`."""
    kept = folder / f"{name}.safetensors"
    torch.manual_seed(SEED)
    network = build()
    if kept.exists():
        network.load_state_dict(load_file(kept))
    else:
        fit(network, dataset, name, epochs=epochs, learning_rate=LEARNING_RATE)
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, kept)
    return trace(network.eval(), SHAPE)
