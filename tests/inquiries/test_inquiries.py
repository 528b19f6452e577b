import numpy as np
import pytest
from pydantic import ValidationError

from compression.inquiries import answered_by, course, parse_inquiry
from compression.inquiries.activations import ActivationInquiry
from compression.inquiries.anatomy import AnatomyInquiry
from compression.inquiries.inquiry import Answer
from compression.inquiries.layer_tables import TableInquiry
from compression.inquiries.outcomes import OutcomeInquiry, Outcomes, PictureInquiry
from compression.inquiries.retiming import RetimingInquiry
from compression.inquiries.verification import VerificationInquiry
from compression.inquiries.weights import WeightInquiry
from compression.recipe.recipe import make_recipe

RECIPE = make_recipe("mlp-digits", [{"technique": "quantization", "weight_bits": 4}])
INQUIRIES = [
    OutcomeInquiry(recipe=RECIPE),
    PictureInquiry(recipe=RECIPE, indices=(0, 5)),
    VerificationInquiry(recipe=RECIPE),
    RetimingInquiry(recipe=RECIPE, done=1),
    *(
        kind(recipe=RECIPE)
        for kind in (course.LayoutInquiry, course.TeacherInquiry, course.SplitInquiry, course.TimingInquiry)
    ),
    *(
        kind(recipe=RECIPE, layer="layers.1")
        for kind in (
            course.PruningInquiry,
            course.RoundingInquiry,
            course.SharingInquiry,
            course.FactorInquiry,
            course.CodingInquiry,
        )
    ),
    AnatomyInquiry(recipe=RECIPE),
    WeightInquiry(recipe=RECIPE),
    ActivationInquiry(recipe=RECIPE),
    TableInquiry(recipe=RECIPE),
]


@pytest.mark.parametrize("inquiry", INQUIRIES, ids=lambda inquiry: inquiry.kind)
class TestEveryInquiry:
    def test_can_be_written_and_read(self, inquiry):
        assert parse_inquiry(inquiry.to_json()) == inquiry

    def test_says_what_it_does(self, inquiry):
        assert inquiry.WORDS
        assert issubclass(inquiry.ANSWER, Answer)

    def test_is_another_one_for_another_recipe_or_version(self, inquiry, monkeypatch):
        other = inquiry.model_copy(update={"recipe": RECIPE.baseline()})
        assert len({inquiry.inquiry_id, other.inquiry_id, *(one.inquiry_id for one in INQUIRIES)}) == len(INQUIRIES) + 1
        before = inquiry.inquiry_id
        monkeypatch.setattr(type(inquiry), "VERSION", inquiry.VERSION + 1)
        assert inquiry.inquiry_id != before


def test_every_kind_is_tried_here():
    assert {kind.KIND for kind in answered_by()} == {inquiry.kind for inquiry in INQUIRIES}


def test_of_pictures_there_are_some_and_not_too_many():
    for indices in ((), tuple(range(501))):
        with pytest.raises(ValidationError):
            PictureInquiry(recipe=RECIPE, indices=indices)


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


def test_a_inquiry_of_another_version_is_refused():
    with pytest.raises(ValueError, match="no inquiry 'wishing'; this version knows activations, "):
        parse_inquiry('{"kind": "wishing"}')
