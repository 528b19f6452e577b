import pytest

from compression.results.record import SparseTiming
from compression.results.sparse import crossover


def points(*pairs):
    """(sparsity, sparse time over dense time)."""
    return [
        SparseTiming(
            layer="hidden", rows=500, columns=800, sparsity=sparsity, batch_size=1, dense_ms=2, sparse_ms=2 * ratio
        )
        for sparsity, ratio in pairs
    ]


@pytest.mark.parametrize("known", [(0.5, 0.99), (0.8, 0.9), (0.5, 0.7, 0.9, 0.95)])
def test_time_proportional_to_the_weights_left_gives_the_exact_point(known):
    """The ratio is 8 times the share left: 1 at one eighth, 87.5 % zeros."""
    assert crossover(points(*((sparsity, 8 * (1 - sparsity)) for sparsity in known))) == pytest.approx(0.875)


def test_the_order_of_points_does_not_matter():
    rows = points((0.95, 0.4), (0.5, 4), (0.9, 0.8), (0.8, 1.6))
    assert crossover(rows) == crossover(sorted(rows, key=lambda row: row.sparsity)) == pytest.approx(0.875)


def test_never_faster_is_none():
    assert crossover(points((0.5, 4), (0.99, 1.0))) is None
    assert crossover(points((0.5, 0.9), (0.99, 1.5))) is None  # not faster where it should be: no crossover
    assert crossover([]) is None


def test_always_faster_is_the_lowest_sparsity_measured():
    assert crossover(points((0.5, 0.9), (0.99, 0.2))) == 0.5


def test_the_last_of_several_crossings_counts():
    assert 0.8 < crossover(points((0.5, 0.99), (0.8, 1.2), (0.9, 0.8))) < 0.9


def test_equal_sparsities_count_by_their_middle():
    once = crossover(points((0.8, 2), (0.95, 0.5)))
    assert crossover(points((0.8, 2), (0.8, 2), (0.8, 50), (0.95, 0.5))) == once


def test_nothing_left_at_all_is_no_point_of_the_curve():
    assert crossover(points((0.5, 4), (1.0, 0.1))) is None
