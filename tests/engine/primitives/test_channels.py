import dataclasses
import operator

import pytest
import torch
from torch import nn

from compression.engine.files.export import to_onnx
from compression.engine.network.form import propagate_shapes, restrict, weight_format, weighted_layers
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.channel_labels import IN, OUT, Slice
from compression.engine.primitives.channels import channel_groups, remove_units
from compression.errors import InvalidRecipe
from sample_models.catalogue import MODELS
from tests.support import token_networks
from tests.support.networks import Twice, runtime_logits


def described(model):
    """What each group touches: {layers and dimensions: number of units}."""
    return {
        tuple(sorted({(part.layer, "out" if part.dim == OUT else "in") for part in group[0]})): len(group)
        for group in channel_groups(model)
    }


def test_lenet5_by_hand(sample):
    model, _ = sample("lenet5-mnist5k")
    assert described(model) == {
        (("conv1", "out"), ("conv2", "in")): 20,
        (("conv2", "out"), ("hidden", "in")): 50,
        (("classifier", "in"), ("hidden", "out")): 500,
    }
    second = channel_groups(model)[1]
    assert second[3] == (  # 50 channels of 4 x 4 are flattened
        Slice("conv2", OUT, 3),
        *(Slice("hidden", IN, position) for position in range(48, 64)),
    )


def test_resnet8_by_hand(sample):
    model, _ = sample("resnet8-mnist5k")
    assert described(model) == {
        (
            ("bn", "out"),
            ("stages.0.bn2", "out"),
            ("stages.0.conv1", "in"),
            ("stages.0.conv2", "out"),
            ("stages.1.conv1", "in"),
            ("stages.1.shortcut.0", "in"),
            ("stem", "out"),
        ): 16,
        (("stages.0.bn1", "out"), ("stages.0.conv1", "out"), ("stages.0.conv2", "in")): 16,
        (("stages.1.bn1", "out"), ("stages.1.conv1", "out"), ("stages.1.conv2", "in")): 32,
        (
            ("stages.1.bn2", "out"),
            ("stages.1.conv2", "out"),
            ("stages.1.shortcut.0", "out"),
            ("stages.1.shortcut.1", "out"),
            ("stages.2.conv1", "in"),
            ("stages.2.shortcut.0", "in"),
        ): 32,
        (("stages.2.bn1", "out"), ("stages.2.conv1", "out"), ("stages.2.conv2", "in")): 64,
        (
            ("classifier", "in"),
            ("stages.2.bn2", "out"),
            ("stages.2.conv2", "out"),
            ("stages.2.shortcut.0", "out"),
            ("stages.2.shortcut.1", "out"),
        ): 64,
    }


def test_depthwise_convolutions_tie_both_sides(sample):
    model, _ = sample("mobilenet-fashion")
    groups = described(model)
    expanded = next(key for key in groups if ("features.4.layers.0", "out") in key)
    assert groups[expanded] == 64
    assert set(expanded) == {
        ("features.4.layers.0", "out"),
        ("features.4.layers.1", "out"),
        ("features.4.layers.3", "out"),  # the depthwise one
        ("features.4.layers.4", "out"),
        ("features.4.layers.6", "in"),
    }


def silenced(model, units):
    """The same network with these units' channels at zero everywhere."""
    for part in (part for unit in units for part in unit if part.dim != IN):
        layer = operator.attrgetter(part.layer)(model)
        with torch.no_grad():
            if part.dim < 0:
                layer.select(part.dim, part.position).zero_()
                continue
            for tensor in (layer.weight, getattr(layer, "bias", None)):
                if tensor is not None:
                    tensor[part.position] = 0
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean[part.position] = 0
    return model


def every_third(model):
    return [unit for group in channel_groups(model) for unit in group[::3]]


@pytest.mark.parametrize("name", MODELS)
def test_removing_channels_that_are_zero_changes_nothing(name, sample):
    model, x = sample(name)
    units = every_third(model)
    expected = silenced(model, units)(x)
    smaller, kept = remove_units(model, units)
    torch.testing.assert_close(smaller(x), expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())
    assert sum(p.numel() for p in smaller.parameters()) < 0.7 * sum(p.numel() for p in model.parameters())
    for (layer, dim), indices in kept.items():
        assert smaller.get_submodule(layer).weight.shape[dim] == len(indices)


@pytest.mark.parametrize("name", MODELS)
def test_layers_know_their_new_sizes(name, sample):
    model, _ = sample(name)
    smaller, _ = remove_units(model, every_third(model))
    for layer in weighted_layers(smaller).values():
        if isinstance(layer, nn.Linear):
            assert (layer.out_features, layer.in_features) == layer.weight.shape
        else:
            assert (layer.out_channels, layer.in_channels) == (
                layer.weight.shape[0],
                layer.weight.shape[1] * layer.groups,
            )
    for layer in smaller.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.num_features == len(layer.running_mean) == len(layer.running_var) == len(layer.weight)


class Concatenated(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.both = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 3, 1), nn.Conv2d(5, 4, 1)
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        y = torch.relu(self.both(torch.cat([self.left(x), self.right(x)], 1)))
        return self.head(self.flatten(self.pool(y)))


class Gated(nn.Module):
    """Squeeze and excitation: channels times a factor each."""

    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1)
        self.squeeze, self.expand = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)
        self.relu, self.gate, self.head = nn.ReLU(), nn.Sigmoid(), nn.Conv2d(4, 3, 1)

    def forward(self, x):
        y = self.relu(self.conv(x))
        return self.head(y * self.gate(self.expand(self.relu(self.squeeze(self.pool(y))))))


GROUPED = nn.Sequential(nn.Conv2d(1, 6, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 2, 1))
MULTIPLIER = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Conv2d(3, 6, 3, groups=3), nn.ReLU(), nn.Conv2d(6, 2, 1))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (
            Concatenated(),
            {
                (("both", "in"), ("left", "out")): 2,
                (("both", "in"), ("right", "out")): 3,
                (("both", "out"), ("head", "in")): 4,
            },
        ),
        (
            Gated(),
            {
                (("conv", "out"), ("expand", "out"), ("head", "in"), ("squeeze", "in")): 4,
                (("expand", "in"), ("squeeze", "out")): 2,
            },
        ),
        (
            Twice(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)),
            {(("first", "out"), ("last", "in"), ("shared", "in"), ("shared", "out")): 4},
        ),
        (GROUPED, {(("0", "out"), ("2", "in")): 3, (("2", "out"), ("4", "in")): 4}),
        (MULTIPLIER, {(("0", "out"), ("2", "out"), ("4", "in")): 3}),
    ],
    ids=["concatenation", "squeeze and excitation", "layer used twice", "grouped", "channel multiplier"],
)
def test_other_graphs(module, expected, graph):
    model = graph(module, (1, 5, 5))
    assert described(model) == expected
    units = [unit for group in channel_groups(model) for unit in group[1:2]]
    x = torch.randn(3, 1, 5, 5)
    reference = silenced(model, units)(x)
    torch.testing.assert_close(remove_units(model, units)[0](x), reference, rtol=1e-4, atol=1e-5)


def test_one_channel_spread_over_others_stays(graph):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.map, self.head = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 1, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x):
            y = self.conv(x)
            return self.head(y * self.map(y))

    assert described(graph(Attention(), (1, 5, 5))) == {(("conv", "out"), ("head", "in"), ("map", "in")): 4}


class Strange(nn.Module):
    """A layer that nobody knows how to follow channels through."""

    def forward(self, x):
        return x


def test_what_cannot_be_followed_stays_and_is_named_where_nothing_else_can_go(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)), (1, 5, 5))
    model.set_submodule("1", Strange())
    with pytest.raises(InvalidRecipe, match="through '_1'.*magnitude_pruning"):
        channel_groups(model)
    longer = graph(nn.Sequential(*(nn.Conv2d(i, o, 1) for i, o in ((1, 4), (4, 3), (3, 3), (3, 2)))), (1, 5, 5))
    longer.set_submodule("strange", Strange())
    first, second, *_ = (node for node in longer.graph.nodes if node.op == "call_module")
    with longer.graph.inserting_before(second):
        second.args = (longer.graph.call_module("strange", (first,)),)
    assert described(propagate_shapes(longer)) == {
        (("1", "out"), ("2", "in")): 3,
        (("2", "out"), ("3", "in")): 3,
    }


@pytest.mark.parametrize("name", token_networks.NETWORKS)
class TestNumbersThatAreMovedAbout:
    def test_what_is_zero_can_go(self, name, graph):
        """But for what a norm over channels reads, where fewer channels have another mean."""
        model = graph(token_networks.network(name), token_networks.SHAPE)
        norms = {key for key, layer in model.named_modules() if isinstance(layer, nn.LayerNorm | nn.GroupNorm)}
        groups = [group for group in channel_groups(model) if not norms & {part.layer for part in group[0]}]
        units = [unit for group in groups for unit in group[:: max(2, len(group) // 2)][: len(group) - 1]]
        x = torch.randn(3, *token_networks.SHAPE)
        expected = silenced(model, units)(x)
        torch.testing.assert_close(remove_units(model, units)[0](x), expected, rtol=1e-4, atol=1e-5)

    def test_a_third_of_everything_can_go_and_the_file_says_the_same(self, name, graph):
        model = graph(token_networks.network(name), token_networks.SHAPE)
        smaller, _ = remove_units(model, every_third(model))
        x = torch.randn(3, *token_networks.SHAPE)
        logits = smaller(x)
        assert logits.shape == (3, 3)
        assert sum(p.numel() for p in smaller.parameters()) < 0.8 * sum(p.numel() for p in model.parameters())
        torch.testing.assert_close(
            torch.from_numpy(runtime_logits(to_onnx(smaller).SerializeToString(), x)), logits, rtol=1e-4, atol=1e-5
        )


def test_a_head_of_attention_goes_as_a_whole(graph):
    model = graph(token_networks.network("attention"), token_networks.SHAPE)
    heads = next(group for group in channel_groups(model) if {"qkv", "project"} == {part.layer for part in group[0]})
    assert len(heads) == token_networks.HEADS
    assert [part.position for part in heads[1] if part.dim == OUT] == [*range(4, 8), *range(16, 20), *range(28, 32)]
    assert [part.position for part in heads[1] if part.dim == IN] == [*range(4, 8)]


def test_shuffled_halves_stay_equal(graph):
    model = graph(token_networks.network("shuffle"), token_networks.SHAPE)
    halves = next(group for group in channel_groups(model) if "last" in {part.layer for part in group[0]})
    smaller, _ = remove_units(model, halves[:1])
    assert (smaller.first.out_channels, smaller.last.in_channels) == (3, 2)  # one of the half that goes on as it is
    assert smaller.get_submodule("branch.0").weight.shape[:2] == (1, 2)


def test_masks_and_grids_are_cut(sample):
    model, _ = sample("lenet5-mnist5k")
    mask = torch.rand_like(model.conv2.weight) > 0.5
    restrict(model.conv2, mask=mask)
    restrict(model.conv2, grid=fit_affine(model.conv2.weight, 4))
    smaller, kept = remove_units(model, every_third(model))
    outputs, inputs = kept["conv2", OUT], kept["conv2", IN]
    found = weight_format(smaller.conv2)
    assert torch.equal(found.mask, mask[outputs][:, inputs])
    assert torch.equal(smaller.conv2.weight, model.conv2.weight[outputs][:, inputs])
    assert torch.equal(found.project(smaller.conv2.weight), smaller.conv2.weight)
    assert dataclasses.replace(found, mask=None).grid.scale.shape == outputs.shape


def test_the_given_model_is_unchanged(sample):
    model, x = sample("resnet8-mnist5k")
    before = model(x)
    smaller, _ = remove_units(model, every_third(model))
    assert torch.equal(model(x), before)
    shapes = [node.meta["shape"] for node in smaller.graph.nodes if node.name == "stages_2_conv2"]
    assert shapes == [(1, 64 - 22, 7, 7)]
