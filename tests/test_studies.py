import numpy as np
import pytest
from pydantic import ValidationError

from compression.recipe import make_recipe
from compression.studies import kinds, lessons, parse_study
from compression.studies.activations import ActivationStudy
from compression.studies.anatomy import AnatomyStudy
from compression.studies.outcomes import Outcomes, OutcomeStudy, PictureStudy
from compression.studies.sensitivity import SensitivityStudy
from compression.studies.study import Answer
from compression.studies.verification import VerificationStudy
from compression.studies.weights import WeightStudy

RECIPE = make_recipe("mlp-digits", [{"technique": "quantization", "weight_bits": 4}])
STUDIES = [
    OutcomeStudy(recipe=RECIPE),
    PictureStudy(recipe=RECIPE, indices=(0, 5)),
    VerificationStudy(recipe=RECIPE),
    *(
        kind(recipe=RECIPE)
        for kind in (lessons.LayoutStudy, lessons.TeacherStudy, lessons.SplitStudy, lessons.TimingStudy)
    ),
    *(
        kind(recipe=RECIPE, layer="layers.1")
        for kind in (
            lessons.PruningStudy,
            lessons.RoundingStudy,
            lessons.SharingStudy,
            lessons.FactorStudy,
            lessons.CodingStudy,
        )
    ),
    AnatomyStudy(recipe=RECIPE),
    WeightStudy(recipe=RECIPE),
    ActivationStudy(recipe=RECIPE),
    SensitivityStudy(recipe=RECIPE),
]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.kind)
class TestEveryStudy:
    def test_can_be_written_and_read(self, study):
        assert parse_study(study.to_json()) == study

    def test_says_what_it_does(self, study):
        assert study.WORDS
        assert issubclass(study.ANSWER, Answer)

    def test_is_another_one_for_another_recipe_or_version(self, study, monkeypatch):
        other = study.model_copy(update={"recipe": RECIPE.baseline()})
        assert len({study.study_id, other.study_id, *(one.study_id for one in STUDIES)}) == len(STUDIES) + 1
        before = study.study_id
        monkeypatch.setattr(type(study), "VERSION", study.VERSION + 1)
        assert study.study_id != before


def test_every_kind_is_tried_here():
    assert {kind.model_fields["kind"].default for kind in kinds()} == {study.kind for study in STUDIES}


def test_of_pictures_there_are_some_and_not_too_many():
    for indices in ((), tuple(range(501))):
        with pytest.raises(ValidationError):
            PictureStudy(recipe=RECIPE, indices=indices)


class TestArrays:
    @pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "float32", "int64"])
    def test_survive_as_json(self, dtype):
        array = np.arange(12).reshape(3, 4).astype(dtype)
        answer = Outcomes(probabilities=array, labels=np.zeros(0, np.uint8))
        again = Outcomes.model_validate_json(answer.model_dump_json())
        np.testing.assert_array_equal(again.probabilities, array)
        assert again.probabilities.dtype == array.dtype
        assert again.labels.shape == (0,)

    def test_lists_are_taken(self):
        assert Outcomes(probabilities=[[0.5, 0.5]], labels=[1]).probabilities.shape == (1, 2)

    @pytest.mark.parametrize("value", [np.array([object()]), {"dtype": "object", "shape": [1], "zlib": "eJxjAAAAAQAB"}])
    def test_objects_are_refused(self, value):
        with pytest.raises(ValidationError, match="object cannot be written"):
            Outcomes(probabilities=value, labels=[1])


def test_a_study_of_another_version_is_refused():
    with pytest.raises(ValueError, match="no study 'wishing'; this version knows activations, "):
        parse_study('{"kind": "wishing"}')
