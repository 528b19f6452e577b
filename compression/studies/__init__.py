"""Studies: questions about measured recipes, as data. Torch-free; `compression.laboratory` answers them.

To add one: a `Study` and its `Answer` in a file here, a function in a file of the laboratory, a line in both tables.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from compression.studies import lessons
from compression.studies.activations import ActivationStudy
from compression.studies.anatomy import AnatomyStudy
from compression.studies.layers import LayerStudy
from compression.studies.outcomes import OutcomeStudy, PictureStudy
from compression.studies.sensitivity import SensitivityStudy
from compression.studies.study import Answer, Study
from compression.studies.verification import VerificationStudy
from compression.studies.weights import WeightStudy

AnyStudy = Annotated[
    ActivationStudy
    | AnatomyStudy
    | LayerStudy
    | OutcomeStudy
    | PictureStudy
    | SensitivityStudy
    | VerificationStudy
    | WeightStudy
    | lessons.AnatomyStudy
    | lessons.CodingStudy
    | lessons.FactorStudy
    | lessons.PruningStudy
    | lessons.RoundingStudy
    | lessons.SharingStudy
    | lessons.SplitStudy
    | lessons.TeacherStudy
    | lessons.TimingStudy,
    Field(discriminator="kind"),
]

_ADAPTER: TypeAdapter[Study] = TypeAdapter(AnyStudy)

__all__ = ["Answer", "AnyStudy", "Study", "parse_study"]


def parse_study(text: str) -> Study:
    """The study that `Study.to_json` wrote."""
    return _ADAPTER.validate_json(text)
