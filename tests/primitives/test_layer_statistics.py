import torch
from torch import nn

from compression.network import weighted_layers
from compression.primitives.layer_statistics import layer_grams, output_sensitivities
from compression.primitives.reconstruction import RIDGE


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


def test_a_layer_used_twice_has_the_sum_and_a_dilated_one_the_identity(graph):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.wide = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 3, dilation=2)

        def forward(self, x):
            return self.wide(self.shared(self.shared(x)))

    model = graph(Twice(), (2, 6, 6))
    x = torch.randn(30, 2, 6, 6)
    grams = layer_grams(model, x)
    once = graph(nn.Sequential(nn.Conv2d(2, 2, 1)), (2, 6, 6))
    parts = [layer_grams(once, images)["0"] for images in (x, model.shared(x).detach())]
    torch.testing.assert_close(grams["shared"], parts[0] + parts[1])
    assert torch.equal(grams["wide"][0], torch.eye(18, dtype=torch.float64))


def test_sensitivities_are_the_squared_derivatives_of_the_logits(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4)), (1, 5, 5))
    x = torch.randn(128, 1, 5, 5)
    found = output_sensitivities(model, x, 0)
    torch.testing.assert_close(found["3"], torch.ones(4))
    y = model.get_submodule("0")(x).detach()
    active = (y > 0).flatten(1).float()
    squares = (active[:, None, :] * model.get_submodule("3").weight.detach()).square().sum(1)  # images x features
    expected = squares.reshape(128, 3, 9).sum(2).mean(0)
    torch.testing.assert_close(found["0"], expected, rtol=0.25, atol=0)  # the signs are random


def test_every_layer_is_seen_and_nothing_is_left_behind(sample):
    model, x = sample("mobilenet-fashion")
    assert set(output_sensitivities(model, x, 0)) == set(layer_grams(model, x)) == set(weighted_layers(model))
    assert all(parameter.grad is None for parameter in model.parameters())
