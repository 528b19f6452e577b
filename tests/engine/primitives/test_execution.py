import pytest
import torch
from torch import nn

from compression.engine.network.form import clone, weighted_layers
from compression.engine.network.tracing import trace
from compression.engine.primitives import execution
from compression.engine.primitives.execution import Changed, Rehearsal, Walk, images_at_once
from compression.errors import Cancelled
from tests.support.networks import Twice
from tests.support.watches import GIVEN_UP


class Shifted(nn.Module):
    """Adds numbers of its own, as many as there may be images."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16 * 7 * 7, 4)
        self.shift = nn.Parameter(torch.randn(4))

    def forward(self, x):
        shift = self.shift.exp()
        return self.last(nn.functional.max_pool2d(self.conv(x), 4).flatten(1)) + shift


@pytest.mark.parametrize("name", ["resnet8-mnist5k", "mobilenet-fashion"])
def test_every_layer_stops_the_run_with_what_it_gets_and_gives(name, sample):
    model, x = sample(name)
    calls = list(Walk(model, x).calls())
    assert [call.name for call in calls] == list(weighted_layers(model))
    for call in calls:
        torch.testing.assert_close(call.layer(call.x), call.y)
    torch.testing.assert_close(calls[-1].y, model(x))  # the last layer gives the logits


def test_a_layer_that_is_used_twice_stops_it_twice(graph):
    model = graph(Twice(nn.ReLU(), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)), (2, 4, 4))
    first, second, last = Walk(model, torch.randn(3, 2, 4, 4)).calls()
    assert [call.name for call in (first, second, last)] == ["shared", "shared", "last"]
    assert torch.equal(first.y.relu(), second.x)


def test_values_are_forgotten_after_their_last_reader_and_not_before(sample):
    model, x = sample("resnet8-mnist5k")
    walk = Walk(model, x)
    for node in walk.nodes():
        walk.compute(node)
    assert list(walk.env.values()) == [walk.logits]
    torch.testing.assert_close(walk.logits, model(x))


def test_a_plain_walk_computes_like_the_network_with_gradients(sample):
    model, x = sample("resnet8-mnist5k")
    walk = Walk(model, x, plain=True)
    calls = list(walk.calls())
    assert torch.equal(walk.logits, model(x))
    assert all(gradient.any() for gradient in torch.autograd.grad(walk.logits.sum(), [call.y for call in calls]))
    assert not any(call.y.requires_grad for call in Walk(model, x).calls())


@pytest.fixture
def room_for_few(monkeypatch):
    """Room for values of four images of the sample's widest maps, and for more of them further on."""
    monkeypatch.setattr(execution, "FEWEST_IMAGES", 4)
    monkeypatch.setattr(execution, "VALUE_BYTES", 4 * 4 * 28 * 28 * 16)


@pytest.mark.parametrize("plain", [False, True])
def test_images_join_as_the_network_gets_narrower(plain, room_for_few, sample):
    model, _ = sample("resnet8-mnist5k")
    x = torch.randn(24, 1, 28, 28)
    walk, counts = Walk(model, x, plain=plain), []
    for call in walk.calls():
        torch.testing.assert_close(call.layer(call.x), call.y)
        counts.append(len(call.x))
    assert images_at_once(model) == counts[0] == 4
    assert counts == sorted(counts)
    assert {4, 8, 16, 24} >= set(counts) >= {4, 24}
    torch.testing.assert_close(walk.logits, model(x))


def test_images_that_join_run_through_layers_as_they_are_now(room_for_few, sample):
    model, _ = sample("resnet8-mnist5k")
    x = torch.randn(24, 1, 28, 28)
    walk = Walk(model, x)
    with torch.no_grad():
        for node in walk.nodes():
            if node.target == "stem":
                model.get_submodule("stem").weight.mul_(0.5)
            walk.compute(node)
    torch.testing.assert_close(walk.logits, model(x))


def test_values_that_are_no_images_do_not_grow(room_for_few):
    model, x = trace(Shifted(), (1, 28, 28)), torch.randn(24, 1, 28, 28)
    (numbers,) = (node for node in model.graph.nodes if node.op == "get_attr")
    next(iter(model.graph.nodes)).append(numbers)  # at hand while images join
    model.recompile()
    torch.testing.assert_close(Walk(model, x).run_through(), model(x))


def test_a_walk_that_is_extended_by_hand_has_so_many(sample):
    model, _ = sample("resnet8-mnist5k")
    x, counts = torch.randn(10, 1, 28, 28), []
    walk = Walk(model, x, images=3)
    for number, node in enumerate(walk.nodes()):
        walk.extend(10 if number == 7 else 5 if number == 2 else 1)
        counts.append(len(walk.compute(node)))
    assert counts[:8] == [3, 3, 5, 5, 5, 5, 5, 10]
    torch.testing.assert_close(walk.logits, model(x))


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("network", ["resnet8-mnist5k", "mlp-digits"])
def test_a_rehearsal_finds_the_logits_of_the_changed_network(sample, network, at_once):
    model, x = sample(network)
    layers = weighted_layers(model)
    with torch.no_grad():
        run = Rehearsal(model, x)
        before = run.logits
        for name, layer in layers.items():
            weights = [factor * layer.weight for factor in (0.5, 0.25, 0.0, 2.0)]
            found = list(run.logits_with_each([{name: Changed(weight)} for weight in weights], at_once))
            for weight, logits in zip(weights, found, strict=True):
                own = layer.weight.clone()
                layer.weight.copy_(weight)
                torch.testing.assert_close(logits, model(x))
                layer.weight.copy_(own)
        assert run.logits is before


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_rehearsal_changes_several_layers_and_their_biases(sample, at_once):
    model, x = sample("lenet5-mnist5k")
    first, *_, last = weighted_layers(model)
    with torch.no_grad():
        run = Rehearsal(model, x)
        layers = [(name, weighted_layers(model)[name]) for name in (first, last)]
        variants = [
            {name: Changed(layer.weight * factor, layer.bias + factor) for name, layer in layers}
            for factor in (0.5, 0.9)
        ]
        found = list(run.logits_with_each(variants, at_once))
        for variant, logits in zip(variants, found, strict=True):
            other = clone(model)
            for name, changed in variant.items():
                weighted_layers(other)[name].weight.copy_(changed.weight)
                weighted_layers(other)[name].bias.copy_(changed.bias)
            torch.testing.assert_close(logits, other(x))


def test_a_run_can_be_cancelled(sample):
    model, x = sample("lenet5-mnist5k")
    with pytest.raises(Cancelled):
        next(Walk(model, x, GIVEN_UP).calls())
