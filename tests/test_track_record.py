from dataclasses import replace

import pytest
from fake_engine import ACCURACY, BYTES, MS, fabricate

from compression import track_record
from compression.estimate import Known, estimate
from compression.recipe import Recipe, make_recipe
from compression.settings import Settings, recipe_of
from compression.sweeps import curve_recipes

MODEL = "lenet5-mnist5k"
KNOWN = Known(ACCURACY, BYTES, MS)
CURVES = {
    curve: {at: fabricate(recipe) for at, recipe in recipes.items()}
    for curve, recipes in curve_recipes(MODEL, "none").items()
}


def test_a_measurement_does_not_help_its_own_estimate():
    position, result = 50, CURVES["channel_pruning"][50]
    miss = track_record.miss_of(result, KNOWN, CURVES)
    with_it = estimate(Settings(pruning_percent=position), KNOWN, CURVES)
    assert with_it.accuracy == pytest.approx(result.accuracy)
    without = {**CURVES, "channel_pruning": {at: r for at, r in CURVES["channel_pruning"].items() if at != position}}
    assert miss.estimate == estimate(Settings(pruning_percent=position), KNOWN, without)
    assert miss.estimate.stored_bytes != pytest.approx(result.stored_bytes)


def test_a_miss_is_measured_minus_estimated():
    combined = recipe_of(MODEL, Settings(pruning_percent=50, weight_bits=4))
    guess = estimate(Settings(pruning_percent=50, weight_bits=4), KNOWN, CURVES)
    measured = fabricate(
        combined, accuracy=guess.accuracy - 0.02, stored_bytes=round(1.1 * guess.stored_bytes),
        latency_ratio=0.5 * guess.latency_ms / MS,
    )  # fmt: skip
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
