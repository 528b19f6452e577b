from dataclasses import replace

import numpy as np
import pytest

from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.settings import Settings, recipe_of
from compression.recipe.steps import LowRank
from compression.search import track_record
from compression.search.curves import curve_recipes
from compression.search.estimate import WIDTH, Known, estimate, lesson_of
from tests.support.made_up_results import ACCURACY, BYTES, MS, fabricate

MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)
KNOWN = Known(SUBJECT, ACCURACY, BYTES, MS)
CURVES = {
    curve: {at: fabricate(recipe) for at, recipe in recipes.items()}
    for curve, recipes in curve_recipes(SUBJECT, "none").items()
}


def test_a_measurement_does_not_help_its_own_estimate():
    position, result = 50, CURVES["channel_pruning"][50]
    miss = track_record.miss_of(result, KNOWN, CURVES)
    with_it = estimate(Settings(pruning_percent=position), KNOWN, CURVES)
    assert with_it.accuracy == pytest.approx(result.accuracy)
    without = {**CURVES, "channel_pruning": {at: r for at, r in CURVES["channel_pruning"].items() if at != position}}
    assert miss.estimate == estimate(Settings(pruning_percent=position), KNOWN, without)
    assert miss.estimate.accuracy != pytest.approx(result.accuracy, abs=1e-4)


def test_a_miss_is_measured_minus_estimated():
    combined = recipe_of(SUBJECT, Settings(pruning_percent=50, weight_bits=4))
    guess = estimate(Settings(pruning_percent=50, weight_bits=4), KNOWN, CURVES)
    measured = fabricate(
        combined,
        accuracy=guess.accuracy - 0.02,
        stored_bytes=round(1.1 * guess.stored_bytes),
        latency_ratio=0.5 * guess.latency_ms / MS,
    )
    miss = track_record.miss_of(measured, KNOWN, CURVES)
    assert (miss.accuracy_points, miss.size_share, miss.latency_share) == pytest.approx((-2, 0.1, -0.5), abs=1e-3)
    assert "−2.0 points, +10 % in size and −50 % in latency" in track_record.miss_in_words(miss, 1000)


@pytest.mark.parametrize(
    "recipe", [Recipe(model=MODEL), make_recipe(MODEL, [{"technique": "magnitude_pruning", "sparsity": 0.99}])]
)
def test_there_is_none_for_the_baseline_or_what_no_slider_says(recipe):
    assert track_record.miss_of(fabricate(recipe), KNOWN, CURVES) is None


def test_there_is_none_before_the_baseline_is_measured():
    result = CURVES["quantization"][4]
    assert track_record.miss_of(result, replace(KNOWN, latency_ms=None), CURVES) is None
    assert track_record.record([result], replace(KNOWN, accuracy=None), CURVES) is None


def test_the_record_is_the_median_of_the_misses():
    results = [result for points in CURVES.values() for result in points.values()]
    found = track_record.record(results, KNOWN, CURVES)
    misses = [track_record.miss_of(result, KNOWN, CURVES) for result in results]
    sizes = sorted(abs(miss.size_share) for miss in misses if miss)
    assert found.n == len(sizes)
    middle = (sizes[(len(sizes) - 1) // 2] + sizes[len(sizes) // 2]) / 2
    assert found.size_share == pytest.approx(middle)
    assert f"median of {found.n} settings" in track_record.record_in_words(found)


class TestRanges:
    def test_nine_of_ten_are_inside(self):
        assert track_record.width([*range(1, 20)]) == 18
        assert track_record.width([*range(1, 10)]) == 9

    def test_few_misses_do_not_narrow_them(self):
        assert track_record.width([]) == track_record.width([0.1] * 8) == WIDTH
        assert track_record.width([0.1, 4.0]) == 4

    def test_what_is_measured_lies_in_them_as_often_as_is_said(self):
        random = np.random.default_rng(0)
        inside = total = 0
        for _ in range(10):
            curves = {
                curve: {
                    at: one.model_copy(update={"accuracy": ACCURACY - random.random() ** 3})
                    for at, one in points.items()
                }
                for curve, points in CURVES.items()
            }
            every = [one for points in curves.values() for one in points.values()]
            found = track_record.record(every, KNOWN, curves)
            inside, total = inside + found.inside, total + found.n
        assert 0.85 <= inside / total <= 0.99
        words = track_record.record_in_words(found)
        assert f"lay in the given range {found.inside} of {found.n} times" in words


class TestLessons:
    HERE = Settings(pruning_percent=50, weight_bits=4)

    def taught(self, settings=HERE, *, latency=1.5, size=1.2, accuracy=None):
        """A measurement that differs from its estimate by these factors."""
        guess = estimate(settings, KNOWN, CURVES)
        return fabricate(
            recipe_of(SUBJECT, settings),
            accuracy=guess.accuracy if accuracy is None else accuracy,
            stored_bytes=round(size * guess.stored_bytes),
            latency_ratio=latency * guess.latency_ms / MS,
        )

    def lessons(self, *results):
        return track_record.lessons_of(results, KNOWN, CURVES)

    def ratio(self, settings, *results):
        """Of the latency that is expected with these measurements, to that without them."""
        with_them = estimate(settings, KNOWN, CURVES, lessons=self.lessons(*results))
        return with_them.latency_ms / estimate(settings, KNOWN, CURVES).latency_ms

    def test_a_combination_teaches_its_neighbours_more_than_those_far_away(self):
        near, far = replace(self.HERE, pruning_percent=55), replace(self.HERE, pruning_percent=90, weight_bits=8)
        taught = self.taught()
        assert self.ratio(self.HERE, taught) == pytest.approx(1.5, rel=0.03)
        assert 1.5 > self.ratio(self.HERE, taught) > self.ratio(near, taught) > self.ratio(far, taught) > 1

    def test_size_and_accuracy_are_learned_too(self):
        accuracy = KNOWN.accuracy - 2 * (KNOWN.accuracy - estimate(self.HERE, KNOWN, CURVES).accuracy) - 0.005
        found = estimate(self.HERE, KNOWN, CURVES, lessons=self.lessons(self.taught(size=1.2, accuracy=accuracy)))
        assert found.stored_bytes == pytest.approx(1.2 * estimate(self.HERE, KNOWN, CURVES).stored_bytes, rel=0.02)
        assert found.accuracy == pytest.approx(accuracy, abs=0.004)

    @pytest.mark.parametrize(
        "other",
        [
            Settings(pruning_percent=50),
            Settings(weight_bits=4),
            Settings(pruning_percent=50, weight_bits=4, budget="quick"),
            Settings(pruning_percent=50, weight_bits=4, remove="weights"),
            Settings(pruning_percent=50, weight_bits=4, structure=(LowRank(rank_ratio=0.5),)),
        ],
    )
    def test_it_teaches_nothing_of_what_is_another_matter(self, other):
        assert self.ratio(other, self.taught()) == pytest.approx(1)

    def test_one_slider_alone_is_what_its_curve_says(self):
        alone = self.taught(Settings(pruning_percent=50))
        assert self.lessons(alone) == ()
        assert lesson_of(Settings(pruning_percent=50), alone, KNOWN, CURVES) is None

    def test_a_measurement_teaches_others_but_not_its_own_estimate(self):
        taught = self.taught(latency=1.5)
        miss = track_record.miss_of(taught, KNOWN, CURVES, self.lessons(taught))
        assert miss.latency_share == pytest.approx(0.5, abs=0.01)
        neighbour = self.taught(replace(self.HERE, pruning_percent=55), latency=1.5)
        less = track_record.miss_of(taught, KNOWN, CURVES, self.lessons(taught, neighbour))
        assert 0 < less.latency_share < 0.2
