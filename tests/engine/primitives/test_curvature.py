import pytest
import torch
from torch import nn

from compression.engine.network.form import weighted_layers
from compression.engine.network.tracing import trace
from compression.engine.primitives.curvature import output_sensitivities, squared_derivatives
from compression.errors import Cancelled
from tests.support.watches import GIVEN_UP


class Small(nn.Module):
    """A grouped, dilated, strided convolution, an ordinary one, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2)
        self.second = nn.Conv2d(4, 3, 2, dilation=2, padding="same")
        self.relu = nn.ReLU()
        self.flatten = nn.Flatten()
        self.last = nn.Linear(3 * 16, 5)

    def forward(self, x):
        return self.last(self.flatten(self.relu(self.second(self.relu(self.first(x))))))


def exact(model, x):
    """Each logit of each image differentiated alone."""
    totals = {name: torch.zeros_like(layer.weight) for name, layer in weighted_layers(model).items()}
    for image in x:
        for logit in range(5):
            model.zero_grad()
            model(image[None])[0, logit].backward()
            for name, layer in weighted_layers(model).items():
                totals[name] += layer.weight.grad.square() / len(x)
    return totals


def test_equals_the_squares_of_all_derivatives_one_by_one():
    """Over many copies of the images the random signs average out."""
    torch.manual_seed(0)
    model, x = trace(Small(), (2, 8, 8)), torch.randn(3, 2, 8, 8)
    expected = exact(model, x)
    found = squared_derivatives(model, x.repeat(3000, 1, 1, 1), seed=0)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value.shape == expected[name].shape
        assert (value - expected[name]).abs().mean() < 0.03 * expected[name].mean()


def test_model_and_global_randomness_stay_as_they_were():
    torch.manual_seed(0)
    model, state = trace(Small(), (2, 8, 8)), torch.random.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    squared_derivatives(model, torch.zeros(2, 2, 8, 8), seed=0)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(layer._forward_hooks for layer in model.modules())


def test_can_be_cancelled():
    with pytest.raises(Cancelled):
        squared_derivatives(trace(Small(), (2, 8, 8)), torch.zeros(2, 2, 8, 8), 0, GIVEN_UP)


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
    assert set(output_sensitivities(model, x, 0)) == set(weighted_layers(model))
    assert all(parameter.grad is None for parameter in model.parameters())
