from compression.recipe.recipe import Recipe, make_recipe
from compression.results.record import Choosing
from compression.search.answer import answer, finalists, sentences
from compression.search.limits import NO_LIMITS, Limits
from compression.search.wish import wish_for
from tests.support.made_up_results import fabricate, timing

MODEL = "lenet5-mnist5k"
_SEEDS = iter(range(1, 10_000))


def setting(kb, ratio=0.5, lost=0.0, lost_on_test=None, around=0.001, **changes):
    """Of so many kilobytes and a latency ratio known to 2 %, that loses so much on validation and on test images."""
    on_test = lost if lost_on_test is None else lost_on_test
    seen = {"difference": -lost, "difference_low": -lost - around, "difference_high": -lost + around}
    numbers = {
        "stored_bytes": round(1000 * kb),
        "latency_ratio": ratio,
        "latency_ratio_low": 0.98 * ratio,
        "latency_ratio_high": 1.02 * ratio,
        "accuracy": 0.99 - on_test,
        "accuracy_difference": -on_test,
        "accuracy_difference_low": -on_test - around,
        "accuracy_difference_high": -on_test + around,
        "validation": Choosing(accuracy=0.99 - lost, n=500, **seen),
    }
    recipe = make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 4}], seed=next(_SEEDS))
    return fabricate(recipe, **(numbers | changes))


ORIGINAL = fabricate(Recipe(model=MODEL))


def test_the_best_keeps_every_limit_and_says_so():
    small, large = setting(90, lost=0.004), setting(190, lost=0.001)
    found = answer([ORIGINAL, small, large], wish_for(Limits(stored_kb=200, drop_points=1), "smallest"))
    assert found.best is small and found.is_met
    assert [(one.field, one.asked, one.state) for one in found.limits] == [
        ("stored_kb", 200, "kept"),
        ("drop_points", 1, "kept"),
    ]
    assert [round(one.reached, 3) for one in found.limits] == [90, 0.4]
    assert sentences(found)[0].startswith("Met: the smallest file of 3 settings is 4-bit weights")


def test_one_that_surely_keeps_a_limit_comes_before_one_that_perhaps_does():
    perhaps, sure = setting(50, lost=0.0095), setting(60, lost=0.005)
    wish = wish_for(Limits(drop_points=1), "smallest")
    assert answer([perhaps, sure], wish).best is sure
    only = answer([perhaps], wish)
    assert only.best is perhaps and not only.is_met
    assert [one.state for one in only.limits] == ["perhaps"]
    assert sentences(only)[0].startswith("Perhaps met")


def test_one_that_is_beyond_a_limit_on_test_images_is_not_offered():
    lucky, honest = setting(50, lost=0.001, lost_on_test=0.03), setting(80, lost=0.002)
    found = answer([lucky, honest], wish_for(Limits(drop_points=1), "smallest"))
    assert found.best is honest and found.is_met and found.passed_over == 1
    assert lucky not in [one.result for one in found.others]
    assert any("did not hold on test images" in line for line in sentences(found))


def test_what_is_reported_is_of_the_test_images():
    found = answer([setting(50, lost=0.001, lost_on_test=0.006)], wish_for(Limits(drop_points=1)))
    assert round(found.limits[0].reached, 3) == 0.6


def test_where_nothing_keeps_all_limits_the_nearest_is_named_and_what_each_would_have_to_give():
    small, fast = setting(90, ratio=0.9), setting(400, ratio=0.3)
    found = answer([ORIGINAL, small, fast], wish_for(Limits(stored_kb=80, latency_ratio=0.5)))
    assert found.best is None and not found.is_met
    assert found.nearest is small  # 0.12 + 0.59 over in logarithms, the other 1.61
    assert [one.state for one in found.limits] == ["not kept", "not kept"]
    needed = {one.field: one.reached for one in found.needed}
    assert needed == {"stored_kb": 400}  # no time would be enough: nothing is as small as asked
    assert sentences(found)[0].startswith("Not met: none of 3 settings keeps to every limit. Nearest:")


def test_without_limits_the_target_alone_decides():
    small, good = setting(10, lost=0.2), setting(500)
    assert answer([small, good], wish_for(NO_LIMITS, "smallest")).best is small
    assert answer([small, good], wish_for(NO_LIMITS, "accuracy")).best is good


def test_runners_up_are_better_in_something_else():
    best, faster, better = setting(50, 0.6, 0.005), setting(90, 0.2, 0.006), setting(95, 0.7, 0.0)
    found = answer([best, faster, better], wish_for(Limits(stored_kb=100, drop_points=1), "smallest"))
    assert {one.why: one.result for one in found.others} == {"more accurate": better, "faster": faster}


def test_loosening_a_limit_that_binds_has_a_price():
    inside, beyond = setting(99, lost=0.009), setting(30, lost=0.017)
    found = answer([inside, beyond], wish_for(Limits(stored_kb=100, drop_points=1), "smallest"))
    assert found.best is inside
    (price,) = found.prices  # one more point; ten percent more kilobytes would bring nothing
    assert (price.field, price.most, price.result) == ("drop_points", 2, beyond)
    assert "30.0 KB instead of 99.0 KB" in price.words


def test_finalists_are_those_whose_time_rests_on_few_measurements():
    once, often = setting(50, timings=(timing(0.5),)), setting(60, timings=(timing(0.5),) * 3)
    same = setting(40, timings=(timing(1.0),), graph=ORIGINAL.graph or "g")
    same = same.model_copy(update={"graph": "g", "baseline": same.baseline.model_copy(update={"graph": "g"})})
    assert finalists([once, often, same], wish_for(Limits(stored_kb=100))) == (once,)


def test_nothing_measured_is_no_answer():
    found = answer([], wish_for(NO_LIMITS))
    assert (found.best, found.nearest, found.is_met) == (None, None, False)
    assert sentences(found) == ["Nothing was measured yet."]


def test_hardly_faster_is_not_named_as_faster():
    best, hardly = setting(50, 0.6, 0.005), setting(90, 0.59, 0.005)
    found = answer([best, hardly], wish_for(Limits(stored_kb=100, drop_points=1), "smallest"))
    assert [one.why for one in found.others] == ["runner-up"]
