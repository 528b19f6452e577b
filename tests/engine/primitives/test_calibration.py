from collections import OrderedDict

import pytest
import torch
from torch import nn

from compression.engine.network.form import ActivationQuantizer
from compression.engine.network.tracing import trace
from compression.engine.primitives.affine import fit_affine
from compression.engine.primitives.calibration import (
    Sampler,
    fit_quantizer,
    insert_quantizers,
    quantization_points,
    sample_activations,
)
from compression.engine.primitives.execution import Walk
from compression.watch import SILENT
from tests.support.networks import samples_of


def test_points_of_a_residual_network(sample):
    model, _ = sample("resnet8-mnist5k")
    names = [
        node.name
        for node in quantization_points(model)
        if node.name.startswith(("x", "stem", "bn", "relu", "stages_1", "add_1", "pool", "flat", "class"))
    ]
    block = ("conv1", "relu1", "conv2", "bn2", "shortcut_0", "shortcut_1", "relu2")
    assert names == ["x", "stem", "relu", *(f"stages_1_{layer}" for layer in block), "pool"]


def test_rectified_values_are_quantized_once_and_pooling_passes_them_on(sample):
    model, _ = sample("lenet5-mnist5k")
    assert [node.name for node in quantization_points(model)] == ["x", "relu1", "relu2", "relu3"]


def test_quantizers_stand_behind_their_points(sample):
    model, x = sample("lenet5-mnist5k")
    expected = model(x)
    insert_quantizers(model, samples_of(model, x), 8, SILENT)
    quantizers = [layer for layer in model.modules() if isinstance(layer, ActivationQuantizer)]
    assert len(quantizers) == 4
    assert all(quantizer.zero_point == 0 for quantizer in quantizers[1:])  # behind a ReLU
    order = [node.name for node in model.graph.nodes]
    assert order.index("quantizer_1") == order.index("relu1") + 1
    assert all("shape" in node.meta for node in model.graph.nodes if node.op != "output")
    error = (model(x) - expected).abs().max() / expected.abs().max()
    assert 0 < error < 0.05


def test_images_seen_on_the_way_count_as_those_that_were_run_alone(sample):
    model, x = sample("resnet8-mnist5k")
    points = quantization_points(model)
    sampler, walk = Sampler(points, images=6), Walk(model, x[:8])
    for node in walk.nodes():
        sampler.see(node, walk.compute(node))
    alone = samples_of(model, x[:6])
    for node, found in sampler.samples().items():
        one, other = fit_quantizer(found, 8), fit_quantizer(alone[node], 8)
        assert one.scale == pytest.approx(other.scale, rel=0.05)
        torch.testing.assert_close(torch.stack(found.aminmax()), torch.stack(alone[node].aminmax()))


def test_range_always_includes_zero():
    quantizer = fit_quantizer(torch.linspace(5, 6, 100), 8)
    assert quantizer.zero_point == 0
    assert quantizer(torch.zeros(1)).item() == 0
    below = fit_quantizer(torch.linspace(-6, -5, 100), 8)
    assert below.zero_point == 255
    assert below(torch.zeros(1)).item() == 0


def test_every_value_lands_within_half_a_step():
    values = torch.linspace(-1, 3, 999)
    quantizer = fit_quantizer(values, 8)
    assert (quantizer(values) - values).abs().mean() <= quantizer.scale / 2
    assert quantizer.scale < 4.1 / 255


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("shape", [lambda x: x.relu(), lambda x: x, lambda x: x**5 - 3])
def test_counting_in_bins_chooses_the_scale_that_all_values_choose(bits, shape):
    values = shape(torch.randn(30_000, generator=torch.Generator().manual_seed(0)))
    quantizer = fit_quantizer(values, bits)
    grid = fit_affine(values[None], bits, per_channel=False, symmetric=False)
    errors = [
        (ActivationQuantizer(scale, zero_point, bits)(values) - values).square().mean().item()
        for scale, zero_point in (
            (quantizer.scale, quantizer.zero_point),
            (grid.scale.item(), int(grid.zero_point)),
        )
    ]
    assert errors[0] <= 1.001 * errors[1]


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-30, float("inf"), float("nan")])
def test_values_that_are_all_the_same_have_a_scale(value):
    quantizer = fit_quantizer(torch.full((100,), value), 8)
    assert 0 < quantizer.scale < 1
    assert 0 <= quantizer.zero_point <= 255


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_every_place_of_an_image_is_looked_at(graph, memory):
    """Steps of even length through memory would see some columns only, where other values may be."""
    model = graph(nn.Sequential(nn.Conv2d(1, 32, 3, padding=1)), (1, 8, 8))
    (node,) = [node for node in model.graph.nodes if node.op == "call_module"]
    places = torch.arange(32 * 8 * 8.0).reshape(1, 32, 8, 8).expand(64, -1, -1, -1).contiguous(memory_format=memory)
    sampler = Sampler([node])
    sampler.see(node, places)
    (found,) = sampler.samples().values()
    assert len(found.unique()) == 32 * 8 * 8
    assert len(found) <= 16384 + 2


def test_a_layer_whose_name_a_quantizer_would_have_stays(graph):
    layers = {"quantizer_0": nn.Conv2d(1, 4, 3), "relu": nn.ReLU(), "quantizer_1": nn.Conv2d(4, 4, 3)}
    model = graph(nn.Sequential(OrderedDict(layers)), (1, 8, 8))
    before, x = dict(model.named_modules()), torch.randn(4, 1, 8, 8)
    insert_quantizers(model, samples_of(model, x), 8, SILENT)
    after = dict(model.named_modules())
    assert all(after[name] is layer for name, layer in before.items())
    assert sum(isinstance(layer, ActivationQuantizer) for layer in after.values()) == 2


def test_samples_contain_the_extremes(graph):
    model = graph(nn.Sequential(nn.Conv2d(1, 8, 3)), (1, 60, 60))
    x = torch.randn(70, 1, 60, 60)
    (conv,) = [node for node in model.graph.nodes if node.op == "call_module"]
    found = sample_activations(model, [conv], x, SILENT)[conv]
    everything = model(x)
    assert len(found) < everything.numel() / 10
    assert (found.min(), found.max()) == (everything.min(), everything.max())


class Joined(nn.Module):
    """Two maps side by side, one of them some times as large, read by a convolution."""

    def __init__(self, times):
        super().__init__()
        self.one, self.other, self.reader = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3), nn.Conv2d(8, 4, 1)
        with torch.no_grad():
            self.other.weight.copy_(self.one.weight * times)
            self.other.bias.copy_(self.one.bias * times)

    def forward(self, x):
        return self.reader(torch.cat([self.one(x), self.other(x)], 1))


@pytest.mark.parametrize(("times", "quantizers"), [(0, 4), (1, 4), (6, 4), (100, 3)])
def test_parts_of_a_concatenation_have_one_scale_unless_it_suits_only_one(times, quantizers):
    torch.manual_seed(0)
    model = trace(Joined(times), (1, 8, 8))
    insert_quantizers(model, samples_of(model, torch.randn(8, 1, 8, 8)), 8, SILENT)
    assert sum(isinstance(layer, ActivationQuantizer) for layer in model.modules()) == quantizers


@pytest.mark.parametrize("rounds_up", [False, True])
def test_an_average_over_windows_that_end_outside_stays_float(graph, rounds_up):
    """The runtime's integer kernel divides by the wrong number there: 22 % of the logits."""
    pool = nn.AvgPool2d(3, 2, ceil_mode=rounds_up)
    model = graph(nn.Sequential(nn.Conv2d(1, 4, 1), pool, nn.Conv2d(4, 2, 1)), (1, 6, 6))
    assert [node.name for node in quantization_points(model)] == ["x", "_0", *([] if rounds_up else ["_1"])]
