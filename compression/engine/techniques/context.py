"""What a technique is given besides the model and its step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from compression.engine.primitives.execution import images_at_once
from compression.errors import NotApplicable
from compression.models.data import Dataset
from compression.recipe.steps import Distillation
from compression.results.record import Training
from compression.watch import SILENT, Watch


def _not_at_hand(name: str = "") -> fx.GraphModule:
    raise NotApplicable("No other network is at hand here: no teacher but the model itself, and no slimmable one.")


@dataclass(frozen=True)
class Context:
    """Data, teacher, seed, and how to get what else there is; never change a network that it gives.

    `teacher` is the uncompressed trained network; `build_student(step)` gives an untrained network of the
    family and size that the step asks for; `load_teacher(name)` gives another trained network on the same
    data, and `load_slimmable()` one whose first channels are networks too: both raise `NotApplicable` where
    there is none. `watch` is told how far this step is, and raises `Cancelled` when it is no longer wanted;
    `trained` is told how a training went.
    """

    dataset: Dataset
    teacher: fx.GraphModule
    build_student: Callable[[Distillation], fx.GraphModule]
    seed: int
    load_teacher: Callable[[str], fx.GraphModule] = _not_at_hand
    load_slimmable: Callable[[], fx.GraphModule] = _not_at_hand
    watch: Watch = SILENT
    trained: Callable[[Training], None] = lambda training: None


Technique = Callable[[fx.GraphModule, Any, Context], fx.GraphModule]
"""`(model, step, context) -> model`: returns a new model and leaves the given one alone."""


def within_memory(dataset: Dataset, model: fx.GraphModule) -> Dataset:
    """The data set with fewer images to run at once, where values of all of them would take too much memory."""
    most = min(dataset.at_once, images_at_once(model))
    return replace(dataset, calibration=dataset.calibration.head(most), at_once=most)


def fitting_images(dataset: Dataset, most: int | None = None) -> Tensor:
    """Preprocessed images to fit layers and statistics on: calibration images, filled up with training images."""
    count = min(most or dataset.fits_on, dataset.fits_on)
    calibration = dataset.calibration.head(count)
    train = dataset.train.head(count - len(calibration))
    return torch.from_numpy(calibration.preprocess(np.concatenate([calibration.images, train.images])))
