import math
import operator

import pytest
import torch
from torch import nn

from compression.engine.network.tracing import trace
from compression.engine.primitives.channels import channel_groups


class Written(nn.Module):
    """Rows of six features, what `body` makes of them in arithmetic, and logits."""

    def __init__(self, body):
        super().__init__()
        torch.manual_seed(0)
        self.body, self.rows, self.out = body, nn.Linear(4, 6), nn.Linear(6, 3)
        self.weight, self.bias = nn.Parameter(torch.rand(6) + 0.5), nn.Parameter(torch.randn(6))

    def forward(self, x):
        return self.out(self.body(self, self.rows(x.flatten(1))))


def normed(net, x):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-4).sqrt() * net.weight + net.bias


LAYERS = {
    "silu": (nn.SiLU, lambda net, x: torch.sigmoid(x) * x),
    "hard swish": (nn.Hardswish, lambda net, x: x * nn.functional.hardsigmoid(x)),
    "gelu": (nn.GELU, lambda net, x: x * (torch.erf(x / math.sqrt(2)) + 1) * 0.5),
    "gelu, the half first": (nn.GELU, lambda net, x: (0.5 * x) * (1 + torch.erf(x * math.sqrt(0.5)))),
    "layer norm": (nn.LayerNorm, normed),
    "layer norm, another way": (
        nn.LayerNorm,
        lambda net, x: (y := x - x.mean(1, True)) / ((y * y).mean(1, True) + 1e-4).sqrt() * net.weight + net.bias,
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_written_out_becomes_a_layer(name):
    kind, body = LAYERS[name]
    module = Written(body)
    model = trace(module, (1, 2, 2))
    x = torch.randn(5, 1, 2, 2)
    torch.testing.assert_close(model(x), module(x), rtol=1e-5, atol=1e-6)
    assert [node.op for node in model.graph.nodes].count("call_function") == 0
    assert any(isinstance(layer, kind) for layer in model.modules())
    assert [len(group) for group in channel_groups(model)] == [6]


@pytest.mark.parametrize(
    "body",
    [
        lambda net, x: x * torch.sigmoid(x + 1),
        lambda net, x: 0.4 * x * (1 + torch.erf(x * math.sqrt(0.5))),
        lambda net, x: x * (1 + torch.erf(x)) * 0.5,
        lambda net, x: (x - x.mean(-1, True)) / (x.pow(2).mean(-1, True) + 1e-4).sqrt() * net.weight + net.bias,
    ],
)
def test_what_only_looks_like_a_layer_stays(body):
    module = Written(body)
    model, x = trace(module, (1, 2, 2)), torch.randn(5, 1, 2, 2)
    torch.testing.assert_close(model(x), module(x), rtol=1e-5, atol=1e-6)
    assert not any(isinstance(layer, nn.SiLU | nn.GELU | nn.LayerNorm) for layer in model.modules())


def test_a_linear_layer_takes_the_bias_that_is_added_to_its_rows():
    """Where nobody else reads them, or is answered by the same layer."""
    net = Written(
        lambda net, x: torch.relu(nn.functional.linear(x.view(-1, 2, 3), net.weight.view(2, 3)) + net.bias[:2])
    )
    net.out = nn.Linear(4, 3)
    net.forward = lambda x: net.out(net.body(net, net.rows(x.flatten(1))).flatten(1))
    model, x = trace(net, (1, 2, 2)), torch.randn(5, 1, 2, 2)
    torch.testing.assert_close(model(x), net(x))
    assert not list(model.graph.find_nodes(op="get_attr"))
    twice = Written(lambda net, x: (y := x @ net.weight.view(6, 1)) + y.relu() + net.bias)
    torch.testing.assert_close(trace(twice, (1, 2, 2))(x), twice(x))


@pytest.mark.parametrize(("begin", "is_roll"), [(2, True), (3, False)])
def test_two_parts_in_each_other_s_place_are_rolled(begin, is_roll):
    net = Written(lambda net, x: torch.cat([x[:, begin:], x[:, :2]], 1)[:, :5])
    net.out = nn.Linear(5, 3)
    model, x = trace(net, (1, 2, 2)), torch.randn(5, 1, 2, 2)
    torch.testing.assert_close(model(x), net(x))
    assert any(model.graph.find_nodes(op="call_function", target=torch.roll)) == is_roll


def test_scales_of_both_factors_are_one():
    net = Written(lambda net, x: ((x.view(-1, 2, 3) * 0.5) @ (x.view(-1, 3, 2) * 0.5)).flatten(1))
    net.out = nn.Linear(4, 3)
    model, x = trace(net, (1, 2, 2)), torch.randn(5, 1, 2, 2)
    torch.testing.assert_close(model(x), net(x))
    assert [node.args[1] for node in model.graph.find_nodes(op="call_function", target=operator.mul)] == [0.25]
