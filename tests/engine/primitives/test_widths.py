import pytest
import torch
from torch import nn

from compression.engine.network.form import count_macs
from compression.engine.primitives.channels import channel_groups, remove_units
from compression.engine.primitives.importance import unit_importance
from compression.engine.primitives.moments import gram_matrix
from compression.engine.primitives.widths import WidthCosts, distortion_curves, greedy_widths
from sample_models.catalogue import MODELS


@pytest.mark.parametrize("name", MODELS)
def test_operations_are_those_of_the_network_that_is_left(name, sample):
    model, _ = sample(name)
    groups = channel_groups(model)
    costs = WidthCosts(model, groups)
    assert costs.macs(costs.sizes) == pytest.approx(count_macs(model))
    widths = [len(group) - 1 - number % 3 for number, group in enumerate(groups)]
    doomed = [unit for group, width in zip(groups, widths, strict=True) for unit in group[width:]]
    assert costs.macs(widths) == pytest.approx(count_macs(remove_units(model, doomed)[0]))


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_uniform_widths_for_a_number_of_operations(fraction, sample):
    model, _ = sample("resnet8-mnist5k")
    costs = WidthCosts(model, channel_groups(model))
    widths = costs.uniform_macs(fraction, 1)
    assert 1 - costs.macs(widths) / costs.macs(costs.sizes) == pytest.approx(fraction, abs=0.03)
    shares = [width / size for width, size in zip(widths, costs.sizes, strict=True)]
    assert max(shares) - min(shares) <= 1 / 16


def test_channels_are_counted_and_not_what_goes_together(graph):
    """A unit of a convolution in four groups is a channel of each: two of them are eight channels, a multiple of 4."""
    layers = (nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=4), nn.ReLU(), nn.Conv2d(16, 8, 1))
    model = graph(nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 16, 3)), (1, 8, 8))
    costs = WidthCosts(model, channel_groups(model))
    assert (costs.sizes, costs.multiples(4)) == ([4, 4, 8], [1, 1, 4])
    assert costs.uniform(0.5, 4) == [2, 2, 4]
    assert costs.multiples(8) == [2, 2, 8]
    assert costs.multiples(6) == [3, 3, 6]


def test_greedy_takes_from_the_group_that_costs_least():
    flat, steep = torch.tensor([0.0, 1, 2, 3, 4]), torch.tensor([0.0, 10, 20, 30, 40])
    assert greedy_widths([flat, steep], sum, 5, [1, 1]) == [1, 4]
    assert greedy_widths([flat, steep], sum, 4, [1, 1]) == [1, 3]
    assert greedy_widths([flat, steep], sum, 6, [2, 2]) == [2, 4]
    assert greedy_widths([flat, steep], sum, 0, [1, 1]) == [1, 1]
    assert greedy_widths([flat, steep], lambda widths: 100 * widths[0] + widths[1], 300, [1, 1]) == [3, 4]


def test_greedy_does_not_fall_for_a_bargain_behind_a_hurdle():
    """Once its dear unit is gone, the first group's others still count as dear as that one."""
    hurdle, even = torch.tensor([0.0, 5, 5.1, 5.2, 5.3]), torch.tensor([0.0, 2, 4, 6, 8])
    assert greedy_widths([hurdle, even], sum, 5, [1, 1]) == [4, 1]


def test_distortion_is_what_refitted_readers_cannot_make_up_for(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Conv2d(5, 3, 3)), (1, 7, 7))
    (group,) = channel_groups(model)
    x = torch.randn(64, 1, 7, 7)
    (curve,) = distortion_curves(model, [group], [torch.arange(5.0)], x, seed=0)
    reader, y = model.get_submodule("2"), torch.relu(model.get_submodule("0")(x)).detach()
    gram = gram_matrix(reader, y, reader(y).detach())[0]
    rows = reader.weight.detach().flatten(1).double()
    for count in range(6):
        stay = slice(9 * count, None)
        fitted = torch.linalg.solve(gram[stay, stay], (gram @ rows.T)[stay]).T
        change = rows.clone()
        change[:, stay] -= fitted
        error = (change @ gram * change).sum() / 2 * 9  # each output pixel is a logit, and there are 9 a channel
        torch.testing.assert_close(curve[count], error, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_curves_rise_in_every_family(name, sample):
    model, x = sample(name)
    groups = channel_groups(model)
    importances = [unit_importance(model, group, "l2", 0) for group in groups]
    curves = distortion_curves(model, groups, importances, x, seed=0)
    for group, curve in zip(groups, curves, strict=True):
        assert len(curve) == len(group) + 1 and curve[0] == 0
        assert (curve.diff() >= 0).all() and curve[-1] > 0
