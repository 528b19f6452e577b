import copy

import pytest
import torch
from torch import nn

from compression.engine.network import form
from compression.engine.network.form import ActivationQuantizer, DynamicQuantizer, WeightFormat
from compression.engine.network.grids import Affine, BrainFloat, Codebook, Half
from compression.engine.network.tracing import trace
from sample_models.catalogue import find_model
from tests.support.networks import Twice

SHAPE = (1, 28, 28)


def affine(bits=4, channels=3):
    half = max(1, 2 ** (bits - 1) - 1)
    return Affine(bits, torch.linspace(0.1, 0.3, channels), torch.zeros(channels, dtype=torch.int32), -half, half)


@pytest.mark.parametrize("grid", [affine(1), affine(2), affine(4), affine(8), Half(), BrainFloat()])
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
    form.restrict(layer, mask=mask)
    form.restrict(layer, grid=affine(4))
    assert form.weight_format(layer).bits == 4
    assert bool((layer.weight[~mask] == 0).all())
    assert torch.equal(affine(4).project(layer.weight), layer.weight)


def test_training_inside_restricted_keeps_the_format_and_still_learns():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 3))
    mask = torch.rand(3, 6) > 0.3
    form.restrict(model[0], mask=mask, grid=affine(4))
    before = model[0].weight.detach().clone()
    x, y = torch.randn(64, 6), torch.randint(0, 3, (64,))
    with form.restricted(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    after = model[0].weight
    assert isinstance(after, nn.Parameter)
    assert not torch.equal(before, after)
    assert torch.equal(form.weight_format(model[0]).project(after), after)
    copy.deepcopy(model)


def test_costs_of_lenet5_are_those_of_the_literature():
    costs = form.count_costs(trace(find_model("lenet5-mnist5k").build(), SHAPE))
    assert (costs.params, costs.macs) == (431_080, 2_293_000)
    assert costs.theoretical_bytes == 4 * 431_080


def test_theoretical_bytes_count_bits_of_weights_that_are_not_zero():
    model = trace(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8))
    layer = form.weighted_layers(model)["1"]
    mask = torch.zeros(10, 64, dtype=torch.bool)
    mask[:, :8] = True
    form.restrict(layer, mask=mask, grid=affine(4, channels=10))
    nonzero = int(torch.count_nonzero(layer.weight))
    assert form.count_costs(model).theoretical_bytes == -(-nonzero * 4 // 8) + 4 * 10


def test_an_empty_format_changes_nothing():
    weight = torch.randn(4, 4)
    assert torch.equal(WeightFormat().project(weight), weight)
    assert WeightFormat().bits == 32


def book(shape, values=(-0.5, 0.0, 0.25, 1.0), seed=0):
    codes = torch.randint(0, len(values), shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return Codebook(torch.tensor(values), codes)


def train_on_noise(model, steps=20, learn_scales=False, learning_rate=0.5):
    torch.manual_seed(0)
    x, y = torch.randn(64, 6), torch.randint(0, 3, (64,))
    losses = []
    with form.restricted(model, learn_scales):
        optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def test_brain_float_keeps_eight_bits_of_precision_and_the_range():
    weight = torch.tensor([1.0, 1 + 2**-8, 1 + 2**-7, -3e38, torch.finfo(torch.float32).max])
    found = BrainFloat().project(weight)
    assert found[:3].tolist() == [1.0, 1.0, 1 + 2**-7]
    assert torch.isfinite(found).all()
    assert (found.view(torch.int32) & 0xFFFF == 0).all()


@pytest.mark.parametrize(("size", "bits"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (16, 4), (17, 5), (256, 8)])
def test_bits_of_a_codebook(size, bits):
    assert Codebook(torch.arange(size) / 256, torch.zeros(4, dtype=torch.uint8)).bits == bits


@pytest.mark.parametrize(
    ("values", "codes", "words"),
    [
        (torch.zeros(257), torch.zeros(2, dtype=torch.uint8), "1 to 256"),
        (torch.zeros(4), torch.zeros(2, dtype=torch.int32), "uint8"),
        (torch.zeros(4), torch.tensor([4], dtype=torch.uint8), "code 4"),
    ],
)
def test_an_impossible_codebook_is_refused(values, codes, words):
    with pytest.raises(ValueError, match=words):
        Codebook(values, codes)


def test_training_moves_shared_values_and_leaves_codes_and_zeros():
    model = nn.Sequential(nn.Linear(6, 3))
    mask = torch.rand(3, 6) > 0.3
    grid = book((3, 6))
    form.restrict(model[0], mask=mask, grid=grid)
    assert torch.equal(model[0].weight, grid.values[grid.codes.long()] * mask)
    losses = train_on_noise(model)
    assert losses[-1] < losses[0]
    after = form.weight_format(model[0]).grid
    assert torch.equal(after.codes, grid.codes)
    assert not torch.equal(after.values, grid.values)
    assert torch.equal(after.values.half().float(), after.values)
    assert torch.equal(model[0].weight, after.values[after.codes.long()] * mask)
    copy.deepcopy(model)


def test_one_codebook_of_two_layers_stays_one():
    first, second = book((6, 6)), book((3, 6), seed=1)
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    form.restrict(model[0], grid=first)
    form.restrict(model[2], grid=Codebook(first.values, second.codes))
    with form.restricted(model):
        shapes = [parameter.shape for name, parameter in model.named_parameters() if "values" in name]
    assert shapes == [(4,)]
    train_on_noise(model)
    twin = copy.deepcopy(model)
    for trained in (model, twin):
        grids = [form.weight_format(trained[i]).grid for i in (0, 2)]
        assert grids[0].values is grids[1].values
        assert not torch.equal(grids[0].values, first.values)


def test_a_shared_value_moves_by_the_mean_of_its_members_gradients():
    layer = nn.Linear(6, 3, bias=False)
    grid = book((3, 6))
    form.restrict(layer, grid=grid)
    x = torch.randn(5, 6)
    free = layer.weight.detach().clone().requires_grad_()
    (x @ free.T).square().sum().backward()
    with form.restricted(layer):
        layer(x).square().sum().backward()
        (values,) = [parameter for name, parameter in layer.named_parameters() if "values" in name]
        for code in range(4):
            assert torch.allclose(values.grad[code], free.grad[grid.codes == code].mean(), rtol=1e-4)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_learned_scales_move_and_stay_storable(bits):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 3), ActivationQuantizer(0.1, 7, 4))
    form.restrict(model[0], mask=torch.rand(3, 6) > 0.3, grid=affine(bits))
    losses = train_on_noise(model, 40, learn_scales=True, learning_rate=0.2)
    assert losses[-1] < losses[0]
    found = form.weight_format(model[0])
    assert not torch.equal(found.grid.scale, affine(bits).scale)
    assert torch.equal(found.grid.scale.half().float(), found.grid.scale)
    assert torch.equal(found.project(model[0].weight), model[0].weight)
    assert torch.equal(found.project(model[0].hidden_weight), model[0].weight)
    assert model[1].scale != 0.1 and model[1].trained_scale is None
    assert torch.tensor(model[1].scale).half().item() == model[1].scale
    assert not any("scale" in name for name, _ in model.named_parameters())


def test_scales_stay_unless_they_are_to_be_learned():
    model = nn.Sequential(nn.Linear(6, 3), ActivationQuantizer(0.1, 7, 4))
    form.restrict(model[0], grid=affine(4))
    train_on_noise(model)
    assert torch.equal(form.weight_format(model[0]).grid.scale, affine(4).scale)
    assert model[1].scale == 0.1


def test_the_gradient_of_a_scale_is_that_of_learned_step_size_quantization():
    """Esser et al. (2020), equation 3: round(v) - v inside the range, its end outside; times 1 / sqrt(N Q)."""
    layer = nn.Linear(4, 1, bias=False)
    form.restrict(layer, grid=Affine(3, torch.tensor([0.5]), torch.zeros(1, dtype=torch.int32), -3, 3))
    layer.hidden_weight = torch.tensor([[0.6, -0.9, 9.0, -9.0]])
    with form.restricted(layer, learn_scales=True):
        layer(torch.tensor([[1.0, 1.0, 1.0, 0.0]])).sum().backward()
        gradients = {name.split(".")[-1]: parameter.grad for name, parameter in layer.named_parameters()}
    inside = (1 - 1.2) + (-2 + 1.8)
    assert gradients["scale"].item() == pytest.approx((inside + 3) / (4 * 3) ** 0.5, rel=1e-4)
    assert gradients["original"].tolist() == [[1, 1, 0, 0]]


def test_a_learned_activation_scale_computes_what_the_fixed_one_does():
    quantizer, x = ActivationQuantizer(0.125, 3, 4), torch.linspace(-2, 3, 99)
    fixed = quantizer(x)
    quantizer.learn_scale()
    assert torch.allclose(quantizer(x), fixed)
    quantizer.keep_scale()
    assert quantizer.scale == 0.125


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_training_starts_from_placed_codes_even_where_they_are_not_the_nearest(bits):
    layer, grid = nn.Linear(5, 3), affine(bits)
    torch.manual_seed(2)
    levels = [-1.0, 1.0] if bits == 1 else [float(code) for code in range(grid.low, grid.high + 1)]
    placed = torch.tensor(levels)[torch.randint(0, len(levels), (3, 5))] * grid.scale[:, None]
    assert not torch.equal(grid.project(layer.weight), placed)
    form.place(layer, grid, placed)
    assert torch.equal(layer.weight, placed)
    with form.restricted(layer):
        assert torch.equal(layer.weight, placed)
    assert torch.equal(layer.weight, placed)


def test_dynamic_ranges_belong_to_each_image_alone():
    x = torch.randn(9, 20) * torch.logspace(-3, 3, 9)[:, None]
    for zero_point, values in ((100, x), (0, x.abs()), (255, -x.abs())):
        quantizer = DynamicQuantizer(zero_point)
        found = quantizer(values)
        assert torch.equal(found, torch.cat([quantizer(row[None]) for row in values]))
        assert ((found - values).abs() <= 0.501 * quantizer.scales(values)).all()
        codes = found / quantizer.scales(values) + zero_point
        assert codes.min() > -0.01 and codes.max() < 255.01
    assert torch.equal(DynamicQuantizer(7)(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_a_tied_layer_has_its_parameters_once_and_its_operations_each_time():
    last = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    layers = Twice(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3, padding=1), last)
    costs = form.count_costs(trace(layers, (1, 8, 8)))
    assert costs.params == (9 + 1) * 3 + (27 + 1) * 3 + (3 + 1) * 2
    assert costs.macs == 27 * 36 + 2 * 81 * 36 + 6


def test_theoretical_bytes_count_codes_and_each_codebook_once():
    model = trace(nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Linear(8, 10)), (1, 8, 8))
    layers = list(form.weighted_layers(model).values())
    first = book((8, 64), values=(-0.5, 0.5, 0.25, 1.0, 2.0))
    form.restrict(layers[0], grid=first)
    form.restrict(layers[1], grid=Codebook(first.values, torch.ones(10, 8, dtype=torch.uint8)))
    assert form.count_costs(model).theoretical_bytes == (8 * 64 + 80) * 3 // 8 + 5 * 2 + 4 * 18
