import pytest

from compression.explain.training import NO_HELP, trainings_in_words
from compression.results.record import Training
from tests.support.fake_run import recipe
from tests.support.made_up_results import fabricate

POINTS = ((0, 0.91), (100, 0.93), (200, 0.95))


def words(*trainings):
    return trainings_in_words(fabricate(recipe(1)).model_copy(update={"trainings": trainings}))


def training(kept="average", kept_at=200, steps=200, planned=200):
    return Training(kept=kept, kept_at=kept_at, steps=steps, planned=planned, n_validation=500, points=POINTS)


def test_it_says_where_nothing_was_won():
    (said,) = words(training("untrained", 0))
    assert NO_HELP in said
    assert "500 validation images" in said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (training(), "the average of the last weights at the end did best"),
        (training("checkpoint", 100), "the network after 100 of 200 steps did best"),
        (training("checkpoint", 150, 150), "ended by hand after 150 of 200 steps"),
    ],
)
def test_it_says_what_was_kept_and_when(given, expected):
    (said,) = words(given)
    assert expected in said
    assert NO_HELP not in said
    assert "91.0 % before, 95.0 % at best on the way" in said


def test_several_trainings_are_told_apart_and_old_results_have_none():
    assert [said.split(":")[0] for said in words(training(), training())] == ["Training 1", "Training 2"]
    assert words() == ()
