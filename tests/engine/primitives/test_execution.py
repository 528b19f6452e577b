import pytest
import torch
from torch import nn

from compression.engine.network.form import weighted_layers
from compression.engine.primitives.execution import evaluate_node, last_reads, layer_calls
from compression.errors import Cancelled
from compression.watch import Watch


@pytest.mark.parametrize("name", ["resnet8-mnist5k", "mobilenet-fashion"])
def test_every_layer_stops_the_run_with_what_it_gets_and_gives(name, sample):
    model, x = sample(name)
    calls = list(layer_calls(model, x))
    assert [call.name for call in calls] == list(weighted_layers(model))
    for call in calls:
        torch.testing.assert_close(call.layer(call.x), call.y)
    torch.testing.assert_close(calls[-1].y, model(x))  # the last layer gives the logits


def test_a_layer_that_is_used_twice_stops_it_twice(graph):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = nn.Conv2d(2, 2, 1)

        def forward(self, x):
            return self.shared(self.shared(x))

    first, second = layer_calls(graph(Twice(), (2, 4, 4)), torch.randn(3, 2, 4, 4))
    assert first.name == second.name == "shared"
    assert torch.equal(first.y, second.x)


def test_values_are_forgotten_after_their_last_reader_and_not_before(sample):
    model, x = sample("resnet8-mnist5k")
    finished, values = last_reads(model), {}
    with torch.no_grad():
        for node in list(model.graph.nodes)[:-1]:
            values[node.name] = evaluate_node(model, node, values, x)
            for name in finished[node]:
                del values[name]
        (logits,) = values.values()
        torch.testing.assert_close(logits, model(x))


def test_a_run_can_be_cancelled(sample):
    def give_up():
        raise Cancelled

    model, x = sample("lenet5-mnist5k")
    with pytest.raises(Cancelled):
        next(layer_calls(model, x, Watch(check=give_up)))
