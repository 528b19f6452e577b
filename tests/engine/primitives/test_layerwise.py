import torch
from torch import nn

from compression.engine.network.form import clone
from compression.engine.primitives.layerwise import layers_in_turn
from tests.support.networks import Twice


def test_every_layer_is_visited_in_order_and_its_rows_explain_its_answers(sample):
    model, x = sample("lenet5-mnist5k")
    visits = list(layers_in_turn(model, clone(model), x))
    assert [visit.name for visit in visits] == ["conv1", "conv2", "hidden", "classifier"]
    for visit in visits:
        groups, _, features = visit.inputs.shape
        weight = visit.layer.weight.detach().reshape(groups, -1, features)
        assert torch.allclose(visit.inputs @ weight.mT + visit.layer.bias, visit.answers, atol=1e-3)


def test_later_layers_see_what_earlier_ones_became(graph):
    model = graph(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), (1, 2, 2))
    changed, x = clone(model), torch.randn(10, 1, 2, 2)
    seen = []
    for visit in layers_in_turn(model, changed, x):
        seen.append(visit)
        with torch.no_grad():
            visit.layer.weight.zero_()
    assert torch.allclose(seen[1].inputs[0], torch.relu(seen[0].layer.bias).expand(10, 3))
    assert torch.allclose(seen[1].answers[0], model(x))


def test_a_tied_layer_is_visited_once_with_the_rows_of_all_its_calls(graph):
    last = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    model = graph(Twice(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3, padding=1), last), (1, 6, 6))
    visits = {visit.name: visit for visit in layers_in_turn(model, clone(model), torch.randn(4, 1, 6, 6))}
    assert list(visits) == ["first", "shared", "last.2"]
    assert visits["shared"].inputs.shape == (1, 2 * 4 * 4 * 4, 27)


def test_layers_that_it_cannot_follow_are_left_out(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.ReLU(), nn.Conv2d(2, 2, 1)), (1, 8, 8))
    assert [visit.name for visit in layers_in_turn(model, clone(model), torch.randn(2, 1, 8, 8))] == ["2"]
