"""What an inquiry is given to work with."""

from __future__ import annotations

from dataclasses import dataclass

from compression.engine.run import RunOutput
from compression.models.data import Dataset
from compression.models.subject import Subject
from compression.watch import SILENT, Watch


@dataclass(frozen=True)
class Bench:
    """A recipe and its baseline, both measured, and how to tell of progress (0 to 1, words) and notice the end.

    `subject` is the model that the recipe starts from.
    """

    subject: Subject
    variant: RunOutput
    baseline: RunOutput
    watch: Watch = SILENT

    @property
    def dataset(self) -> Dataset:
        """The model's data."""
        return self.subject.data.load()
