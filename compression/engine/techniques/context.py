"""What a technique is given besides the model and its step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, fx

from compression.errors import NotApplicable
from compression.models.data import Dataset
from compression.recipe.steps import Distillation, Step
from compression.watch import SILENT, Watch

StepT = TypeVar("StepT", bound=Step, contravariant=True)


def _no_other_teacher(name: str) -> fx.GraphModule:
    raise NotApplicable(f"The teacher {name!r} is not at hand here. Leave `teachers` empty: the model teaches itself.")


def _no_slimmable() -> fx.GraphModule:
    raise NotApplicable("No slimmable network is at hand here. Use distillation to get a smaller student.")


@dataclass(frozen=True)
class Context:
    """Data, teacher, seed, and how to get what else there is; never change a network that it gives.

    `teacher` is the uncompressed trained network; `build_student(step)` gives an untrained network of the
    family and size that the step asks for; `load_teacher(name)` gives another trained network on the same
    data, and `load_slimmable()` one whose first channels are networks too: both raise `NotApplicable` where
    there is none. `watch` is told how far this step is, and raises `Cancelled` when it is no longer wanted.
    """

    dataset: Dataset
    teacher: fx.GraphModule
    build_student: Callable[[Distillation], fx.GraphModule]
    seed: int
    load_teacher: Callable[[str], fx.GraphModule] = _no_other_teacher
    load_slimmable: Callable[[], fx.GraphModule] = _no_slimmable
    watch: Watch = SILENT


class Technique(Protocol[StepT]):
    """`(model, step, context) -> model`."""

    def __call__(self, model: fx.GraphModule, step: StepT, context: Context) -> fx.GraphModule:
        """Return a new model; leave the given one alone."""
        ...


FITTING_IMAGES = 512
"""Twice as many change accuracy by less than the validation split can show, and take twice the time."""


def fitting_images(dataset: Dataset, count: int = FITTING_IMAGES) -> Tensor:
    """Preprocessed images to fit layers and statistics on: calibration images, filled up with training images."""
    calibration = dataset.calibration.head(count)
    train = dataset.train.head(count - len(calibration))
    return torch.from_numpy(np.concatenate([calibration.x, train.x]))
