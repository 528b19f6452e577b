import itertools

import numpy as np
import pytest
from torch import nn

from compression.engine.network.form import count_costs
from compression.engine.network.tracing import trace
from compression.explain import arithmetic


@pytest.mark.parametrize("shape", [(3, 8, 16, 7), (5, 4, 4, 14)])
def test_costs_of_convolutions_are_those_that_the_engine_counts(shape):
    kernel, inputs, outputs, side = shape
    ordinary = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))
    depthwise = nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs, bias=False)
    split = nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1))
    for cost, layers in ((arithmetic.whole(*shape), ordinary), (arithmetic.separable(*shape), split)):
        counted = count_costs(trace(layers, (inputs, side, side)))
        assert (cost.params, cost.macs) == (counted.params, counted.macs)


def test_theoretical_bytes():
    assert arithmetic.theoretical_bytes(1000, 10, 32, 0) == 4040
    assert arithmetic.theoretical_bytes(1000, 10, 4, 0.5) == 290


@pytest.mark.parametrize(("outputs", "inputs"), [(50, 500), (64, 64), (10, 500)])
def test_the_break_even_rank_is_the_last_with_fewer_weights(outputs, inputs):
    rank = arithmetic.break_even_rank(outputs, inputs)
    assert arithmetic.thin_weights(outputs, inputs, rank) < outputs * inputs
    assert arithmetic.thin_weights(outputs, inputs, rank + 1) >= outputs * inputs


def test_code_words_have_their_lengths_and_none_begins_another():
    lengths = [0, 1, 3, 0, 3, 2]
    words = arithmetic.code_words(lengths)
    assert [len(word) for word in words] == lengths
    used = [word for word in words if word]
    assert not any(one.startswith(other) for one, other in itertools.permutations(used, 2))
    assert sum(2.0 ** -len(word) for word in used) == 1


class TestWrongVerdicts:
    def test_none_are_wrong_where_every_run_agrees(self):
        times = np.stack([np.full((2, 5), 1.0), np.full((2, 5), 2.0)])
        assert arithmetic.wrong_verdicts(times, (1, 3)).tolist() == [0, 0]

    def test_single_runs_are_counted_one_by_one(self):
        times = np.array([[[1.0, 1, 5, 1]], [[2.0, 2, 2, 2]]])
        assert arithmetic.wrong_verdicts(times, (1,)).tolist() == [0.25]
        assert arithmetic.wrong_verdicts(times, (3,)).tolist() == [0]

    def test_stretches_do_not_cross_rounds_unless_they_must(self):
        times = np.array([[[1.0, 9], [9, 1], [1, 1]], [[2.0] * 2] * 3])
        assert arithmetic.wrong_verdicts(times, (2,)).tolist() == pytest.approx([2 / 3])
        assert arithmetic.wrong_verdicts(times, (6,)).tolist() == [0]

    def test_more_runs_mislead_less_with_real_noise(self):
        random = np.random.default_rng(0)
        times = np.stack([1 + random.exponential(0.5, (8, 50)), 1.2 + random.exponential(0.5, (8, 50))])
        few, many = arithmetic.wrong_verdicts(times, (1, 30))
        brute = np.mean([a >= b for a, b in zip(times[0].ravel(), times[1].ravel(), strict=True)])
        assert few == pytest.approx(brute)
        assert many < few / 2
