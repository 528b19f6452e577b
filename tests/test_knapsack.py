"""Against trying everything."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.knapsack import GAP, choose

number = st.floats(0, 10, allow_subnormal=False).map(lambda value: round(value, 3))


@st.composite
def problems(draw):
    limits = draw(st.integers(1, 3))
    option = st.tuples(number, *[number] * limits)
    items = draw(st.lists(st.lists(option, min_size=1, max_size=4), min_size=1, max_size=5))
    bounds = draw(st.tuples(*[st.one_of(st.just(math.inf), st.floats(0, 30))] * limits))
    return items, bounds


def total(items, numbers):
    return np.sum([item[number] for item, number in zip(items, numbers, strict=True)], axis=0)


@given(problems())
@settings(max_examples=150, deadline=None)
def test_nothing_within_the_limits_is_better(problem):
    items, limits = problem
    sums = [total(items, numbers) for numbers in itertools.product(*(range(len(item)) for item in items))]
    allowed = [one[0] for one in sums if (one[1:] <= np.array(limits) - 1e-6).all()]
    found = choose(items, limits)
    if found is None:
        assert not allowed
        return
    loss, *costs = total(items, found)
    assert (np.array(costs) <= np.array(limits) + 1e-5).all()
    if allowed:
        assert loss <= min(allowed) * (1 + GAP) + 1e-6


def test_many_items_come_near_the_bound_that_nothing_beats():
    """With divided items, the Lagrangian's bound: no whole choice is below it."""
    random = np.random.default_rng(0)
    shares = np.linspace(1, 0.05, 20)
    items = []
    for size in random.lognormal(8, 1, 60):
        losses = random.lognormal(-4, 1) * (1 / shares**2 - 1)
        items.append([(loss, size * share) for loss, share in zip(losses, shares, strict=True)])
    limit = 0.3 * sum(item[0][1] for item in items)
    loss, cost = total(items, choose(items, [limit]))
    assert cost <= limit * (1 + 1e-6)
    prices = np.geomspace(1e-9, 1e-2, 400)
    bounds = [sum(min(a + price * b for a, b in item) for item in items) - price * limit for price in prices]
    assert max(bounds) <= loss <= max(bounds) * (1 + 2 * GAP)


@pytest.mark.parametrize("limits", [(), (math.inf,)])
def test_without_limits_each_item_has_its_best_option(limits):
    items = [[(3.0, 1.0)[: 1 + len(limits)], (1.0, 9.0)[: 1 + len(limits)]]] * 3
    assert choose(items, limits) == [1, 1, 1]
