"""Chains in the place of layers: the graph stays plain, and what follows is fitted."""

import pytest
import torch
from torch import nn

from compression.engine.network.form import restrict
from compression.engine.primitives.replacement import moments_of, replace_layers, replaceable
from compression.errors import Cancelled
from compression.watch import SILENT, Watch
from tests.support.watches import GIVEN_UP


class Net(nn.Module):
    """A convolution with batch norm, a shared one, a grouped one, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.classifier = nn.Linear(4, 3)
        self.classifier_in = nn.Linear(3, 3)

    def forward(self, x):
        x = self.grouped(self.shared(self.shared(self.stem(x))))
        return self.classifier_in(self.classifier(x.mean((2, 3))))


@pytest.fixture
def model(graph):
    return graph(Net(), (2, 6, 6))


def _images(n=64):
    return torch.randn(n, 2, 6, 6, generator=torch.Generator().manual_seed(5))


def _split(layer, moments):
    """The fitted layer without its bias, and behind it one that only adds the bias."""
    outputs, weight = layer.weight.shape[0], moments.best_weight()
    if isinstance(layer, nn.Linear):
        first, last = nn.Linear(layer.in_features, outputs, bias=False), nn.Linear(outputs, outputs)
    else:
        first = nn.Conv2d(layer.in_channels, outputs, layer.kernel_size, padding=layer.padding, bias=False)
        last = nn.Conv2d(outputs, outputs, 1)
    first.weight.copy_(weight.reshape(layer.weight.shape))
    last.weight.copy_(torch.eye(outputs).reshape(last.weight.shape))
    last.bias.copy_(moments.bias(weight))
    chain = nn.Sequential()
    chain.add_module("in", first)
    chain.add_module("out", last)
    return chain


def _targets(model):
    return [node.target for node in model.graph.nodes if node.op == "call_module"]


def test_shared_and_grouped_layers_are_not_replaceable(model):
    assert list(replaceable(model)) == ["stem.0", "classifier", "classifier_in"]


def test_layers_with_a_format_are_not_replaceable(model):
    restrict(model.classifier, mask=torch.ones(3, 4, dtype=torch.bool))
    assert list(replaceable(model)) == ["stem.0", "classifier_in"]


def test_an_exact_chain_changes_nothing_but_the_graph(model):
    x = _images()
    plain = replace_layers(model, {}, x)
    split = replace_layers(model, {"stem.0": _split, "classifier": _split}, x)
    torch.testing.assert_close(split(x), plain(x), atol=1e-4, rtol=1e-3)
    names = ["stem.0_in", "stem.0_out", "stem.1", "stem.2", "shared", "shared", "grouped", "mean", "flatten"]
    assert _targets(split) == [*names, "classifier_in2", "classifier_out", "classifier_in"]
    assert all("shape" in node.meta for node in split.graph.nodes if node.op != "output")
    assert "classifier" not in dict(split.named_modules()) and split.input_shape == (2, 6, 6)


def _damaged(layer, moments):
    chain = _split(layer, moments)
    chain[0].weight.mul_(0.7)
    chain[0].weight[0].zero_()
    return chain


def test_later_layers_make_up_for_an_earlier_one(model):
    """Against the same damage without any fitting behind it."""
    x = _images()
    fitted = replace_layers(model, {"classifier": _damaged}, x)
    unfitted = replace_layers(model, {"classifier": _damaged}, x)
    unfitted.classifier_in.load_state_dict(model.classifier_in.state_dict())
    expected = model(x)
    errors = [(candidate(x) - expected).square().mean() for candidate in (fitted, unfitted)]
    assert errors[0] < 0.2 * errors[1]


def test_batch_norm_statistics_are_those_of_the_images(model):
    x = _images()
    fitted = replace_layers(model, {}, x)
    inputs = fitted.get_submodule("stem.0")(x)
    torch.testing.assert_close(fitted.get_submodule("stem.1").running_mean, inputs.mean((0, 2, 3)))


def test_moments_are_centred_where_something_can_shift_the_output(model):
    moments = moments_of(model, _images() + 1, SILENT)
    assert list(moments) == ["stem.0", "classifier", "classifier_in"]
    assert moments["stem.0"].mean_x.abs().min() > 0.5  # batch norm behind it
    assert moments["stem.0"].gram.shape == (18, 18)
    assert moments["classifier"].cross.shape == (3, 4)


def test_progress_and_cancelling(model):
    fractions = []
    replace_layers(model, {}, _images(), watch=Watch(report=lambda fraction, words: fractions.append(fraction)))
    assert fractions == sorted(fractions) and fractions[-1] == 1

    with pytest.raises(Cancelled):
        replace_layers(model, {}, _images(), watch=GIVEN_UP)
    with pytest.raises(Cancelled):
        moments_of(model, _images(), GIVEN_UP)
