import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from compression.engine.network.form import clone, weighted_layers
from compression.engine.network.tracing import trace
from compression.errors import UnsupportedModel
from sample_models.catalogue import MODELS, find_model
from sample_models.resnet import resnet8

SHAPE = (1, 28, 28)


def test_trace_drops_what_does_nothing_and_knows_shapes():
    model = trace(resnet8(), SHAPE)
    assert not any(isinstance(module, nn.Identity) for module in model.modules())
    assert [node.meta["shape"] for node in model.graph.nodes if node.op == "output"] == [(1, 10)]


@pytest.mark.parametrize("name", MODELS)
def test_tracing_changes_no_output_and_clones_are_independent(name):
    entry = find_model(name)
    module = entry.build().eval()
    shape = (1, 8, 8) if entry.dataset == "digits" else SHAPE
    x = torch.randn(2, *shape)
    model = trace(copy.deepcopy(module), shape)
    assert torch.equal(model(x), module(x))
    twin = clone(model)
    with torch.no_grad():
        next(iter(weighted_layers(twin).values())).weight.zero_()
    assert torch.equal(model(x), module(x))


class Functional(nn.Module):
    """What people write with functions: `relu` is also the name of a layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(1, 2, 3), nn.ReLU()

    def forward(self, x):
        y = functional.relu(self.conv(x))
        y = functional.max_pool2d(y, 3, stride=1) + functional.interpolate(y, size=(4, 4), mode="bilinear")
        y += functional.dropout(self.relu(y).sigmoid(), training=False)
        return torch.flatten(functional.adaptive_avg_pool2d(y, y.shape[2] // 2), 1)


def test_functions_are_layers_with_their_settings():
    module, x = Functional().eval(), torch.randn(2, 1, 8, 8)
    model = trace(module, (1, 8, 8))
    assert torch.equal(model(x), module(x))
    layers = {node.name: model.get_submodule(node.target) for node in model.graph.nodes if node.op == "call_module"}
    kinds = {nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Upsample, nn.Sigmoid, nn.Flatten}
    assert {type(layer) for layer in layers.values()} == kinds  # and no Dropout
    assert (layers["max_pool2d"].kernel_size, layers["max_pool2d"].stride) == (3, 1)
    assert layers["flatten"].start_dim == 1
    functions = {node.target for node in model.graph.nodes if node.op == "call_function"}
    assert functional.adaptive_avg_pool2d in functions  # how many come out stands in the graph, not in a setting


class Antialiased(nn.Module):
    def forward(self, x):
        return functional.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)


def test_resizing_with_antialias_is_refused():
    with pytest.raises(UnsupportedModel, match="AvgPool2d"):
        trace(Antialiased(), (1, 8, 8))
