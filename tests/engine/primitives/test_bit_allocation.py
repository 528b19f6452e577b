import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.bit_allocation import allocate_bits, bit_losses
from compression.knapsack import GAP
from compression.watch import SILENT

BITS = (1, 2, 3, 4)


def curve(scale):
    return {bits: scale * 4.0**-bits for bits in BITS}


def brute_force(losses, sizes, average):
    choices = itertools.product(BITS, repeat=len(sizes))
    legal = [c for c in choices if sum(map(int.__mul__, c, sizes)) <= average * sum(sizes)]
    return min(sum(loss[bits] for loss, bits in zip(losses, choice, strict=True)) for choice in legal)


def test_sensitive_layers_get_more_bits():
    assert allocate_bits([curve(1), curve(1000)], [100, 100], 2) == [1, 3]


@given(st.lists(st.tuples(st.floats(0.01, 100), st.integers(1, 50)), min_size=1, max_size=4), st.floats(1, 4))
@settings(max_examples=100, deadline=None)
def test_budget_is_kept_and_the_result_is_the_best(layers, average):
    losses, sizes = [curve(scale) for scale, _ in layers], [size for _, size in layers]
    bits = allocate_bits(losses, sizes, average)
    assert sum(map(int.__mul__, bits, sizes)) <= average * sum(sizes)
    found = sum(loss[b] for loss, b in zip(losses, bits, strict=True))
    best = brute_force(losses, sizes, average)
    assert best * (1 - 1e-9) <= found <= best * (1 + GAP) + 1e-9


def test_bits_that_gain_nothing_are_not_spent():
    assert allocate_bits([{1: 1.0, 2: 0.5, 8: 0.5}], [10], 8) == [2]
    assert allocate_bits([{1: 0.2, 2: 0.5, 3: 0.1}], [10], 3) == [3]  # noise: two bits look worse than one


def test_too_small_a_budget_is_refused():
    with pytest.raises(ValueError, match="fewest"):
        allocate_bits([{2: 1.0}], [10], 1)


def test_losses_fall_with_bits_and_the_model_stays(sample):
    model, x = sample("lenet5-mnist5k")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    losses = bit_losses(
        model, x, (2, 4, 8), lambda layer, bits: fit_affine(layer.weight, bits).project(layer.weight), SILENT
    )
    assert list(losses) == ["conv1", "conv2", "hidden", "classifier"]
    assert all(curve[2] > curve[4] > curve[8] >= 0 for curve in losses.values())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_loss_is_the_divergence_of_predictions(graph):
    model = graph(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (1, 2, 2))
    x = torch.randn(7, 1, 2, 2)
    found = bit_losses(model, x, (1,), lambda layer, bits: torch.zeros_like(layer.weight), SILENT)
    expected = model(x).log_softmax(1)
    with torch.no_grad():
        model.get_submodule("1").weight.zero_()
    changed = model(x).log_softmax(1)
    assert found["1"][1] == pytest.approx((expected.exp() * (expected - changed)).sum(1).mean().item(), rel=1e-4)
