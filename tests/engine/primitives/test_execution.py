import pytest
import torch
from torch import nn

from compression.engine.network.form import weighted_layers
from compression.engine.primitives.execution import Rehearsal, Walk
from compression.errors import Cancelled
from tests.support.networks import Twice
from tests.support.watches import GIVEN_UP


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


def test_a_rehearsal_finds_the_logits_of_the_changed_network(sample):
    model, x = sample("resnet8-mnist5k")
    with torch.no_grad():
        run = Rehearsal(model, x)
        before = run.logits
        for name, layer in weighted_layers(model).items():
            weight = layer.weight.clone()
            layer.weight.mul_(0.5)
            torch.testing.assert_close(run.logits_with(name), model(x))
            layer.weight.copy_(weight)
        assert run.logits is before


def test_a_run_can_be_cancelled(sample):
    model, x = sample("lenet5-mnist5k")
    with pytest.raises(Cancelled):
        next(Walk(model, x, GIVEN_UP).calls())
