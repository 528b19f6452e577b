import pytest
import torch
from torch import nn

from compression.engine.network.form import clone, restrict, weighted_layers
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.channels import channel_groups, remove_units
from compression.engine.primitives.reconstruction import correct_biases, reconstruct
from compression.errors import Cancelled
from tests.support.networks import Twice
from tests.support.watches import GIVEN_UP


def copied_channel(model, source, target):
    """Make one channel of layer 0 (and batch norm 1) twice another: whoever reads it can do without."""
    with torch.no_grad():
        for layer in (model.get_submodule("0"), model.get_submodule("1")):
            for tensor in layer.state_dict().values():
                if tensor.dim() > 0:
                    tensor[target] = tensor[source]
    return model


MODULES = {
    "convolution": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3, stride=2, padding=1), nn.Flatten()
    ),
    "linear": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(5), nn.Flatten(), nn.Linear(4, 3)
    ),
}


def errors(model, units, x):
    cut, kept = remove_units(model, units)
    fitted = clone(cut)
    reconstruct(model, fitted, kept, x)
    expected = model(x)
    return (cut(x) - expected).square().mean().item(), (fitted(x) - expected).square().mean().item()


@pytest.mark.parametrize("kind", MODULES)
def test_what_another_channel_can_say_is_recovered(kind, graph):
    model = copied_channel(graph(MODULES[kind](), (1, 7, 7)), source=1, target=3)
    x = torch.randn(200, 1, 7, 7)
    model(x)
    group = channel_groups(model)[0]
    before, after = errors(model, [group[3]], x)
    assert after < 0.02 * before


@pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "mobilenet-fashion"])
def test_fitting_helps_every_family(name, sample):
    model, _ = sample(name)
    x = torch.randn(32, *((1, 8, 8) if name == "mlp-digits" else (1, 28, 28)))
    reconstruct(model, model, {}, x)  # statistics that fit these images
    before, after = errors(model, [group[0] for group in channel_groups(model)], x)
    assert after < before


def test_nothing_removed_nothing_changed(sample):
    model, x = sample("lenet5-mnist5k")
    same = clone(model)
    reconstruct(model, same, {}, x)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(same.state_dict()[name], value, rtol=0, atol=1e-6)


def test_masked_weights_stay_zero_and_the_others_are_fitted(sample):
    model, x = sample("lenet5-mnist5k")
    cut, kept = remove_units(model, channel_groups(model)[0][:5])
    mask = torch.rand_like(cut.conv2.weight) > 0.3
    restrict(cut.conv2, mask=mask)
    before = (cut(x) - model(x)).square().mean()
    reconstruct(model, cut, kept, x)
    assert not cut.conv2.weight[~mask].any()
    assert cut.conv2.weight[mask].all()
    assert (cut(x) - model(x)).square().mean() < 0.3 * before


def test_weights_on_a_grid_stay_and_biases_move(sample):
    model, x = sample("lenet5-mnist5k")
    changed = clone(model)
    restrict(changed.conv2, grid=fit_affine(changed.conv2.weight, 3))
    weight, bias = changed.conv2.weight.clone(), changed.conv2.bias.clone()
    reconstruct(model, changed, {}, x)
    assert torch.equal(changed.conv2.weight, weight)
    assert not torch.equal(changed.conv2.bias, bias)


def test_a_layer_that_is_used_twice_is_left_alone(graph):
    model = graph(Twice(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)), (1, 3, 3))
    other = clone(model)
    with torch.no_grad():
        other.first.weight.mul_(1.5)
    shared = other.shared.weight.clone()
    reconstruct(model, other, {}, torch.randn(20, 1, 3, 3))
    assert torch.equal(other.shared.weight, shared)
    torch.testing.assert_close(other.first.weight, model.first.weight, rtol=0.05, atol=0.02)


def rounded(model, bits=2):
    """A copy with all weights on coarse grids."""
    result = clone(model)
    for layer in weighted_layers(result).values():
        restrict(layer, grid=fit_affine(layer.weight, bits))
    return result


def answers(model, x):
    """What each layer answers on average, channel by channel."""
    found = {}
    for name, layer in weighted_layers(model).items():
        layer.register_forward_hook(
            lambda _, __, y, name=name: found.update({name: y.flatten(2).mean((0, 2)) if y.dim() > 2 else y.mean(0)})
        )
    with torch.no_grad():
        model(x)
    return found


@pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k", "mobilenet-fashion"])
def test_every_layer_answers_the_same_on_average_or_nothing_changes(name, sample):
    model, x = sample(name)
    original = fold_batch_norm(model)
    changed = rounded(original)
    before = {key: value.clone() for key, value in changed.state_dict().items()}
    corrected = correct_biases(original, changed, x)
    agreeing = [(candidate(x).argmax(1) == original(x).argmax(1)).sum() for candidate in (changed, corrected)]
    assert agreeing[1] >= agreeing[0]
    assert all(torch.equal(before[key], value) for key, value in changed.state_dict().items())
    if corrected is not changed:
        wanted = answers(clone(original), x)
        for layer, mean in answers(clone(corrected), x).items():
            assert torch.allclose(mean, wanted[layer], atol=1e-4 * float(wanted[layer].abs().max() + 1))


def test_it_agrees_with_the_general_fit_of_a_network_layer_by_layer(sample):
    """With all weights on grids, that fit has only biases to move."""
    model, x = sample("lenet5-mnist5k")
    original = fold_batch_norm(model)
    expected = rounded(original, 4)
    corrected = correct_biases(original, expected, x)
    assert corrected is not expected
    reconstruct(original, expected, {}, x)
    for name, value in corrected.state_dict().items():
        assert torch.allclose(value, expected.state_dict()[name], atol=1e-4)


def test_layers_that_are_used_twice_keep_their_bias(graph):
    original = graph(Twice(nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 3)), (1, 2, 2))
    x = torch.randn(64, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    corrected = correct_biases(original, rounded(original, 4), x)
    assert torch.equal(corrected.shared.bias, original.shared.bias)
    assert not torch.equal(corrected.last.bias, original.last.bias)


def test_it_can_be_cancelled(sample):
    model, x = sample("mlp-digits")
    with pytest.raises(Cancelled):
        correct_biases(model, rounded(model), x, GIVEN_UP)
