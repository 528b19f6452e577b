import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compression.search.pareto import pareto_front

NUMBERS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


def test_dominated_points_are_left_out_and_order_is_by_cost():
    assert pareto_front([3, 1, 2, 4], [0.9, 0.5, 0.4, 0.9]) == [1, 0]


def test_of_equal_points_the_first_stays():
    assert pareto_front([1, 1], [0.5, 0.5]) == [0]


def test_no_points_no_front():
    assert pareto_front([], []) == []


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="got 2 and 1"):
        pareto_front([1, 2], [1])


@given(NUMBERS)
def test_it_agrees_with_the_definition(pairs):
    costs, gains = [cost for cost, _ in pairs], [gain for _, gain in pairs]
    beaten = [any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in pairs) for cost, gain in pairs]
    expected = {pair for pair, is_beaten in zip(pairs, beaten, strict=True) if not is_beaten}
    front = pareto_front(costs, gains)
    assert {pairs[index] for index in front} == expected
    assert len(front) == len(expected)
    assert np.all(np.diff([costs[index] for index in front]) > 0)
