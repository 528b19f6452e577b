"""Networks with random weights and batch-norm statistics, as graphs."""

import pytest
import torch
from torch import nn

from compression.engine.network.form import trace
from sample_models.catalogue import find_model

SHAPES = {"mlp-digits": (1, 8, 8)}


def randomize_statistics(model):
    """Batch norms that do something."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (*norm.parameters(), norm.running_mean):
                nn.init.normal_(tensor, std=0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2)


@pytest.fixture
def sample():
    """A sample model's graph with random weights, and eight random images."""

    def make(name):
        torch.manual_seed(3)
        shape = SHAPES.get(name, (1, 28, 28))
        model = trace(find_model(name).build(), shape)
        randomize_statistics(model)
        return model, torch.randn(8, *shape)

    return make


@pytest.fixture
def graph():
    """Trace any module for images of the given shape."""

    def make(module, shape):
        torch.manual_seed(4)
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.5)
        randomize_statistics(module)
        return trace(module, shape)

    return make
