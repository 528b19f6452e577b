from compression.charts import drawing, tradeoff
from compression.charts.axes import Axes
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.recipe.settings import Settings, recipe_of
from compression.results.record import Choosing
from compression.search import limits
from compression.search.limits import NO_LIMITS, Limits
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"


class TestLimits:
    RESULTS = (fabricate(Recipe(model=MODEL)), fabricate(recipe_of(subject_of(MODEL), Settings(weight_bits=4))))

    def figure(self, allowed, cost="stored", gain="accuracy", is_even=False, results=RESULTS):
        data = tradeoff.tradeoff(results, {}, Recipe(model=MODEL), limits=allowed)
        axes = Axes(cost, "latency", gain, is_even)
        return drawing.draw(data, drawing.plane(cost, axes, tradeoff.ranges_for(data, 1_000_000, axes=axes)))

    def test_without_limits_nothing_is_shaded_or_marked(self):
        figure = self.figure(NO_LIMITS)
        assert figure["layout"]["shapes"] == []
        assert "best within your limits" not in [trace["name"] for trace in figure["data"]]

    def test_what_is_not_allowed_is_shaded_where_its_axis_is(self):
        allowed = Limits(stored_kb=500, drop_points=1)
        across, line = self.figure(allowed)["layout"]["shapes"]
        assert across["x0"] == line["x0"] == line["x1"] == 500
        assert self.figure(allowed, cost="latency")["layout"]["shapes"] == []

    def struck(self, allowed, results, cost="stored"):
        figure = self.figure(allowed, cost, results=results)
        return [
            found for trace in figure["data"] if trace["name"] == "beyond your limits" for found in trace["customdata"]
        ]

    def test_what_is_struck_out_is_what_validation_images_judge(self):
        """Not what the axis shows: there the one that may be shown lost more than the one that may not."""
        lost, kept = (
            fabricate(
                recipe_of(subject_of(MODEL), Settings(weight_bits=bits)),
                accuracy=0.99 + on_test,
                accuracy_difference=on_test,
                validation=Choosing(
                    accuracy=0.98 + seen,
                    n=1000,
                    difference=seen,
                    difference_low=seen - 0.001,
                    difference_high=seen + 0.001,
                ),
            )
            for bits, on_test, seen in ((3, -0.005, -0.02), (4, -0.02, -0.005))
        )
        results = (self.RESULTS[0], lost, kept)
        for cost in ("stored", "latency"):
            assert self.struck(Limits(drop_points=1), results, cost) == [lost.recipe_id]
        assert self.struck(Limits(drop_points=3), results) == []
        assert limits.choose(results, Limits(drop_points=1)).best == kept

    def test_what_costs_too_much_is_struck_out_on_both_charts(self):
        for cost in ("stored", "latency"):
            assert self.struck(Limits(stored_kb=500), self.RESULTS, cost) == [self.RESULTS[0].recipe_id]
        assert self.struck(NO_LIMITS, self.RESULTS) == []

    def test_a_point_says_by_what_it_is_beyond(self):
        beyond = tradeoff.point_of(self.RESULTS[0], Limits(stored_kb=500))
        assert beyond.hover.endswith("<br>1.70 MB is over 500 KB")
        assert tradeoff.point_of(self.RESULTS[0]).hover in beyond.hover

    def test_the_best_is_marked_on_both(self):
        for cost in ("stored", "latency"):
            (ring,) = [
                t for t in self.figure(Limits(drop_points=1), cost)["data"] if t["name"] == "best within your limits"
            ]
            assert ring["customdata"] == [self.RESULTS[1].recipe_id]

    def test_nothing_is_marked_where_nothing_is_allowed(self):
        names = [trace["name"] for trace in self.figure(Limits(stored_kb=0))["data"]]
        assert "best within your limits" not in names
