import pytest
import torch
from torch import nn

from compression.engine.network.form import restrict
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.equalization import equalize


def uneven(module):
    """Channels whose weights differ a thousandfold."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.weight.mul_(torch.logspace(-2, 1, len(layer.weight)).reshape(-1, *[1] * (layer.weight.dim() - 1)))


def depthwise_chain(activation=nn.ReLU):
    return nn.Sequential(
        nn.Conv2d(2, 8, 1), activation(), nn.Conv2d(8, 8, 3, padding=1, groups=8), activation(), nn.Conv2d(8, 4, 1)
    )


CHAINS = {
    "depthwise": depthwise_chain,
    "grouped": lambda: nn.Sequential(nn.Conv2d(2, 8, 1), nn.ReLU(), nn.Conv2d(8, 6, 3, groups=2)),
    "flattened": lambda: nn.Sequential(
        nn.Conv2d(2, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(1), nn.Flatten(), nn.Linear(32, 3)
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_function_stays_and_ranges_meet(name, graph):
    model = graph(CHAINS[name](), (2, 6, 6))
    uneven(model)
    x = torch.randn(20, 2, 6, 6)
    expected, layers = model(x), [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert equalize(model, x) == len(layers) - 1
    assert torch.allclose(model(x), expected, atol=1e-4 * expected.abs().max().item())
    first, second = layers[-2:]
    rows = first.weight.detach().flatten(1).abs().amax(1)
    groups = second.groups if isinstance(second, nn.Conv2d) else 1
    columns = second.weight.detach().reshape(groups, len(second.weight) // groups, len(rows) // groups, -1)
    assert torch.allclose(rows, columns.abs().amax((1, 3)).flatten(), rtol=0.01)


def test_one_scale_then_serves_all_channels(graph):
    model = graph(depthwise_chain(), (2, 6, 6))
    uneven(model.get_submodule("0"))
    errors = []
    for _ in range(2):
        weight = model.get_submodule("0").weight.detach()
        grid = fit_affine(weight, 8, per_channel=False, method="nearest")
        channels = (grid.project(weight) - weight).flatten(1).norm(dim=1) / weight.flatten(1).norm(dim=1)
        errors.append(channels.max())
        equalize(model, torch.randn(4, 2, 6, 6))
    assert errors[1] < errors[0] / 10


def test_relu6_gives_way_only_where_it_hardly_ever_cuts(graph):
    for size, pairs in ((0.01, 2), (100.0, 0)):
        model = graph(depthwise_chain(nn.ReLU6), (2, 6, 6))
        x = size * torch.randn(20, 2, 6, 6)
        with torch.no_grad():
            for layer in model.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.bias.zero_()
        expected = model(x)
        assert equalize(model, x) == pairs
        assert torch.allclose(model(x), expected, atol=1e-4 * expected.abs().max().item())
        assert sum(isinstance(layer, nn.ReLU6) for layer in model.modules()) == 2 - pairs


def test_zeros_stay_dead_channels_survive_and_quantized_layers_are_left_alone(graph):
    model = graph(depthwise_chain(), (2, 6, 6))
    first, _, middle, _, last = [model.get_submodule(name) for name in "01234"]
    with torch.no_grad():
        first.weight[3] = 0
    restrict(middle, mask=torch.rand_like(middle.weight) > 0.5)
    restrict(last, grid=fit_affine(last.weight, 4))
    before = last.weight.detach().clone()
    assert equalize(model, torch.randn(4, 2, 6, 6)) == 1
    assert torch.equal(middle.weight != 0, middle.weight_format.mask)
    assert torch.equal(last.weight, before)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_what_is_read_twice_is_no_pair(sample):
    model, x = sample("resnet8-mnist5k")
    assert equalize(model, x) == 0  # batch norm not folded
