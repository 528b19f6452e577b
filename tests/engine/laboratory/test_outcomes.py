import numpy as np
import pytest

from compression.engine import laboratory
from compression.errors import InvalidRecipe
from compression.inquiries.outcomes import OutcomeInquiry, PictureInquiry


def test_outcomes_are_those_that_were_measured(bench):
    found = laboratory.answer(OutcomeInquiry(recipe=bench.recipe), bench.bench)
    assert found.probabilities.shape == (500, 10)
    np.testing.assert_allclose(found.probabilities.astype(float).sum(axis=1), 1, atol=2e-3)
    chosen = found.probabilities.argmax(axis=1)
    subject = bench.bench.variant
    assert (chosen == subject.predictions).mean() > 0.99  # float16 may tie
    assert (subject.predictions == found.labels).mean() == subject.result.accuracy


def test_pictures_are_those_of_the_test_split(bench):
    found = laboratory.answer(PictureInquiry(recipe=bench.recipe, indices=(3, 0)), bench.bench)
    test = bench.bench.dataset.test
    np.testing.assert_array_equal(found.images, test.images[[3, 0]])
    assert found.white == test.white


def test_a_picture_that_is_not_there_is_refused(bench):
    with pytest.raises(InvalidRecipe, match="no test image 500"):
        laboratory.answer(PictureInquiry(recipe=bench.recipe, indices=(500,)), bench.bench)
