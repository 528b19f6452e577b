import copy
import functools
import operator

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from compression.engine.network.form import clone, weighted_calls, weighted_layers
from compression.engine.network.tracing import trace
from compression.errors import UnsupportedModel
from sample_models.catalogue import MODELS, find_model
from sample_models.resnet import resnet8
from tests.support import token_networks

SHAPE = (1, 28, 28)


def test_trace_drops_what_does_nothing_and_knows_shapes():
    model = trace(resnet8(), SHAPE)
    assert not any(isinstance(module, nn.Identity) for module in model.modules())
    assert [node.meta["shape"] for node in model.graph.nodes if node.op == "output"] == [(1, 10)]


@pytest.mark.parametrize("name", MODELS)
def test_tracing_changes_no_output_and_clones_are_independent(name):
    entry = find_model(name)
    module = entry.build().eval()
    shape = tuple(entry.card["input_shape"])
    x = torch.randn(2, *shape)
    model = trace(copy.deepcopy(module), shape)
    assert torch.equal(model(x), module(x))
    twin = clone(model)
    with torch.no_grad():
        next(iter(weighted_layers(twin).values())).weight.zero_()
    assert torch.equal(model(x), module(x))


class Functional(nn.Module):
    """What people write with functions: `relu` is also the name of a layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(1, 2, 3), nn.ReLU()

    def forward(self, x):
        y = functional.relu(self.conv(x))
        y = functional.max_pool2d(y, 3, stride=1) + functional.interpolate(y, size=(4, 4), mode="bilinear")
        y += functional.dropout(self.relu(y).sigmoid(), training=False)
        return torch.flatten(functional.adaptive_avg_pool2d(y, y.shape[2] // 2), 1)


def test_functions_are_layers_with_their_settings():
    module, x = Functional().eval(), torch.randn(2, 1, 8, 8)
    model = trace(module, (1, 8, 8))
    assert torch.equal(model(x), module(x))
    layers = {node.name: model.get_submodule(node.target) for node in model.graph.nodes if node.op == "call_module"}
    kinds = {nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Upsample, nn.Sigmoid, nn.AdaptiveAvgPool2d, nn.Flatten}
    assert {type(layer) for layer in layers.values()} == kinds  # and no Dropout
    assert (layers["max_pool2d"].kernel_size, layers["max_pool2d"].stride) == (3, 1)
    assert layers["flatten"].start_dim == 1
    assert layers["adaptive_avg_pool2d"].output_size == 2  # what was computed from a size
    assert {node.target for node in model.graph.nodes if node.op == "call_function"} == {operator.add}


class Antialiased(nn.Module):
    def forward(self, x):
        return functional.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)


def test_resizing_with_antialias_is_refused():
    with pytest.raises(UnsupportedModel, match="AvgPool2d"):
        trace(Antialiased(), (1, 8, 8))


class Block(nn.Module):
    """A convolution, what `forward` makes of it, and logits."""

    def __init__(self, forward, **parts):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.pool, self.flat, self.out = (
            nn.Conv2d(1, 4, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
        )
        for name, part in parts.items():
            keep = self.register_buffer if type(part) is torch.Tensor else functools.partial(setattr, self)
            keep(name, part)
        self.between = forward

    def forward(self, x):
        return self.out(self.flat(self.pool(self.between(self, self.conv(x)))))


def overwritten(net, x):
    return net.second(net.relu(x)) + x  # which is relu(x) by now


def decided_by_size(net, x):
    return net.relu(x) if x.shape[2] > 4 else x


def thrown_away(net, x):
    net.second(x)
    return x


def dropped(net, x):
    return functional.dropout(x, 0.5, training=net.training)


def counted(net, x):
    net.calls += 1
    return x


def decided_by_values(net, x):
    return net.relu(x) if x.sum() > 0 else x


def decided_by_count(net, x):
    return x if len(x) > 2 else net.relu(x)


def written_in_part(net, x):
    x[:, 0] = 0
    return x


def upwards(net, x):
    return net.up(x)


def scaled(net, x):
    return (x - net.mean) / net.std


SAME = {
    "in place": Block(overwritten, relu=nn.ReLU(inplace=True), second=nn.Conv2d(4, 4, 1)),
    "in-place arithmetic": Block(lambda net, x: x.mul_(2).add_(x)),
    "decided by a size": Block(decided_by_size, relu=nn.ReLU()),
    "thrown away": Block(thrown_away, second=nn.Conv2d(4, 4, 1)),
    "dropout": Block(dropped),
    "weights computed anew": Block(lambda net, x: net.normed(x), normed=weight_norm(nn.Conv2d(4, 4, 1))),
    "shapes asked for": Block(lambda net, x: x.view(x.size(0), 4, 6, -1).reshape(-1, *x.shape[1:])),
    "constants": Block(scaled, mean=nn.Parameter(torch.rand(4, 1, 1)), std=torch.full((1,), 0.5)),
    "statistics of each image": Block(lambda net, x: functional.instance_norm(functional.group_norm(x, 2))),
    "statistics that were kept": Block(lambda net, x: net.norm(x), norm=nn.InstanceNorm2d(4, track_running_stats=True)),
    "a bias alone": Block(lambda net, x: functional.group_norm(x, 2, bias=net.bias), bias=nn.Parameter(torch.rand(4))),
    "numbers": Block(lambda net, x: 1 - x / 4),
    "a layer twice": Block(lambda net, x: net.same(net.same(x)), same=nn.Conv2d(4, 4, 1)),
    "counting calls": Block(counted, calls=torch.zeros(1)),
    "a mean": Block(lambda net, x: x.mean((-2, -1), keepdim=True)),
    "channels last": Block(lambda net, x: net.last(x), last=nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)),
    "names": Block(lambda net, x: net.relu(functional.relu(net.x(x))), relu=nn.Tanh(), x=nn.Conv2d(4, 4, 1)),
}


UPWARDS = [
    {"kernel_size": 2, "stride": 2},
    {"kernel_size": 4, "stride": 2, "padding": 1},
    {"kernel_size": (3, 5), "stride": 2, "padding": (1, 0), "output_padding": (1, 0)},
    {"kernel_size": 2, "stride": 3, "bias": False},
    {"kernel_size": 3, "stride": 1, "padding": 2, "dilation": 2},
    {"kernel_size": 1, "stride": 2, "output_padding": 1},
    {"kernel_size": 5, "stride": 2, "padding": 4, "groups": 2},
]


@pytest.mark.parametrize("settings", UPWARDS)
def test_a_transposed_convolution_is_an_ordinary_one_and_pixel_shuffle(settings):
    module, x = Block(upwards, up=nn.ConvTranspose2d(4, 4, **settings)).eval(), torch.randn(3, 1, 8, 9)
    model = trace(module, (1, 8, 9))
    torch.testing.assert_close(model(x), module(x), rtol=1e-5, atol=1e-6)
    shuffles = [layer for layer in model.modules() if isinstance(layer, nn.PixelShuffle)]
    assert [layer.upscale_factor for layer in shuffles] == [settings["stride"]] * (settings["stride"] > 1)


@pytest.mark.parametrize("name", SAME)
def test_it_is_the_same_function_of_any_number_of_images(name):
    module, shape = SAME[name], (1, 8, 8)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    module.train()
    model = trace(module, shape)
    assert module.training
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    module.eval()
    for images in (1, 5):
        x = torch.randn(images, *shape)
        torch.testing.assert_close(model(x), module(x), rtol=1e-5, atol=1e-6)
    held = {tensor.data_ptr() for tensor in module.state_dict().values()}
    assert not held & {tensor.data_ptr() for tensor in model.state_dict().values()}
    assert not any(getattr(layer, "inplace", False) for layer in model.modules())


@pytest.mark.parametrize("name", token_networks.NETWORKS)
def test_numbers_may_be_moved_about_and_attended_to(name):
    module = token_networks.network(name)
    model = trace(module, token_networks.SHAPE)
    for images in (1, 5):
        x = torch.randn(images, *token_networks.SHAPE)
        torch.testing.assert_close(model(x), module(x), rtol=1e-5, atol=1e-6)
    rows = [node for node, layer in weighted_calls(model) if isinstance(layer, nn.Linear)]
    assert all(len(node.all_input_nodes[0].meta["shape"]) == 2 for node in rows)


def test_what_nobody_reads_is_gone_and_what_is_used_twice_stands_there_once():
    assert list(weighted_layers(trace(SAME["thrown away"], (1, 8, 8)))) == ["conv", "out"]
    assert list(weighted_layers(trace(SAME["a layer twice"], (1, 8, 8)))) == ["conv", "same", "out"]
    tied = Block(lambda net, x: net.b(net.a(x)), a=nn.Conv2d(4, 4, 1), b=nn.Conv2d(4, 4, 1))
    tied.b.weight, tied.b.bias = tied.a.weight, tied.a.bias
    assert len(weighted_layers(trace(tied, (1, 8, 8)))) == 3


def test_parameters_that_stand_alone_train_and_keep_their_names():
    gated = Block(lambda net, x: x * net.gate, gate=nn.Parameter(torch.rand(4, 1, 1)))
    assert torch.equal(dict(trace(gated, (1, 8, 8)).named_parameters())["gate"], gated.gate)


def with_nan():
    module = Block(lambda net, x: x)
    with torch.no_grad():
        module.conv.weight[0, 0, 0, 0] = torch.nan
    return module


REFUSED = {
    "softplus in 'soft'": Block(lambda net, x: net.soft(x), soft=nn.Softplus()),
    "conv.weight .* not finite": with_nan(),
    "returns 2 values": Block(lambda net, x: x, out=nn.LSTM(4, 3)),
    "cannot be run on images of 1 × 8 × 8": nn.Linear(7, 3),
    "cannot be written down": Block(decided_by_values, relu=nn.ReLU()),
    "other numbers of images": Block(decided_by_count, relu=nn.ReLU()),
    "fill_": Block(written_in_part),
    "conv_transpose2d in 'up' .* only equal ones": Block(upwards, up=nn.ConvTranspose2d(4, 4, 3, (1, 2))),
    "conv_transpose2d in 'up' .* only one of both": Block(upwards, up=nn.ConvTranspose2d(4, 4, 3, 2, dilation=2)),
    "mixes images": Block(lambda net, x: x.roll(1, 0)),
    "roll .* mixes images": Block(lambda net, x: x.roll(1)),
    "einsum .* only products of two": Block(lambda net, x: torch.einsum("nchw->nchw", x)),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_the_normal_form_has_no_layer_for_is_named(words):
    with pytest.raises(UnsupportedModel, match=words):
        trace(REFUSED[words], (1, 8, 8))


@pytest.mark.parametrize(("size", "is_told"), [(8, False), (9, True)])
@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AvgPool2d])
def test_rounding_up_is_said_where_it_makes_a_difference(pool, size, is_told):
    module = nn.Sequential(nn.Conv2d(1, 2, 1), pool(2, 2, ceil_mode=True), nn.ReLU())
    model = trace(module, (1, size, size))
    x = torch.randn(2, 1, size, size)
    assert model.get_submodule("1").ceil_mode is is_told
    torch.testing.assert_close(model(x), module(x))
