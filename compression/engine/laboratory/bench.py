"""What an inquiry is given to work with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.models.data import Dataset, load_dataset
from compression.results.record import Result
from compression.watch import SILENT, Watch
from sample_models.catalogue import SampleModel, find_model


@dataclass(frozen=True)
class Subject:
    """A measured recipe with its stored file, its runtime file and its predicted classes (uint8)."""

    result: Result
    stored: bytes
    onnx: bytes
    predictions: NDArray[np.uint8]


@dataclass(frozen=True)
class Bench:
    """A recipe and its baseline, both measured, and how to tell of progress (0 to 1, words) and notice the end."""

    subject: Subject
    baseline: Subject
    watch: Watch = SILENT

    @property
    def entry(self) -> SampleModel:
        """The sample model that the recipe starts from."""
        return find_model(str(self.subject.result.recipe["model"]))

    @property
    def dataset(self) -> Dataset:
        """The model's data."""
        return load_dataset(self.entry.dataset)
