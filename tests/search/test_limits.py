import pytest

from compression.charts import drawing, tradeoff
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.settings import Settings, recipe_of
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


class TestOnTheCharts:
    RESULTS = (fabricate(Recipe(model=MODEL)), fabricate(recipe_of(subject_of(MODEL), Settings(weight_bits=4))))

    def figure(self, limits, cost="stored", gain="accuracy"):
        data = tradeoff.tradeoff(self.RESULTS, {}, Recipe(model=MODEL), limits=limits)
        return drawing.draw(data, cost, gain, tradeoff.ranges_for(data, 1_000_000))

    def test_without_limits_nothing_is_shaded_or_marked(self):
        figure = self.figure(NO_LIMITS)
        assert figure["layout"]["shapes"] == []
        assert "best within your limits" not in [trace["name"] for trace in figure["data"]]

    def test_what_is_not_allowed_is_shaded_where_its_axis_is(self):
        limits = Limits(stored_kb=500, drop_points=1)
        across, line, up, _ = self.figure(limits)["layout"]["shapes"]
        assert across["x0"] == line["x0"] == line["x1"] == 500
        assert up["y1"] == pytest.approx(98.0)
        only_up, _ = self.figure(limits, cost="latency")["layout"]["shapes"]
        assert only_up == up

    def test_the_best_is_marked_on_both(self):
        for cost in ("stored", "latency"):
            (ring,) = [t for t in self.figure(Limits(drop_points=1), cost)["data"] if t["name"].startswith("best")]
            assert ring["customdata"] == [self.RESULTS[1].recipe_id]

    def test_nothing_is_marked_where_nothing_is_allowed(self):
        names = [trace["name"] for trace in self.figure(Limits(stored_kb=0))["data"]]
        assert "best within your limits" not in names
