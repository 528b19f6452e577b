import math

import pytest

from compression.charts import drawing, tradeoff
from compression.charts.axes import Axes
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.recipe.settings import Settings, recipe_of
from compression.search.limits import NO_LIMITS, Limits
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"


class TestLimits:
    RESULTS = (fabricate(Recipe(model=MODEL)), fabricate(recipe_of(subject_of(MODEL), Settings(weight_bits=4))))

    def figure(self, limits, cost="stored", gain="accuracy", is_even=False):
        data = tradeoff.tradeoff(self.RESULTS, {}, Recipe(model=MODEL), limits=limits)
        axes = Axes(cost, "latency", gain, is_even)
        return drawing.draw(data, drawing.plane(cost, axes, tradeoff.ranges_for(data, 1_000_000, axes=axes)))

    def test_without_limits_nothing_is_shaded_or_marked(self):
        figure = self.figure(NO_LIMITS)
        assert figure["layout"]["shapes"] == []
        assert "best within your limits" not in [trace["name"] for trace in figure["data"]]

    def test_what_is_not_allowed_is_shaded_where_its_axis_is(self):
        limits = Limits(stored_kb=500, drop_points=1)
        across, line, up, _ = self.figure(limits)["layout"]["shapes"]
        assert across["x0"] == line["x0"] == line["x1"] == 500
        assert up["y1"] == pytest.approx(-math.log10(0.02))  # 2 % go wrong
        assert self.figure(limits, is_even=True)["layout"]["shapes"][2]["y1"] == pytest.approx(-2)
        only_up, _ = self.figure(limits, cost="latency")["layout"]["shapes"]
        assert only_up == up

    def test_the_best_is_marked_on_both(self):
        for cost in ("stored", "latency"):
            (ring,) = [
                t for t in self.figure(Limits(drop_points=1), cost)["data"] if t["name"] == "best within your limits"
            ]
            assert ring["customdata"] == [self.RESULTS[1].recipe_id]

    def test_nothing_is_marked_where_nothing_is_allowed(self):
        names = [trace["name"] for trace in self.figure(Limits(stored_kb=0))["data"]]
        assert "best within your limits" not in names
