import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compression.recipe.recipe import Recipe, make_recipe
from compression.search import front
from compression.search.front import pareto_front
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"
NUMBERS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


def test_the_ideal_is_zero_and_the_original_is_one():
    assert front.goals_of(0.0, front.SMALLEST, front.FASTEST) == pytest.approx((0, 0, 0))
    lost, size, time = front.goals_of(0.9, 1.0, 1.0)
    assert (lost, size, time) == pytest.approx((1, 1, 1))


def test_gaining_accuracy_counts_as_losing_none():
    assert front.goals_of(-0.1, 0.5, 0.5) == front.goals_of(0.0, 0.5, 0.5)


def test_results_stand_where_their_numbers_are():
    recipe = make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 4}])
    original, small = fabricate(Recipe(model=MODEL)), fabricate(recipe)
    (before, after) = front.goals([original, small])
    assert before[1:] == pytest.approx([1, 1])
    assert after[1] < before[1] and after[2] < before[2]
    assert after == pytest.approx(front.goals_of(-small.choosing.difference, 1 / small.size_ratio, small.latency_ratio))


def test_nothing_beats_what_is_on_the_front():
    points = np.random.default_rng(0).random((400, 3))
    kept = front.nondominated(points)
    beaten = [any((other <= point).all() and (other < point).any() for other in points) for point in points]
    assert kept.tolist() == [not one for one in beaten]


def test_of_equal_points_one_is_on_the_front():
    assert front.nondominated(np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])).sum() == 1
    assert not len(front.nondominated(np.zeros((0, 3))))


def test_the_hypervolume_is_the_share_that_is_reached():
    assert front.hypervolume(np.array([[0.5, 0.5, 0.5]])) == pytest.approx(0.125)
    assert front.hypervolume(np.array([[0.0, 0.0, 0.0]])) == pytest.approx(1)
    assert front.hypervolume(np.array([[-3.0, 0.5, 0.5], [0.5, 1.2, 0.1]])) == pytest.approx(0.25)
    assert front.hypervolume(np.zeros((0, 3))) == 0


def test_gains_are_what_the_hypervolume_grows_by():
    random = np.random.default_rng(1)
    known, new = random.random((30, 3)), random.random((20, 3)) * 1.3
    grown = [front.hypervolume(np.vstack([known, point])) - front.hypervolume(known) for point in new]
    assert front.gains(new, known) == pytest.approx(grown, abs=1e-12)
    assert front.gains(new, np.zeros((0, 3))) == pytest.approx([front.hypervolume(point[None]) for point in new])
    assert max(grown) > 0


def test_a_hundred_thousand_results_have_the_front_of_their_parts():
    points = np.random.default_rng(2).random((100_000, 3))
    halves = [half[front.nondominated(half)] for half in np.split(points, 2)]
    together = np.vstack(halves)
    whole = points[front.nondominated(points)]
    assert {tuple(point) for point in together[front.nondominated(together)]} == {tuple(point) for point in whole}


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
    found = pareto_front(costs, gains)
    assert {pairs[index] for index in found} == expected
    assert len(found) == len(expected)
    assert np.all(np.diff([costs[index] for index in found]) > 0)
