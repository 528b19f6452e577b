"""One compressed network and its baseline, measured once for all inquiries of the laboratory."""

from dataclasses import dataclass, replace

import pytest

from compression.engine.laboratory import Bench, Measured
from compression.engine.run import run_recipe
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.watch import Watch


@dataclass(frozen=True)
class Prepared:
    recipe: Recipe
    bench: Bench

    def with_check(self, check):
        return replace(self.bench, watch=Watch(check=check))


def prepare(recipe):
    """A bench with the measured recipe and its baseline."""
    baseline = run_recipe(subject_of(recipe.model), recipe.baseline())
    output = run_recipe(subject_of(recipe.model), recipe, baseline=baseline)
    both = (Measured(found.result, found.stored, found.onnx, found.predictions) for found in (output, baseline))
    return Prepared(recipe, Bench(subject_of(recipe.model), *both))


@pytest.fixture(scope="session")
def bench():
    steps = [
        {"technique": "magnitude_pruning", "sparsity": 0.5},
        {"technique": "quantization", "weight_bits": 4, "activation_bits": 8},
    ]
    return prepare(make_recipe("mlp-digits", steps))


@pytest.fixture(scope="session")
def conv_bench():
    """A network with convolutions and batch norm as it is, measured."""
    return prepare(Recipe(model="resnet8-mnist5k"))
