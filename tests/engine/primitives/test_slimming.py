import pytest
import torch

from compression.engine.primitives.batch_norm import BatchNorm
from compression.engine.primitives.channels import channel_groups
from compression.engine.primitives.importance import unit_importance
from compression.engine.primitives.slimming import first_channels, order_channels, sandwich_loss, take_width
from sample_models.catalogue import MODELS, find_model
from tests.support.networks import images, network, run


@pytest.mark.parametrize("name", MODELS)
def test_sorting_channels_keeps_the_function(name):
    model = network(name)
    x = images(model, 20)
    ordered = order_channels(model)
    assert not all(torch.equal(a, b) for a, b in zip(model.parameters(), ordered.parameters(), strict=True))
    torch.testing.assert_close(run(ordered, x), run(model, x), rtol=1e-3, atol=1e-3)
    for group in channel_groups(ordered):
        importance = unit_importance(ordered, group, "l2", seed=0)
        assert (importance.diff() <= 1e-5).all()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_a_width_has_the_shapes_of_its_family_and_the_first_weights(name, width):
    model = network(name)
    narrow, _ = first_channels(model, width)
    family = find_model(name).build(width).state_dict()
    full = model.state_dict()
    for key, value in narrow.state_dict().items():
        assert value.shape == family[key].shape
        part = full[key][tuple(slice(size) for size in value.shape)]
        assert torch.equal(value, part)


def test_only_statistics_are_fitted_to_a_width():
    model = network("resnet8-mnist5k")
    x = images(model, 64)
    sliced, fitted = first_channels(model, 0.5)[0], take_width(model, 0.5, x)
    for one, other in zip(sliced.parameters(), fitted.parameters(), strict=True):
        assert torch.equal(one, other)
    norm = next(layer for layer in fitted.modules() if isinstance(layer, BatchNorm))
    torch.testing.assert_close(norm.running_mean, fitted.stem(x).mean((0, 2, 3)), rtol=1e-3, atol=1e-4)


def test_every_width_learns_from_the_full_one():
    model = network("mlp-digits")
    x, y = images(model, 32), torch.arange(32) % 10
    loss = sandwich_loss(model, seed=0)
    logits = model(x)
    value = loss(logits, x, y)
    assert value > torch.nn.functional.cross_entropy(logits, y)
    value.backward()
    first = model.get_parameter("layers.1.weight")
    assert (first.grad[:16].abs().mean() > first.grad[48:].abs().mean()).item()  # the first channels serve all widths
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_narrow_predictions_are_taught_by_the_full_ones_and_not_the_reverse():
    model = network("mlp-digits")
    x, y = images(model, 32), torch.arange(32) % 10
    logits = model(x).detach().requires_grad_()
    sandwich_loss(model, seed=0)(logits, x, y).backward()
    expected = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, y), logits)[0]
    assert torch.equal(logits.grad, expected)


def test_the_same_seed_draws_the_same_widths():
    model = network("mlp-digits")
    x, y = images(model, 16), torch.arange(16) % 10
    first, again, other = (
        [sandwich(model(x), x, y).item() for _ in range(3)]
        for sandwich in (sandwich_loss(model, 0), sandwich_loss(model, 0), sandwich_loss(model, 1))
    )
    assert first == again != other
