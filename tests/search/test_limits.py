import pytest

from compression.recipe.recipe import make_recipe
from compression.search.limits import NO_LIMITS, Limits, choose, exceeded
from tests.support.made_up_results import MS, fabricate

MODEL = "lenet5-mnist5k"


def result(**changes):
    numbers = {"stored_bytes": 100_000, "latency_ratio": 0.5, "accuracy_difference": -0.01}
    recipe = make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 1}], seed=len(str(changes)))
    return fabricate(recipe, **(numbers | changes))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (NO_LIMITS, ()),
        (Limits(stored_kb=100), ()),
        (Limits(stored_kb=99), ("100 KB is over 99.0 KB",)),
        (Limits(latency_ms=0.1), ()),
        (Limits(latency_ms=0.09), ("0.100 ms is over 0.0900 ms",)),
        (Limits(drop_points=1), ()),
        (Limits(drop_points=0.5), ("1 points lost are over 0.5",)),
        (Limits(50, 0.05, 0), ("100 KB is over 50.0 KB", "0.100 ms is over 0.0500 ms", "1 points lost are over 0")),
    ],
)
def test_a_limit_is_the_most_that_is_allowed(limits, words):
    assert exceeded(result(), limits, MS) == words
    assert limits.are_set == (limits != Limits())


SETTINGS = [
    result(stored_bytes=90_000, accuracy=0.97, accuracy_difference=-0.02),
    result(stored_bytes=120_000, accuracy=0.985, accuracy_difference=-0.005),
    result(stored_bytes=200_000, accuracy=0.99, accuracy_difference=0.0),
]


@pytest.mark.parametrize(
    ("limits", "best", "allowed"),
    [
        (Limits(drop_points=1), 1, 2),  # the smallest that loses no more
        (Limits(stored_kb=150), 1, 2),  # the most accurate that is no larger
        (Limits(drop_points=5), 0, 3),
        (Limits(latency_ms=1), 2, 3),
        (Limits(stored_kb=100, drop_points=1), None, 0),
    ],
)
def test_the_best_within_the_limits(limits, best, allowed):
    choice = choose(SETTINGS, limits, MS)
    assert (choice.allowed, choice.total) == (allowed, 3)
    assert choice.best == (None if best is None else SETTINGS[best])
    assert choice.best_by == ("the smallest file" if limits.drop_points else "the most accurate")
