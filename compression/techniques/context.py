"""What a technique is given besides the model and its step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, fx

from compression.data import Dataset
from compression.recipe import Step

StepT = TypeVar("StepT", bound=Step, contravariant=True)


@dataclass(frozen=True)
class Context:
    """Data, teacher, seed, and two callables.

    `teacher` is the uncompressed trained network (never change it); `build_student(width_mult)` gives an
    untrained network of its family; `report(fraction, words)` shows progress of this step;
    `check_cancelled()` raises `Cancelled` when the work is no longer wanted: call it at least once a second.
    """

    dataset: Dataset
    teacher: fx.GraphModule
    build_student: Callable[[float], fx.GraphModule]
    seed: int
    report: Callable[[float, str], None] = lambda fraction, words: None
    check_cancelled: Callable[[], None] = lambda: None


class Technique(Protocol[StepT]):
    """`(model, step, context) -> model`."""

    def __call__(self, model: fx.GraphModule, step: StepT, context: Context) -> fx.GraphModule:
        """Return a new model; leave the given one alone."""
        ...


FITTING_IMAGES = 512
"""Twice as many change accuracy by less than the validation split can show, and take twice the time."""


def fitting_images(dataset: Dataset) -> Tensor:
    """Preprocessed images to fit layers and statistics on: calibration images, filled up with training images."""
    calibration = dataset.calibration.head(FITTING_IMAGES)
    train = dataset.train.head(FITTING_IMAGES - len(calibration))
    return torch.from_numpy(np.concatenate([calibration.x, train.x]))
