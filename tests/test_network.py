import copy

import pytest
import torch
from torch import nn

from compression import network
from compression.network import Affine, Half, WeightFormat
from sample_models.catalogue import MODELS, find_model
from sample_models.resnet import resnet8

SHAPE = (1, 28, 28)


def affine(bits=4, channels=3):
    half = max(1, 2 ** (bits - 1) - 1)
    return Affine(bits, torch.linspace(0.1, 0.3, channels), torch.zeros(channels, dtype=torch.int32), -half, half)


@pytest.mark.parametrize("grid", [affine(1), affine(2), affine(4), affine(8), Half()])
def test_projection_is_idempotent_and_nearest(grid):
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    once = grid.project(weight)
    assert torch.equal(grid.project(once), once)
    if isinstance(grid, Affine) and grid.bits > 1:
        levels = grid.scale[:, None] * torch.arange(grid.low, grid.high + 1)
        best = (weight[..., None] - levels[:, None]).abs().min(-1).values
        assert torch.allclose((weight - once).abs(), best, atol=1e-6)


def test_restrict_moves_the_weight_onto_grid_and_mask():
    layer = nn.Linear(5, 3)
    mask = torch.rand(3, 5) > 0.5
    network.restrict(layer, mask=mask)
    network.restrict(layer, grid=affine(4))
    assert network.weight_format(layer).bits == 4
    assert bool((layer.weight[~mask] == 0).all())
    assert torch.equal(affine(4).project(layer.weight), layer.weight)


def test_training_inside_restricted_keeps_the_format_and_still_learns():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 3))
    mask = torch.rand(3, 6) > 0.3
    network.restrict(model[0], mask=mask, grid=affine(4))
    before = model[0].weight.detach().clone()
    x, y = torch.randn(64, 6), torch.randint(0, 3, (64,))
    with network.restricted(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    after = model[0].weight
    assert isinstance(after, nn.Parameter)
    assert not torch.equal(before, after)
    assert torch.equal(network.weight_format(model[0]).project(after), after)
    copy.deepcopy(model)


def test_trace_drops_what_does_nothing_and_knows_shapes():
    model = network.trace(resnet8(), SHAPE)
    assert not any(isinstance(module, nn.Identity) for module in model.modules())
    assert [node.meta["shape"] for node in model.graph.nodes if node.op == "output"] == [(1, 10)]


@pytest.mark.parametrize("name", MODELS)
def test_tracing_changes_no_output_and_clones_are_independent(name):
    entry = find_model(name)
    module = entry.build().eval()
    shape = (1, 8, 8) if entry.dataset == "digits" else SHAPE
    x = torch.randn(2, *shape)
    model = network.trace(copy.deepcopy(module), shape)
    assert torch.equal(model(x), module(x))
    twin = network.clone(model)
    with torch.no_grad():
        next(iter(network.weighted_layers(twin).values())).weight.zero_()
    assert torch.equal(model(x), module(x))


def test_costs_of_lenet5_are_those_of_the_literature():
    costs = network.count_costs(network.trace(find_model("lenet5-mnist5k").build(), SHAPE))
    assert (costs.params, costs.macs) == (431_080, 2_293_000)
    assert costs.theoretical_bytes == 4 * 431_080


def test_theoretical_bytes_count_bits_of_weights_that_are_not_zero():
    model = network.trace(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8))
    layer = network.weighted_layers(model)["1"]
    mask = torch.zeros(10, 64, dtype=torch.bool)
    mask[:, :8] = True
    network.restrict(layer, mask=mask, grid=affine(4, channels=10))
    nonzero = int(torch.count_nonzero(layer.weight))
    assert network.count_costs(model).theoretical_bytes == -(-nonzero * 4 // 8) + 4 * 10


def test_an_empty_format_changes_nothing():
    weight = torch.randn(4, 4)
    assert torch.equal(WeightFormat().project(weight), weight)
    assert WeightFormat().bits == 32
