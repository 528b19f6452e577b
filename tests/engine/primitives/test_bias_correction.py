import pytest
import torch
from torch import nn

from compression.engine.network.form import clone, restrict, weighted_layers
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.bias_correction import correct_biases
from compression.engine.primitives.reconstruction import reconstruct
from compression.watch import Watch


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
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.last = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            return self.last(torch.relu(self.shared(torch.relu(self.shared(x.flatten(1))))))

    original = graph(Twice(), (1, 2, 2))
    x = torch.randn(64, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    corrected = correct_biases(original, rounded(original, 4), x)
    assert torch.equal(corrected.shared.bias, original.shared.bias)
    assert not torch.equal(corrected.last.bias, original.last.bias)


def test_it_can_be_cancelled(sample):
    class Stop(Exception):
        pass

    def cancel():
        raise Stop

    model, x = sample("mlp-digits")
    with pytest.raises(Stop):
        correct_biases(model, rounded(model), x, Watch(check=cancel))
