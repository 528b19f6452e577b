"""What an inquiry is given to work with."""

from __future__ import annotations

from dataclasses import dataclass

from compression.models.data import Dataset
from compression.models.subject import Subject
from compression.results.predictions import Classes
from compression.results.record import Result
from compression.watch import SILENT, Watch


@dataclass(frozen=True)
class Measured:
    """A measured recipe with its stored file, its runtime file and its predicted classes."""

    result: Result
    stored: bytes
    onnx: bytes
    predictions: Classes


@dataclass(frozen=True)
class Bench:
    """A recipe and its baseline, both measured, and how to tell of progress (0 to 1, words) and notice the end.

    `subject` is the model that the recipe starts from.
    """

    subject: Subject
    variant: Measured
    baseline: Measured
    watch: Watch = SILENT

    @property
    def dataset(self) -> Dataset:
        """The model's data."""
        return self.subject.data.load()
