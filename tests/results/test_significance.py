import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import mstats

from compression.results import significance
from compression.results.significance import (
    disagreement_interval,
    paired_difference,
    trimmed_mean,
    unpaired_interval,
    wilson_interval,
)


def answers(both, only_a, only_b, neither):
    a = [True] * both + [True] * only_a + [False] * only_b + [False] * neither
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return a, b


class TestWilson:
    @pytest.mark.parametrize(
        ("correct", "n", "low", "high"),
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    )
    def test_published_intervals(self, correct, n, low, high):
        """Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3."""
        assert wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)

    @pytest.mark.parametrize(("correct", "n"), [(0, 1), (1, 1), (7, 10), (990, 1000), (1000, 1000)])
    def test_equals_scipy(self, correct, n):
        interval = stats.binomtest(correct, n).proportion_ci(method="wilson")
        assert wilson_interval(correct, n) == pytest.approx((interval.low, interval.high), abs=1e-12)

    @pytest.mark.parametrize(("correct", "n"), [(-1, 10), (11, 10), (0, 0)])
    def test_impossible_counts(self, correct, n):
        with pytest.raises(ValueError, match=f"correct={correct}, n={n}"):
            wilson_interval(correct, n)


class TestPairedDifference:
    @pytest.mark.parametrize(
        ("counts", "low", "high"),
        [
            ((36, 12, 2, 0), 0.0569, 0.3404),
            ((18, 12, 2, 18), 0.0562, 0.3290),
            ((53, 0, 0, 1), -0.0729, 0.0729),
        ],
    )
    def test_published_intervals(self, counts, low, high):
        """Newcombe (1998), "... based on paired data", method 10."""
        found = paired_difference(*answers(*counts))
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)

    def test_sign_and_size(self):
        found = paired_difference(*answers(80, 15, 5, 0))
        assert found.difference == pytest.approx(0.10)
        assert found.low < 0.10 < found.high
        turned = paired_difference(*reversed(answers(80, 15, 5, 0)))
        assert (turned.difference, turned.low, turned.high) == pytest.approx((-0.10, -found.high, -found.low))

    @pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (7, 1), (12, 12), (30, 51)])
    def test_exact_mcnemar(self, only_a, only_b):
        found = paired_difference(*answers(100, only_a, only_b, 3)).p_value
        assert found == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0)

    def test_the_same_answers(self):
        found = paired_difference([True] * 99 + [False], [True] * 99 + [False])
        assert found.difference == 0 and found.low <= 0 <= found.high and found.p_value == 1

    @pytest.mark.parametrize("counts", [(10, 0, 0, 0), (0, 0, 0, 10), (0, 10, 0, 0), (0, 0, 10, 0)])
    def test_extremes_stay_in_range(self, counts):
        found = paired_difference(*answers(*counts))
        assert -1 <= found.low <= found.difference <= found.high <= 1

    def test_covers_the_truth(self):
        """95 % intervals of 400 simulated comparisons."""
        random = np.random.default_rng(0)
        hits = 0
        for _ in range(400):
            a = random.random(500) < 0.95
            b = np.where(random.random(500) < 0.06, random.random(500) < 0.5, a)
            truth = 0.95 - (0.94 * 0.95 + 0.06 * 0.5)
            found = paired_difference(a, b)
            hits += found.low <= truth <= found.high
        assert 370 <= hits <= 396

    @pytest.mark.parametrize(("a", "b"), [([True], [True, False]), ([], [])])
    def test_needs_the_same_images(self, a, b):
        with pytest.raises(ValueError, match="same images"):
            paired_difference(a, b)


class TestTrimmedMean:
    def test_leaves_out_a_fifth_on_either_side(self):
        assert trimmed_mean([1, 2, 3, 4, 1000])[0] == 3
        assert trimmed_mean([5.0]) == (5.0, 0.0)

    @pytest.mark.parametrize("n", [5, 10, 35])
    def test_is_yuens_interval(self, n):
        values = np.random.default_rng(n).lognormal(size=n)
        mean, half = trimmed_mean(values)
        assert [mean - half, mean + half] == pytest.approx(mstats.trimmed_mean_ci(values, limits=(0.2, 0.2)))

    @pytest.mark.parametrize("n", [8, 10])
    def test_covers_the_centre_of_values_with_extremes(self, n):
        random = np.random.default_rng(3)
        values = random.standard_t(3, size=(400, n))
        hits = sum(abs(mean) <= half for mean, half in map(trimmed_mean, values))
        assert 368 <= hits <= 396

    def test_needs_a_value(self):
        with pytest.raises(ValueError, match="at least one"):
            trimmed_mean([])


class TestPairedOverSeeds:
    @staticmethod
    def draw(seeds, images, seed=0):
        random = np.random.default_rng(seed)
        return random.random((2, seeds, images)) < 0.8

    def test_one_seed_is_mcnemar(self):
        a, b = self.draw(1, 60)
        assert significance.paired_over_seeds(a, b) == paired_difference(a[0], b[0])

    @pytest.mark.parametrize("seed", range(4))
    def test_the_p_value_is_the_share_of_all_signs_that_reach_as_far(self, seed):
        a, b = self.draw(3, 9, seed)
        sums = a.sum(0).astype(int) - b.sum(0)
        signs = itertools.product((-1, 1), repeat=9)
        reached = [abs((np.array(some) * sums).sum()) >= abs(sums.sum()) for some in signs]
        assert significance.paired_over_seeds(a, b).p_value == pytest.approx(np.mean(reached))

    def test_the_same_images_again_are_no_new_evidence(self):
        """Three equal trainings say as much as one, not three times as much."""
        a, b = self.draw(1, 200)
        one, three = (
            paired_difference(a[0], b[0]),
            significance.paired_over_seeds(np.tile(a, (3, 1)), np.tile(b, (3, 1))),
        )
        assert three.p_value == pytest.approx(one.p_value)
        assert three.difference == pytest.approx(one.difference)

    def test_intervals_hold_the_truth_as_often_as_they_say(self):
        random = np.random.default_rng(1)
        hits = 0
        for _ in range(200):
            hard = random.random(400)  # an image is as hard for every seed
            a, b = (random.random((3, 400)) < share * (0.5 + 0.5 * hard) for share in (0.95, 0.9))
            found = significance.paired_over_seeds(a, b)
            hits += found.low <= 0.05 * 0.75 <= found.high
        assert 180 <= hits <= 198

    @pytest.mark.parametrize(("a", "b"), [(np.ones((2, 3)), np.ones((3, 3))), (np.ones((2, 0)), np.ones((2, 0)))])
    def test_impossible_tables(self, a, b):
        with pytest.raises(ValueError, match="the same seeds and images"):
            significance.paired_over_seeds(a, b)


@pytest.mark.parametrize(
    ("right", "labels", "expected"),
    [
        ([1, 1, 0, 1], [0, 0, 1, 1], (1, 1, 2)),
        ([1, 0, 1, 0], [0, 0, 1, 1], (0, 1, 2)),
        ([1, 1], [0, 2], (0, 1, 1)),  # a class without images is not the worst
        ([0, 0], [3, 3], (3, 0, 2)),
    ],
)
def test_worst_class(right, labels, expected):
    assert significance.worst_class(np.array(right, bool), np.array(labels)) == expected


def test_the_interval_of_independent_proportions_is_the_published_one():
    """Newcombe (1998), table II, method 10: 56 of 70 against 48 of 80."""
    assert unpaired_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(st.integers(0, 2**30))
def test_an_interval_from_disagreements_is_at_worst_too_wide(seed):
    n, random = 200, np.random.default_rng(seed)
    labels, *guesses = random.integers(3, size=(3, n))
    one, other = (np.where(random.random(n) < 0.8, labels, guess) for guess in guesses)
    exact = paired_difference(one == labels, other == labels)
    low, high = disagreement_interval((one == labels).sum(), (other == labels).sum(), (one != other).sum(), n)
    assert low <= exact.low + 1 / n  # an odd number of disagreements is rounded
    assert high >= exact.high - 1 / n
