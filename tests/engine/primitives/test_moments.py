import pytest
import torch
from torch import nn

from compression.engine.primitives.moments import (
    RIDGE,
    has_patches,
    is_plain,
    layer_grams,
    sampled_rows,
    second_moments,
)
from tests.support.networks import Twice


def _random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _moments(layer, x, centred=True):
    return second_moments(layer, x, layer(x).detach(), centred=centred)


CONVOLUTIONS = [
    nn.Conv2d(3, 4, 3, padding=1),
    nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(0, 1)),
    nn.Conv2d(3, 4, (2, 3), dilation=(3, 2)),
    nn.Conv2d(3, 4, 1, stride=2),
]


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_gram_of_a_convolution_is_that_of_its_patches(layer):
    x = _random(5, 3, 9, 8) + 1
    patches = nn.functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    rows = patches.transpose(1, 2).flatten(0, 1)  # independent: torch's own patches, all of them
    expected = torch.cov(rows.T, correction=0).double()
    found = _moments(layer, x).gram
    ridge = RIDGE * expected.diagonal().mean()
    torch.testing.assert_close(found, expected + ridge * torch.eye(len(expected)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layer", [*CONVOLUTIONS, nn.Linear(8, 5)], ids=str)
def test_a_layer_that_answers_right_keeps_its_weight_and_bias(layer):
    x = _random(40, 3, 9, 8) if isinstance(layer, nn.Conv2d) else _random(40, 8) + 2
    moments = _moments(layer, x)
    weight = moments.best_weight()
    torch.testing.assert_close(weight.float(), layer.weight.detach().flatten(1), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(moments.bias(weight).float(), layer.bias.detach(), atol=1e-4, rtol=1e-3)


def test_best_weight_is_the_least_squares_solution():
    x, true = _random(5000, 6), _random(4, 6, seed=1)
    layer = nn.Linear(6, 4)
    found = second_moments(layer, x, x @ true.T + 3, centred=True)
    expected = torch.linalg.lstsq(x - x.mean(0), x @ true.T - (x @ true.T).mean(0)).solution.T
    distance = (found.best_weight().float() - expected).norm()
    assert distance <= 2 * RIDGE * (layer.weight.detach() - expected).norm()
    torch.testing.assert_close(found.bias(true.double()).float(), torch.full((4,), 3.0), atol=1e-3, rtol=0)


def test_a_direction_that_no_input_shows_keeps_its_weight():
    layer = nn.Linear(3, 2)
    x = _random(50, 3)
    x[:, 1] = 5.0
    found = second_moments(layer, x, _random(50, 2, seed=2), centred=True).best_weight()
    torch.testing.assert_close(found[:, 1].float(), layer.weight.detach()[:, 1], atol=1e-4, rtol=1e-4)


def test_uncentred_moments_leave_the_mean_to_the_weight():
    layer = nn.Linear(3, 2, bias=False)
    moments = _moments(layer, _random(50, 3) + 4, centred=False)
    assert moments.gram.diagonal().min() > 10
    assert not moments.mean_x.any() and not moments.mean_y.any()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding_mode="reflect"),
        nn.ReLU(),
    ],
    ids=str,
)
def test_layers_whose_patches_cannot_be_cut_out_are_told(layer):
    assert not is_plain(layer)


def test_layers_in_groups_have_patches_but_not_one_for_all_outputs():
    layer = nn.Conv2d(4, 6, 3, groups=2, dilation=2, padding=1)
    assert has_patches(layer)
    assert not is_plain(layer)


def test_weights_times_sampled_inputs_are_the_sampled_outputs():
    layer = nn.Conv2d(4, 6, (3, 2), stride=(1, 2), groups=2, dilation=(2, 1), padding=(2, 1), bias=False)
    x = _random(5, 4, 9, 8)
    inputs, outputs = sampled_rows(layer, x, layer(x).detach())
    weight = layer.weight.detach().reshape(2, 3, -1)
    torch.testing.assert_close(inputs @ weight.mT, outputs, atol=1e-5, rtol=1e-5)


def test_grams_of_a_convolution_by_hand(graph):
    model = graph(nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(27, 2)), (2, 5, 5))
    x = torch.randn(20, 2, 5, 5)
    grams = layer_grams(model, x)
    patches = nn.functional.unfold(x, 3, stride=2, padding=1).transpose(1, 2).reshape(-1, 18).double()
    centred = patches - patches.mean(0)
    expected = centred.T @ centred / len(centred)
    expected += RIDGE * expected.diagonal().mean() * torch.eye(18)
    torch.testing.assert_close(grams["0"], expected[None], rtol=1e-4, atol=1e-4)
    assert grams["2"].shape == (1, 27, 27)


def test_a_layer_used_twice_has_the_sum_and_one_padded_otherwise_the_identity(graph):
    model = graph(Twice(nn.ReLU(), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 3, padding="same")), (2, 6, 6))
    x = torch.randn(30, 2, 6, 6)
    grams = layer_grams(model, x)
    once = graph(nn.Sequential(nn.Conv2d(2, 2, 1)), (2, 6, 6))
    parts = [layer_grams(once, images)["0"] for images in (x.relu(), model.shared(x.relu()).relu().detach())]
    torch.testing.assert_close(grams["shared"], parts[0] + parts[1])
    assert torch.equal(grams["last"][0], torch.eye(18, dtype=torch.float64))
