"""The optimal brain surgeon against a plain, slow version of it."""

from itertools import accumulate

import pytest
import torch

from compression.engine.primitives import second_order
from compression.engine.primitives.moments import gram_of
from compression.engine.primitives.second_order import removal_costs

FEATURES, ROWS = 24, 4


@pytest.fixture
def layer():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(100, FEATURES, generator=generator) @ torch.randn(FEATURES, FEATURES, generator=generator)
    gram = (x.T @ x).double() / 100
    gram += 0.01 * gram.diagonal().mean() * torch.eye(FEATURES)
    return torch.randn(ROWS, FEATURES, generator=generator), gram


def surgeon(weight, gram, block=1, per_four=None):
    """Blocks in the order of removal, and what each removal costs: from the error of refitted weights."""
    left, order, costs, before = list(range(len(weight) // block)), [], [], 0.0
    quota = dict.fromkeys(range(len(weight) // 4), per_four)

    def error(blocks):
        stay = [block * b + i for b in blocks for i in range(block)]
        fitted = torch.zeros_like(weight, dtype=torch.float64)
        if stay:
            fitted[stay] = torch.linalg.solve(gram[stay][:, stay], (gram @ weight.double())[stay])
        change = weight.double() - fitted
        return (change @ gram @ change / 2).item()

    while any(per_four is None or quota[b // 4] for b in left):
        choices = [b for b in left if per_four is None or quota[b // 4]]
        after, best = min((error([b for b in left if b != gone]), gone) for gone in choices)
        left.remove(best)
        if per_four is not None:
            quota[best // 4] -= 1
        order.append(best)
        costs.append(after - before)
        before = after
    return order, list(accumulate(costs, max))


@pytest.mark.parametrize("settings", [{}, {"block": 4}, {"per_four": 2}, {"per_four": 3}], ids=str)
@pytest.mark.parametrize("lazy", [4, 32])
def test_costs_are_those_of_the_optimal_brain_surgeon(settings, lazy, layer, monkeypatch):
    monkeypatch.setattr(second_order, "LAZY_COLUMNS", lazy)
    weight, gram = layer
    found = removal_costs(weight, gram, torch.ones_like(weight, dtype=torch.bool), **settings)
    for row in range(ROWS):
        order, costs = surgeon(weight[row], gram, **settings)
        blocks = found[row].reshape(-1, settings.get("block", 1))
        assert (blocks == blocks[:, :1]).all()
        torch.testing.assert_close(blocks[order, 0], torch.tensor(costs), rtol=1e-3, atol=0)
        assert (found[row] < torch.inf).sum() == len(order) * settings.get("block", 1)


def test_removed_weights_stay_removed_and_cost_nothing(layer):
    weight, gram = layer
    mask = torch.rand(weight.shape, generator=torch.Generator().manual_seed(1)) > 0.4
    found = removal_costs(weight * mask, gram, mask)
    assert (found[~mask] == -1).all()
    for row in range(ROWS):
        there = mask[row]
        order, costs = surgeon(weight[row, there], gram[there][:, there])
        torch.testing.assert_close(found[row, there][order], torch.tensor(costs), rtol=1e-3, atol=0)


def test_earlier_zeros_count_towards_n_of_four(layer):
    weight, gram = layer
    mask = torch.ones_like(weight, dtype=torch.bool)
    mask[:, ::4] = False
    found = removal_costs(weight * mask, gram, mask, per_four=2)
    assert ((found.reshape(ROWS, -1, 4) == torch.inf).sum(2) == 2).all()


@pytest.mark.parametrize("settings", [{}, {"block": 4}, {"per_four": 2}], ids=str)
def test_large_layers_first_lose_what_costs_least(settings, layer, monkeypatch):
    weight, gram = layer
    exact = removal_costs(weight, gram, torch.ones_like(weight, dtype=torch.bool), **settings)
    monkeypatch.setattr(second_order, "EXACT_WORK", ROWS * 12**3)
    rough = removal_costs(weight, gram, torch.ones_like(weight, dtype=torch.bool), **settings)
    assert not torch.equal(rough, exact)
    assert ((rough == torch.inf) == (exact == torch.inf)).float().mean() > 0.6
    assert (rough.reshape(ROWS, -1, 4) == torch.inf).sum(2).unique().tolist() == (
        [2] if "per_four" in settings else [0]
    )


@pytest.mark.parametrize("in_use", [2, 9, 25])
def test_inputs_that_are_all_zero_are_no_obstacle(in_use):
    """As behind channels that strong pruning has killed: nothing depends on such weights."""
    weight, mask = torch.randn(3, 25), torch.zeros(3, 25, dtype=torch.bool)
    mask[:, :in_use] = True
    (gram,) = gram_of(torch.zeros(1, 100, 25))
    costs = removal_costs(weight, gram, mask)
    assert (costs[~mask] == -1).all()
    assert torch.isfinite(costs).all() and costs[mask].max() < 1e-12
