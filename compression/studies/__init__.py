"""Studies: questions about measured recipes, as data. Torch-free; `compression.laboratory` answers them.

To add one: a `Study` and its `Answer` in a file here, a function in a file of the laboratory, a line in `kinds` and
in the laboratory's table.
"""

from __future__ import annotations

import functools
import json

from compression.studies.study import Answer, Study

__all__ = ["Answer", "Study", "kinds", "parse_study"]


def kinds() -> tuple[type[Study], ...]:
    """All kinds of studies. Imported when they are asked for: pages start sooner without them."""
    from compression.studies import lessons
    from compression.studies.activations import ActivationStudy
    from compression.studies.anatomy import AnatomyStudy
    from compression.studies.outcomes import OutcomeStudy, PictureStudy
    from compression.studies.sensitivity import SensitivityStudy
    from compression.studies.verification import VerificationStudy
    from compression.studies.weights import WeightStudy

    return (
        ActivationStudy,
        AnatomyStudy,
        OutcomeStudy,
        PictureStudy,
        SensitivityStudy,
        VerificationStudy,
        WeightStudy,
        lessons.CodingStudy,
        lessons.FactorStudy,
        lessons.LayoutStudy,
        lessons.PruningStudy,
        lessons.RoundingStudy,
        lessons.SharingStudy,
        lessons.SplitStudy,
        lessons.TeacherStudy,
        lessons.TimingStudy,
    )


def parse_study(text: str) -> Study:
    """The study that `Study.to_json` wrote. Raises ValueError for what another version of this program asked."""
    kind = json.loads(text).get("kind")
    if kind not in _by_name():
        raise ValueError(f"There is no study {kind!r}; this version knows {', '.join(_by_name())}.")
    return _by_name()[kind].model_validate_json(text)


@functools.cache
def _by_name() -> dict[str, type[Study]]:
    return {str(kind.model_fields["kind"].default): kind for kind in kinds()}
