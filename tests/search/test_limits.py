import pytest

from compression.recipe.recipe import Recipe, make_recipe
from compression.results.record import Choosing, WorstClass
from compression.search.limits import NO_LIMITS, Limits, choose, judge
from tests.support.made_up_results import MS, fabricate

MODEL = "lenet5-mnist5k"


def result(lost=0.01, around=0.004, **changes):
    """One that loses so much on validation images, give or take, and something else on the test images."""
    seen = {"difference": -lost, "difference_low": -lost - around, "difference_high": -lost + around}
    numbers = {
        "stored_bytes": 100_000,
        **dict(zip(("latency_ratio", "latency_ratio_low", "latency_ratio_high"), (0.5, 0.45, 0.55), strict=True)),
        "accuracy_difference": 0.3,
        "validation": Choosing(accuracy=0.99 - lost, n=500, **seen),
    }
    recipe = make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 1}], seed=len(str((lost, changes))))
    return fabricate(recipe, **(numbers | changes))


@pytest.mark.parametrize(
    ("limits", "states"),
    [
        (NO_LIMITS, ()),
        (Limits(stored_kb=100), ("kept",)),
        (Limits(stored_kb=99), ("not kept",)),
        (Limits(latency_ms=0.55 * MS), ("kept",)),
        (Limits(latency_ms=0.46 * MS), ("perhaps",)),
        (Limits(latency_ms=0.44 * MS), ("not kept",)),
        (Limits(drop_points=1.4), ("kept",)),
        (Limits(drop_points=1), ("perhaps",)),
        (Limits(drop_points=0.7), ("perhaps",)),
        (Limits(drop_points=0.5), ("not kept",)),
        (Limits(stored_kb=50, latency_ms=0.01, drop_points=0), ("not kept", "not kept", "not kept")),
    ],
)
def test_a_limit_is_kept_by_the_whole_interval_or_perhaps(limits, states):
    assert tuple(one.state for one in judge(result(), limits)) == states
    assert limits.are_set == (limits != Limits())


def test_the_words_have_the_interval():
    size, time, lost = judge(result(), Limits(stored_kb=99, latency_ms=0.46 * MS, drop_points=0.7))
    assert size.words == "100 KB is over 99.0 KB"
    assert time.words == "0.100 ms (0.0900–0.110) is perhaps within 0.0920 ms"
    assert lost.words == "−1.0 points (−1.4 to −0.6) on 500 validation images is perhaps within 0.7 points lost"
    assert [size.by_itself, time.by_itself, lost.by_itself] == [False, False, False]


def test_the_original_loses_nothing():
    (kept,) = judge(fabricate(Recipe(model=MODEL)), Limits(drop_points=0))
    assert (kept.state, kept.by_itself) == ("kept", True)


SETTINGS = [
    result(0.02, stored_bytes=90_000),
    result(0.005, 0.006, stored_bytes=120_000),
    result(0.004, stored_bytes=150_000),
    result(0.0, stored_bytes=200_000),
]


@pytest.mark.parametrize(
    ("limits", "best", "sure", "kept", "perhaps"),
    [
        (Limits(drop_points=1), 1, 2, 2, 1),  # the smallest that loses no more, and the one that surely does not
        (Limits(stored_kb=160), 2, 2, 3, 0),  # the most accurate that is no larger
        (Limits(drop_points=5), 0, 0, 4, 0),
        (Limits(latency_ms=1), 3, 3, 4, 0),
        (Limits(stored_kb=100, drop_points=1), None, None, 0, 0),
    ],
)
def test_the_best_within_the_limits(limits, best, sure, kept, perhaps):
    choice = choose(SETTINGS, limits)
    assert (choice.kept, choice.perhaps, choice.total) == (kept, perhaps, 4)
    assert choice.best == (None if best is None else SETTINGS[best])
    assert choice.sure == (None if sure is None else SETTINGS[sure])
    assert choice.best_by == ("the smallest file" if limits.drop_points else "the most accurate")
    assert choice.finalists[:1] == (() if best is None else (choice.best,)) and len(choice.finalists) <= 3


def test_what_the_test_images_say_chooses_nothing():
    """Else the best of many would be the luckiest, and its report too good."""
    lucky = result(0.006, accuracy=1.0, accuracy_difference=0.01, stored_bytes=120_000)
    assert choose([*SETTINGS, lucky], Limits(stored_kb=160)).best == SETTINGS[2]
    unlucky = result(0.0, accuracy=0.5, accuracy_difference=-0.49, stored_bytes=80_000)
    assert choose([*SETTINGS, unlucky], Limits(drop_points=1)).best == unlucky


@pytest.mark.parametrize(("points", "said"), [(1.0, "1 point"), (0.5, "0.5 points"), (2.0, "2 points")])
def test_points_are_said_alike_of_a_limit_and_of_what_is_beyond_it(points, said):
    allowed = Limits(drop_points=points)
    assert allowed.words == f"at most {said} lost"
    assert judge(result(0.3), allowed)[0].words.endswith(f"is beyond {said} lost")


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        (Limits(runtime_kb=149), "not kept"),
        (Limits(runtime_kb=150), "kept"),
        (Limits(latency_ratio=0.56), "kept"),
        (Limits(latency_ratio=0.5), "perhaps"),
        (Limits(latency_ratio=0.4), "not kept"),
        (Limits(memory_kb=40), "kept"),
        (Limits(memory_kb=39), "not kept"),
    ],
)
def test_every_cost_can_be_limited(limits, state):
    measured = result(onnx_bytes=150_000, weight_bytes=30_000, activation_bytes=10_000)
    (kept,) = judge(measured, limits)
    assert kept.state == state


def test_a_chosen_setting_is_reported_on_the_test_images():
    measured = result(0.0, 0.001, accuracy_difference=-0.05, accuracy_difference_low=-0.06)
    measured = measured.model_copy(update={"accuracy_difference_high": -0.04})
    assert [one.state for one in judge(measured, Limits(drop_points=1))] == ["kept"]
    (kept,) = judge(measured, Limits(drop_points=1), on_test=True)
    assert kept.state == "not kept"
    assert "test images" in kept.words


def test_the_worst_class_is_compared_with_the_worst_one_before():
    worst, before = WorstClass(index=3, correct=60, n=100), WorstClass(index=1, correct=90, n=100)
    seen = {"accuracy": 0.9, "n": 1000, "difference": 0.0, "difference_low": 0.0, "difference_high": 0.0}
    measured = result(validation=Choosing(**seen, worst_class=worst, worst_class_before=before))
    limits = {most: Limits(worst_points=most) for most in (50, 30, 5)}
    assert [judge(measured, one)[0].state for one in limits.values()] == ["kept", "perhaps", "not kept"]
    unknown = result(validation=Choosing(**seen))
    assert judge(unknown, limits[50])[0].state == "not kept"


def test_the_best_is_what_the_target_says():
    small = result(0.001, 0.0005, stored_bytes=10_000, latency_ratio=0.9)
    fast = result(0.002, 0.0005, stored_bytes=20_000, latency_ratio=0.2)
    good = result(0.0, 0.0005, stored_bytes=30_000, latency_ratio=0.8)
    lean = result(0.003, 0.0005, stored_bytes=30_000, latency_ratio=0.8, weight_bytes=1)
    every = [small, fast, good, lean]
    wanted = {"smallest": small, "fastest": fast, "accuracy": good, "memory": lean}
    assert {target: choose(every, NO_LIMITS, target).best for target in wanted} == wanted
