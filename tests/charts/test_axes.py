import pytest

from compression.charts import drawing, tradeoff
from compression.charts.axes import COSTS, GAINS, Axes, Point, title_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.results.energy import energy
from compression.results.metrics import METRICS
from compression.search.estimate import Estimate
from tests.support.made_up_results import MS, fabricate, preview

MODEL = "lenet5-mnist5k"
BASELINE = fabricate(Recipe(model=MODEL))
SMALL = fabricate(make_recipe(MODEL, [{"technique": "channel_pruning", "pruning_ratio": 0.5}]))
POINT = Point(SMALL.recipe_id, SMALL, "")

EXPECTED = {
    "stored": SMALL.stored_bytes / 1000,
    "theoretical": SMALL.theoretical_bytes / 1000,
    "runtime": SMALL.onnx_bytes / 1000,
    "zipped": SMALL.zipped_bytes / 1000,
    "memory": (SMALL.weight_bytes + SMALL.activation_bytes) / 1000,
    "latency": MS * SMALL.latency_ratio,
    "macs": SMALL.macs / 1e6,
    "energy": 1e6 * energy(SMALL).joules,
    "accuracy": 100 * SMALL.accuracy,
    "worst_class": 100 * SMALL.worst_class.accuracy,
    "flips": 100 * SMALL.changed_predictions / SMALL.n_test,
}


def test_every_axis_is_tried_here():
    assert set(EXPECTED) == {*COSTS, *GAINS}


@pytest.mark.parametrize("axis", EXPECTED)
class TestEveryAxis:
    def test_reads_its_number_and_the_interval_around_it(self, axis):
        value = POINT.on(METRICS[axis])
        assert value.at == pytest.approx(EXPECTED[axis])
        assert (value.low is None) == (axis in COSTS and axis != "latency")
        if value.low is not None:
            assert value.low <= value.at <= value.high

    def test_has_its_unit_in_its_title(self, axis):
        assert {"%", "KB", "ms", "millions", "µJ"} & set(title_of(METRICS[axis]).replace(",", " ").split())

    def test_ranges_hold_the_point_and_the_baseline(self, axis):
        data = tradeoff.tradeoff([BASELINE, SMALL], {}, Recipe.model_validate(SMALL.recipe))
        axes = Axes(left=axis) if axis in COSTS else Axes(gain=axis)
        plane = drawing.plane(axes.left, axes, tradeoff.ranges_for(data, 1_000_000, axes=axes))
        for result in (BASELINE, SMALL):
            x, y = plane.on(tradeoff.point_of(result))
            assert all(0 <= share <= 1 for share in plane.share(x.at, y.at))


def test_estimates_are_read_in_the_axes_units():
    data = tradeoff.Tradeoff(guess=Estimate(0.9, 100_000, 0.1))
    known = {axis: at for axis in EXPECTED if (at := tradeoff.known_or_expected(data, METRICS[axis]))}
    assert known == {"stored": 100.0, "latency": 0.1, "accuracy": 90.0}


def test_fewer_changed_predictions_are_better():
    data = tradeoff.tradeoff([BASELINE, SMALL], {}, Recipe(model=MODEL))
    front = tradeoff.front_of([point.known for point in data.points], "stored", "flips")
    assert [data.points[n].recipe_id for n in front] == [SMALL.recipe_id, BASELINE.recipe_id]


def test_a_setting_without_estimate_on_an_axis_has_no_mark_until_it_is_measured():
    current = Recipe.model_validate(SMALL.recipe)
    waiting = tradeoff.tradeoff([BASELINE], {}, current, Estimate(0.9, 100_000, 0.1))
    ranges = tradeoff.ranges_for(waiting, 1_000_000, axes=Axes("energy", "macs", "accuracy"))
    axes = Axes("energy", "macs")
    assert drawing.mark(waiting, drawing.plane("energy", axes, ranges))["x"] == []
    early = tradeoff.tradeoff([BASELINE], {}, current, preview=preview(current))
    mark = drawing.mark(early, drawing.plane("macs", axes, ranges))
    assert (mark["x"], mark["text"]) == ([SMALL.macs / 1e6], ["measured"])
