"""Networks with random weights and batch-norm statistics, as graphs."""

import functools
import math

import pytest
import torch
from torch import nn

from compression.engine import run
from compression.engine.network.tracing import trace
from tests.support.networks import network


@pytest.fixture(autouse=True, scope="session")
def _latencies_are_rough():
    """Of four runs each: what is measured along with everything else is no test's subject."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "measure_latency", functools.partial(run.measure_latency, runs=4))
        patch.setattr(run, "NARROW", math.inf)
        yield


@pytest.fixture
def sample():
    """A sample model's graph with random weights, and eight random images."""

    def make(name):
        torch.manual_seed(3)
        model = network(name)
        return model, torch.randn(8, *model.input_shape)

    return make


@pytest.fixture
def graph():
    """Trace any module for images of the given shape."""

    def make(module, shape):
        torch.manual_seed(4)
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.5)
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                for tensor in (*norm.parameters(), norm.running_mean):
                    nn.init.normal_(tensor, std=0.5)
                nn.init.uniform_(norm.running_var, 0.5, 2)
        return trace(module, shape)

    return make
