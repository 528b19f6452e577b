import math

import numpy as np
import pytest

from compression.recipe.recipe import Recipe, make_recipe
from compression.results.record import latencies
from compression.results.timing import DRIFT, Timing, pooled
from tests.support.made_up_results import fabricate, timing

MODEL = "lenet5-mnist5k"
BASELINE = fabricate(Recipe(model=MODEL))
SMALL = fabricate(make_recipe(MODEL, [{"technique": "channel_pruning", "pruning_ratio": 0.5}]))


def test_one_measurement_is_no_surer_than_the_drift_between_moments():
    at, low, high = pooled([[0.5] * 10])
    assert at == pytest.approx(0.5)
    assert math.log(high / low) == pytest.approx(2 * 1.96 * DRIFT, rel=1e-3)


def test_more_measurements_are_surer():
    rounds = list(np.linspace(0.45, 0.55, 10))
    one, four = pooled([rounds]), pooled([rounds] * 4)
    assert one.at == pytest.approx(four.at)
    assert math.log(four.high / four.low) == pytest.approx(math.log(one.high / one.low) / 2)


def test_what_differs_between_moments_shows():
    """Four results of one file on a busy machine: each sure of itself, and apart from the others."""
    found = pooled([[at] * 10 for at in (0.430, 0.440, 0.445, 0.367)])
    assert found.low < 0.40 and found.high > 0.445


def test_repeats_are_covered_and_seldom_apart():
    """With a factor for each loaded network, a drift between moments, and rounds that something disturbed."""
    random = np.random.default_rng(0)
    covered, apart = [], []
    for _ in range(100):
        drift = DRIFT * random.standard_normal((6, 1))
        rounds = np.exp(drift + 0.04 * random.standard_normal((6, 10)) + 0.2 * (random.random((6, 10)) < 0.05))
        each = [pooled([one]) for one in 0.5 * rounds]
        whole = math.exp(np.mean([math.log(one.at) for one in each]))
        covered += [one.low <= whole <= one.high for one in each]
        apart += [a.high < b.low or b.high < a.low for a in each for b in each]
    assert np.mean(covered) >= 0.90 and np.mean(apart) <= 0.02


class TestOneScale:
    def test_times_are_ratios_times_the_baselines(self):
        slow, quick = timing(0.5, before_ms=0.4), timing(0.5, before_ms=0.1)
        for timings in ((slow,), (quick,), (slow, quick)):
            found = latencies(timings, BASELINE, "another graph")
            assert found["latency_p50_ms"] == pytest.approx(0.5 * BASELINE.latency_p50_ms)
            assert found["latency_p95_ms"] == pytest.approx(0.6 * BASELINE.latency_p50_ms)
            assert found["call_ms"] == pytest.approx(0.05 * BASELINE.latency_p50_ms)

    def test_the_baselines_first_measurement_makes_it(self):
        found = latencies((timing(1.02, before_ms=0.4), timing(0.9, before_ms=0.1)), None, "graph")
        assert found["latency_p50_ms"] == 0.4
        assert (found["latency_ratio"], found["latency_ratio_low"], found["latency_ratio_high"]) == (1, 1, 1)

    def test_the_same_graph_takes_as_long(self):
        before = BASELINE.model_copy(update={"graph": "same"})
        assert latencies((timing(0.97),), before, "same")["latency_ratio"] == 1
        assert latencies((timing(0.97),), before, "other")["latency_ratio"] < 1

    def test_a_result_is_timed_with_all_there_are(self):
        timings = (timing(0.5), timing(0.6))
        found = SMALL.timed(timings)
        assert found.timings == timings and found.latency_ratio == pytest.approx(math.sqrt(0.3))
        assert type(found).model_validate_json(found.model_dump_json()) == found


def test_a_timing_is_the_same_after_it_was_kept():
    one = timing(1 / 3)
    assert Timing.model_validate_json(one.model_dump_json()) == one
