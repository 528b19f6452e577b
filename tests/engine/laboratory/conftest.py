"""One compressed network and its baseline, measured once for all inquiries of the laboratory."""

import pytest

from compression.recipe.recipe import make_recipe
from tests.support.laboratory_tools import prepared


@pytest.fixture(scope="session")
def bench():
    steps = [
        {"technique": "magnitude_pruning", "sparsity": 0.5},
        {"technique": "quantization", "weight_bits": 4, "activation_bits": 8},
    ]
    return prepared("bench", make_recipe("mlp-digits", steps))


@pytest.fixture(scope="session")
def conv_bench():
    """A network with convolutions and batch norm as it is, measured."""
    return prepared("convolutions", make_recipe("resnet8-mnist5k", []))
