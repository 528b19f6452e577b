import pytest
import torch
from torch import nn

from compression.engine.network.form import restrict, weight_format, weighted_layers
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.calibration import insert_quantizers
from compression.engine.primitives.channel_labels import OUT
from compression.engine.primitives.channels import channel_groups
from compression.engine.primitives.dead_units import remove_dead_units
from compression.watch import SILENT
from sample_models.catalogue import MODELS
from tests.support import token_networks
from tests.support.networks import Odd, Twice, samples_of


def sizes(model):
    return {name: tuple(layer.weight.shape[:2]) for name, layer in weighted_layers(model).items()}


def silence(model, name, outputs):
    """Rows of zeros, with a mask that says so; biases stay."""
    layer = model.get_submodule(name)
    mask = torch.ones_like(layer.weight, dtype=torch.bool)
    mask[outputs] = False
    restrict(layer, mask=mask)


def same_answers(one, other, x):
    expected = one(x)
    torch.testing.assert_close(other(x), expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_constants_of_linear_layers_move_on(sample):
    model, x = sample("lenet300-mnist5k")
    silence(model, "layers.1", slice(20, 120))
    with torch.no_grad():
        model.get_submodule("layers.5").weight[:, :30] = 0  # nobody reads these
    smaller = remove_dead_units(model)
    assert sizes(smaller) == {"layers.1": (200, 784), "layers.3": (70, 200), "layers.5": (10, 70)}
    assert not torch.equal(smaller.get_submodule("layers.3").bias, model.get_submodule("layers.3").bias[30:])
    same_answers(model, smaller, x)


def test_one_removal_leads_to_the_next(sample):
    model, x = sample("lenet300-mnist5k")
    with torch.no_grad():
        model.get_submodule("layers.5").weight[:, 10:] = 0
        model.get_submodule("layers.3").weight[:10, 50:] = 0  # only read by what nobody reads
    smaller = remove_dead_units(model)
    assert sizes(smaller) == {"layers.1": (50, 784), "layers.3": (10, 50), "layers.5": (10, 10)}
    same_answers(model, smaller, x)


@pytest.mark.parametrize(("silent", "left"), [(2, 20), (6, 16), (8, 12), (17, 4)])
def test_convolutions_keep_what_fills_a_block(silent, left, sample):
    model, x = sample("lenet5-mnist5k")
    silence(model, "conv1", slice(0, silent))
    with torch.no_grad():
        model.get_submodule("conv1").bias[:] = 0  # what is silent is then zero, which padding does not change
    silence(model, "hidden", slice(0, 3))
    smaller = remove_dead_units(model, round_to=4)
    assert sizes(smaller)["conv1"] == (left, 1)
    assert sizes(smaller)["hidden"][0] == 497  # products of matrices take any size
    same_answers(model, smaller, x)


def test_through_pooling_and_flattening(sample):
    model, x = sample("lenet5-mnist5k")
    silence(model, "conv1", [0, 3])
    silence(model, "conv2", slice(0, 25))
    smaller = remove_dead_units(model)
    assert sizes(smaller)["conv1"] == (18, 1) and sizes(smaller)["conv2"] == (25, 18)
    assert sizes(smaller)["hidden"] == (500, 400)
    same_answers(model, smaller, x)


@pytest.mark.parametrize("name", MODELS)
def test_every_family_stays_the_same_function(name, sample):
    """Whole units of zeros, batch norms included: constants that are not zero stop at padded convolutions."""
    model, x = sample(name)
    for number, unit in enumerate(unit for group in channel_groups(model) for unit in group[::4]):
        for part in (part for part in unit if part.dim == OUT):
            layer = model.get_submodule(part.layer)
            with torch.no_grad():
                layer.weight[part.position] = 0
                if number % 2 and layer.bias is not None:
                    layer.bias[part.position] = -0.1 * (number % 3)
    smaller = remove_dead_units(model)
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters())
    same_answers(model, smaller, x)


def test_padding_keeps_what_the_border_would_show(graph):
    def network(padding):
        return nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=padding), nn.Flatten())

    for padding, left in ((0, 3), (1, 4)):
        model, x = graph(network(padding), (1, 5, 5)), torch.randn(6, 1, 5, 5)
        silence(model, "0", [2])
        with torch.no_grad():
            model.get_submodule("0").bias[2] = 0.7
        smaller = remove_dead_units(model)
        assert smaller.get_submodule("0").out_channels == left
        same_answers(model, smaller, x)


def test_a_reader_without_bias_gets_one_only_if_it_needs_it(graph):
    for bias, needed in ((0.7, True), (-0.7, False)):
        model = graph(nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 3, 3, bias=False)), (1, 5, 5))
        silence(model, "0", [2])
        with torch.no_grad():
            model.get_submodule("0").bias[2] = bias
        smaller = remove_dead_units(model)
        assert (smaller.get_submodule("2").bias is not None) == needed
        assert smaller.get_submodule("0").out_channels == 3
        same_answers(model, smaller, torch.randn(6, 1, 5, 5))


def test_both_sides_of_an_addition_must_be_silent(graph):
    class Added(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right, self.head = nn.Conv2d(1, 4, 1), nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x):
            return self.head(torch.relu(self.left(x) + self.right(x)))

    model, x = graph(Added(), (1, 5, 5)), torch.randn(6, 1, 5, 5)
    silence(model, "left", [0, 1])
    silence(model, "right", [1, 2])
    smaller = remove_dead_units(model)
    assert smaller.head.in_channels == 3
    same_answers(model, smaller, x)


def test_layers_used_twice(graph):
    layers = Twice(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1))
    model, x = graph(layers, (1, 5, 5)), torch.randn(6, 1, 5, 5)
    for name in ("first", "shared"):
        silence(model, name, [1, 2])
        with torch.no_grad():
            model.get_submodule(name).bias[1] = -1  # silent; channel 2 is a constant, but not the same one twice
            model.get_submodule(name).bias[2] = 0.5 if name == "first" else 0.8
    smaller = remove_dead_units(model)
    assert smaller.shared.in_channels == 3
    same_answers(model, smaller, x)


def test_groups_of_a_convolution_count_together(graph):
    model = graph(
        nn.Sequential(nn.Conv2d(1, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 3, groups=2), nn.Flatten(), nn.Linear(36, 2)),
        (1, 5, 5),
    )
    silence(model, "0", [0, 1, 4])  # of the pairs (0, 3), (1, 4), (2, 5) only the second is silent on both sides
    with torch.no_grad():
        model.get_submodule("0").bias[[0, 1, 4]] = -1
    smaller = remove_dead_units(model)
    assert smaller.get_submodule("2").in_channels == 4
    same_answers(model, smaller, torch.randn(6, 1, 5, 5))


def test_no_layer_is_emptied(sample):
    model, x = sample("mlp-digits")
    silence(model, "layers.1", slice(None))
    smaller = remove_dead_units(model)
    assert all(min(size) >= 1 for size in sizes(smaller).values())
    same_answers(model, smaller, x)


def test_formats_are_cut_along(sample):
    model, x = sample("lenet300-mnist5k")
    silence(model, "layers.1", slice(0, 100))
    for layer in weighted_layers(model).values():
        restrict(layer, grid=fit_affine(layer.weight, 4, mask=weight_format(layer).mask))
    smaller = remove_dead_units(model)
    for layer in weighted_layers(smaller).values():
        assert torch.equal(weight_format(layer).project(layer.weight), layer.weight)
        assert layer.hidden_weight.shape == layer.weight.shape
    assert sizes(smaller)["layers.1"] == (200, 784)
    same_answers(model, smaller, x)


def test_constants_are_rounded_like_other_activations(sample):
    model, x = sample("lenet5-mnist5k")
    silence(model, "hidden", slice(0, 100))
    insert_quantizers(model, samples_of(model, x), 4, SILENT)
    smaller = remove_dead_units(model)
    assert sizes(smaller) == {"conv1": (20, 1), "conv2": (50, 20), "hidden": (400, 800), "classifier": (10, 400)}
    same_answers(model, smaller, x)


def test_what_cannot_be_followed_comes_back_as_it_was(graph):
    model, x = graph(Odd(), (1, 5, 5)), torch.randn(2, 1, 5, 5)
    silence(model, "conv", [1])
    before = model(x)
    assert remove_dead_units(model) is model
    assert torch.equal(model(x), before)


@pytest.mark.parametrize(
    ("norm", "left"),
    [(nn.LayerNorm(8), 8), (nn.GroupNorm(2, 8), 8), (nn.GroupNorm(4, 8), 6), (nn.PReLU(8), 5)],
)
def test_what_others_are_normalized_with_stays(norm, left, graph):
    """Groups of two channels go where nobody reads either."""
    model = graph(nn.Sequential(nn.Flatten(), nn.Linear(8, 8), norm, nn.Linear(8, 3)), (1, 8, 1))
    with torch.no_grad():
        model.get_submodule("3").weight[:, [1, 2, 3]] = 0
    smaller = remove_dead_units(model)
    assert sizes(smaller)["3"] == (3, left)
    same_answers(model, smaller, torch.randn(5, 1, 8, 1))


@pytest.mark.parametrize("name", token_networks.NETWORKS)
def test_where_numbers_are_moved_about_nothing_goes_that_somebody_reads(graph, name):
    model, x = graph(token_networks.network(name), token_networks.SHAPE), torch.randn(3, *token_networks.SHAPE)
    for layer in weighted_layers(model).values():
        with torch.no_grad():
            layer.weight[::2] = 0
    torch.testing.assert_close(remove_dead_units(model)(x), model(x), rtol=1e-4, atol=1e-5)
