"""Against a plain loop: change one layer of a copy, run the whole copy."""

import numpy as np
import pytest
import torch

from compression.engine import laboratory
from compression.engine.build import load_network
from compression.engine.laboratory.sensitivity import MAX_IMAGES
from compression.engine.network.form import clone, weighted_layers
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.inquiries.sensitivity import BITS, SPARSITIES, SensitivityInquiry
from compression.models.subject import subject_of
from tests.support.networks import correct


@pytest.fixture(scope="module")
def found(bench):
    return laboratory.answer(SensitivityInquiry(recipe=bench.recipe.baseline()), bench.bench)


def zeroed(weight, sparsity):
    """The smallest weights gone, by numpy."""
    order = np.argsort(np.abs(weight).ravel(), kind="stable")
    pruned = weight.copy().ravel()
    pruned[order[: round(sparsity * pruned.size)]] = 0
    return pruned.reshape(weight.shape)


def test_pruned_layers_answer_as_pruned_copies_do(bench, found):
    model = fold_batch_norm(load_network(subject_of("mlp-digits")))
    images = bench.bench.dataset.validation.head(MAX_IMAGES)
    assert found.n_images == len(images)
    assert found.accuracy == pytest.approx(correct(model, images))
    assert [layer.name for layer in found.layers] == list(weighted_layers(model))
    for layer in found.layers:
        for sparsity, value in zip(SPARSITIES, layer.by_sparsity, strict=True):
            other = clone(model)
            weight = weighted_layers(other)[layer.name].weight
            with torch.no_grad():
                weight.copy_(torch.from_numpy(zeroed(weight.numpy(), sparsity)))
            assert value == pytest.approx(correct(other, images), abs=1.5 / len(images))


def test_rounded_layers_have_as_many_values_as_bits_allow(bench, found):
    """Eight bits change nothing that anyone would notice; fewer never give more than chance allows."""
    for layer in found.layers:
        assert len(layer.by_bits) == len(BITS)
        assert layer.by_bits[0] == pytest.approx(found.accuracy, abs=0.01)
        assert layer.by_bits[-1] <= layer.by_bits[0] + 0.01
    assert min(layer.by_bits[-1] for layer in found.layers) < found.accuracy


def test_the_model_itself_is_left_alone(bench, found):
    before = {
        name: layer.weight.clone() for name, layer in weighted_layers(load_network(subject_of("mlp-digits"))).items()
    }
    laboratory.answer(SensitivityInquiry(recipe=bench.recipe.baseline()), bench.bench)
    for name, layer in weighted_layers(load_network(bench.bench.subject)).items():
        assert torch.equal(layer.weight, before[name])


def test_it_never_looks_at_test_images(bench, found, monkeypatch):
    dataset = bench.bench.dataset
    batches = type(dataset.test).batches
    monkeypatch.setattr(
        type(dataset.test), "batches", lambda split, size: len(split) != len(dataset.test) and batches(split, size)
    )
    assert laboratory.answer(SensitivityInquiry(recipe=bench.recipe.baseline()), bench.bench) == found
