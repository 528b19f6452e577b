import itertools

import numpy as np
import pytest
import torch

from compression.engine.primitives.clustering import nearest_codes, shared_values


def error(weights, importance, values):
    return (importance * (weights - values[nearest_codes(weights, values).long()]) ** 2).sum().item()


def best_error(weights, importance, clusters):
    """Over all ways to cut the sorted weights into intervals."""
    order = torch.argsort(weights)
    weights, importance = weights[order].double(), importance[order].double()
    found = []
    for cuts in itertools.combinations(range(1, len(weights)), clusters - 1):
        total = 0.0
        for start, stop in itertools.pairwise((0, *cuts, len(weights))):
            x, mass = weights[start:stop], importance[start:stop]
            total += (mass * (x - (mass * x).sum() / mass.sum()) ** 2).sum().item()
        found.append(total)
    return min(found)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("clusters", [2, 3, 4])
def test_values_are_the_best_there_are(seed, clusters):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(11, generator=generator)
    importance = torch.rand(11, generator=generator) + 0.01
    values = shared_values(weights, importance, clusters)
    assert len(values) == clusters
    assert error(weights, importance, values) <= best_error(weights, importance, clusters) + 1e-4


def least_error(weights, importance, clusters):
    """By dynamic programming over all cuts: best[j] is the least error of the first j of the sorted weights."""
    order = np.argsort(weights.numpy())
    x, mass = weights.double().numpy()[order], importance.double().numpy()[order]
    zero, first, second = (np.concatenate([[0], part.cumsum()]) for part in (mass, mass * x, mass * x**2))
    masses = np.maximum(zero[None] - zero[:, None], 1e-30)
    costs = second[None] - second[:, None] - (first[None] - first[:, None]) ** 2 / masses
    costs[np.tril_indices(len(costs), -1)] = np.inf
    best = costs[0]
    for _ in range(clusters - 1):
        best = (best[:, None] + costs).min(0)
    return best[-1]


@pytest.mark.parametrize("clusters", [3, 16, 64])
@pytest.mark.parametrize("is_skewed", [False, True])
def test_hundreds_of_weights_are_met_as_well_as_by_the_full_search(clusters, is_skewed):
    """Skewed: one interval has to span most of the weights, for they hardly matter."""
    generator = torch.Generator().manual_seed(clusters)
    weights = torch.randn(400, generator=generator)
    importance = torch.rand(400, generator=generator) ** 4 + 1e-3
    if is_skewed:
        importance = torch.where(weights > 0.8, importance, 1e-7)
    found = error(weights, importance, shared_values(weights, importance, clusters))
    assert found <= 1.02 * least_error(weights, importance, clusters) + 1e-5


def test_many_weights_come_close_to_the_best_quantizer_of_a_normal_distribution():
    """Max (1960): the least squared error of 4 and 16 levels is 0.1175 and 0.009497 of the variance."""
    weights = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    ones = torch.ones_like(weights)
    for clusters, expected in ((4, 0.1175), (16, 0.009497)):
        found = error(weights, ones, shared_values(weights, ones, clusters)) / len(weights)
        assert found == pytest.approx(expected, rel=0.02)


def test_important_weights_are_met_more_exactly():
    weights = torch.linspace(-1, 1, 1000)
    importance = torch.where(weights > 0.5, 100.0, 1.0)
    values = shared_values(weights, importance, 8)
    assert (values > 0.5).sum() >= 4
    alike = shared_values(weights, torch.ones(1000), 8)
    assert (alike > 0.5).sum() == 2


def test_values_ascend_and_are_exact_in_half_precision():
    weights = torch.randn(5000, generator=torch.Generator().manual_seed(1))
    values = shared_values(weights, torch.ones(5000), 256)
    assert (values.diff() > 0).all()
    assert torch.equal(values.half().float(), values)
    assert 250 <= len(values) <= 256


@pytest.mark.parametrize("size", [1e-12, 1e9])
def test_values_far_from_one_are_shared_as_well(size):
    weights = torch.randn(500, generator=torch.Generator().manual_seed(1))
    ordinary, far = (shared_values(weights * factor, torch.ones(500), 16) / factor for factor in (1, size))
    torch.testing.assert_close(far, ordinary, rtol=2**-10, atol=1e-4)


@pytest.mark.parametrize("clusters", [2, 16, 256])
def test_no_more_values_than_there_are_different_weights(clusters):
    weights = torch.tensor([0.5, -0.25, 0.5, -0.25, 0.5])
    values = shared_values(weights, torch.ones(5), clusters)
    assert values.tolist() == [-0.25, 0.5]
    assert shared_values(torch.zeros(7), torch.ones(7), clusters).tolist() == [0.0]
    assert shared_values(torch.ones(1), torch.ones(1), clusters).tolist() == [1.0]


def test_codes_point_at_the_nearest_value():
    values = torch.tensor([-1.0, 0.0, 2.0])
    weights = torch.tensor([[-5.0, -0.6, -0.4], [0.9, 1.1, 9.0]])
    codes = nearest_codes(weights, values)
    assert codes.dtype == torch.uint8
    assert codes.tolist() == [[0, 0, 1], [1, 2, 2]]
