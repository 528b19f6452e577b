"""Intervals and tests for what was measured: accuracies, their differences, means. Torch-free."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z_95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""

SIGNIFICANT = 0.05
"""A p value below this is called a difference."""


@dataclass(frozen=True)
class PairedDifference:
    """Proportion correct of `a` minus that of `b` on the same images, -1..1, with its 95 % interval.

    `p_value` is that of the exact McNemar test of no difference.
    """

    difference: float
    low: float
    high: float
    p_value: float


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """95 % score interval (low, high) of a proportion (Wilson, 1927); `correct` of `n` >= 1, `0 <= correct <= n`."""
    if not 0 <= correct <= n or n < 1:
        raise ValueError(f"correct must lie in 0..n and n be positive, but got correct={correct}, n={n}.")
    p, z2 = correct / n, Z_95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if correct == 0 else centre - half  # exact there; rounding would leave 1e-17
    high = 1.0 if correct == n else centre + half
    return low, high


def worst_class(right: ArrayLike, labels: ArrayLike) -> tuple[int, int, int]:
    """The class with the smallest share of images right: (class, right ones, images); of equals the first.

    `right` (N, bool) tells which images were classified correctly, `labels` (N, int) their true classes.
    """
    truth = np.asarray(labels, dtype=np.int64)
    images = np.bincount(truth)
    correct = np.bincount(truth[np.asarray(right, dtype=bool)], minlength=len(images))
    share = np.where(images > 0, correct / np.maximum(images, 1), np.inf)
    worst = int(share.argmin())
    return worst, int(correct[worst]), int(images[worst])


def paired_difference(correct_a: ArrayLike, correct_b: ArrayLike) -> PairedDifference:
    """Compare two classifiers on the same images; each argument tells which images were classified correctly.

    Interval: Newcombe (1998), "Improved confidence intervals for the difference between binomial
    proportions based on paired data", method 10. Test: McNemar (1947), exact.
    """
    a, b = np.asarray(correct_a, dtype=bool).ravel(), np.asarray(correct_b, dtype=bool).ravel()
    if len(a) != len(b) or len(a) == 0:
        raise ValueError(f"Both must tell of the same images, at least one, but got {len(a)} and {len(b)}.")
    both, only_a = int(np.sum(a & b)), int(np.sum(a & ~b))
    only_b, neither = int(np.sum(~a & b)), int(np.sum(~a & ~b))
    low, high = _newcombe_interval(both, only_a, only_b, neither)
    return PairedDifference((only_a - only_b) / len(a), low, high, _mcnemar(only_a, only_b))


def unpaired_interval(correct_a: int, n_a: int, correct_b: int, n_b: int) -> tuple[float, float]:
    """95 % interval (low, high) of the proportion `correct_a` of `n_a` minus `correct_b` of `n_b`.

    Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10. Where both
    saw the same images but it is not known which of them each got right, it is wider than it need be.
    """
    p_a, p_b = correct_a / n_a, correct_b / n_b
    return _joined(p_a, wilson_interval(correct_a, n_a), p_b, wilson_interval(correct_b, n_b), 0.0)


def disagreement_interval(correct_a: int, correct_b: int, different: int, n: int) -> tuple[float, float]:
    """95 % interval (low, high) of `correct_a` minus `correct_b`, both of the same `n` images, as a proportion.

    `different` of them got different answers, of which at most one is right each time. It is not known on how many both
    were wrong, so all are taken for images that one got right: the interval is paired, and at worst too wide.
    """
    only_a = min(correct_a, (different + correct_a - correct_b) // 2)
    only_b = only_a - (correct_a - correct_b)
    both = correct_a - only_a
    return _newcombe_interval(both, only_a, only_b, n - both - only_a - only_b)


def paired_over_seeds(correct_a: ArrayLike, correct_b: ArrayLike) -> PairedDifference:
    """Compare two ways of training on the same images, each trained once with each of the same seeds.

    Both arguments are seeds x images: which images were classified correctly. The difference is the mean over seeds
    and images. All of an image's seeds stand or fall together, so only images count as independent: the test is the
    exact one of equal chances for either sign of each image's sum, which for one seed is McNemar's. What it finds
    holds on these seeds; of others it says nothing. Interval: normal, of the mean over images.
    """
    a, b = (np.atleast_2d(np.asarray(correct, dtype=bool)) for correct in (correct_a, correct_b))
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"Both must tell of the same seeds and images, but got {a.shape} and {b.shape}.")
    if len(a) == 1:
        return paired_difference(a, b)
    seeds, images = a.shape
    sums = (a.astype(np.int64) - b).sum(axis=0)
    mean = float(sums.mean()) / seeds
    half = Z_95 * float(sums.std()) / seeds / math.sqrt(images)
    return PairedDifference(mean, max(-1.0, mean - half), min(1.0, mean + half), _sign_test(sums))


def _sign_test(sums: NDArray[np.int64]) -> float:
    """Two-sided p value of a sum whose terms are as likely negative as positive, by its whole distribution."""
    chances = np.ones(1)
    for size, count in enumerate(np.bincount(np.abs(sums))):
        if size:
            steps = np.zeros(2 * size * int(count) + 1)
            steps[:: 2 * size] = _fair_coins(int(count))
            chances = np.convolve(chances, steps)
    reach = len(chances) // 2
    far = np.abs(np.arange(-reach, reach + 1)) >= abs(int(sums.sum()))
    return min(1.0, float(chances[far].sum()))


def _fair_coins(count: int) -> NDArray[np.float64]:
    """The chances of 0, 1, ... `count` heads."""
    from scipy import special  # see `_mcnemar`

    heads = np.arange(count + 1)
    ways = special.gammaln(count + 1) - special.gammaln(heads + 1) - special.gammaln(count - heads + 1)
    chances: NDArray[np.float64] = np.exp(ways - count * math.log(2))
    return chances


def _newcombe_interval(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """Wilson intervals of the two proportions, joined with their correlation."""
    n = both + only_a + only_b + neither
    right_a, right_b = both + only_a, both + only_b
    phi = _correlation(both, only_a, only_b, neither)
    return _joined(right_a / n, wilson_interval(right_a, n), right_b / n, wilson_interval(right_b, n), phi)


def _joined(
    p_a: float, interval_a: tuple[float, float], p_b: float, interval_b: tuple[float, float], phi: float
) -> tuple[float, float]:
    """The interval of `p_a` minus `p_b` from the intervals of both and their correlation."""
    (low_a, high_a), (low_b, high_b) = interval_a, interval_b
    return (
        max(-1.0, p_a - p_b - _join(p_a - low_a, high_b - p_b, phi)),
        min(1.0, p_a - p_b + _join(high_a - p_a, p_b - low_b, phi)),
    )


def _join(side_a: float, side_b: float, phi: float) -> float:
    """Length of the difference of two vectors whose angle has the cosine `phi`."""
    return math.sqrt(max(0.0, side_a**2 - 2 * phi * side_a * side_b + side_b**2))


def _correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    """Newcombe's phi: a positive covariance is reduced by the continuity correction n/2."""
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if margins == 0:
        return 0.0
    covariance = float(both * neither - only_a * only_b)
    if covariance > 0:
        covariance = max(0.0, covariance - (both + only_a + only_b + neither) / 2)
    return covariance / math.sqrt(margins)


def _mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p value: the images on which the two disagree are fair coin flips if they are equally good."""
    from scipy import special  # which pages do not need; `scipy.stats` would take a second to import

    flips = only_a + only_b
    return min(1.0, 2 * float(special.bdtr(min(only_a, only_b), flips, 0.5))) if flips else 1.0


def trimmed_mean(values: ArrayLike) -> tuple[float, float]:
    """The mean of all but the lowest and highest fifth, and half the width of its 95 % interval (Yuen, 1974).

    One extreme value in five on either side changes little. One value alone (or one repeated) has the width 0.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
    n, cut = len(ordered), len(ordered) // 5
    if n == 0:
        raise ValueError("There must be at least one value.")
    kept = ordered[cut : n - cut]
    if n == 1:
        return float(ordered[0]), 0.0
    winsorized = np.clip(ordered, kept[0], kept[-1])
    error = float(winsorized.std(ddof=1)) * math.sqrt(n) / len(kept)
    return float(kept.mean()), _t_95(len(kept) - 1) * error


@functools.cache
def _t_95(freedom: int) -> float:
    """Student's quantile of a two-sided 95 % interval."""
    from scipy import special  # see `_mcnemar`

    return float(special.stdtrit(freedom, 0.975))
