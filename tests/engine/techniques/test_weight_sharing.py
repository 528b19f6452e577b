import pytest
import torch
from torch import nn

from compression.engine.network.form import weight_format, weighted_layers
from compression.engine.network.grids import Codebook
from compression.engine.techniques import apply_step
from compression.recipe.steps import ChannelPruning, FineTuning, MagnitudePruning, WeightSharing
from tests.support.networks import carried_out, loss


def books(model):
    return [weight_format(layer).grid for layer in weighted_layers(model).values()]


@pytest.mark.parametrize("clusters", [2, 5, 16, 256])
@pytest.mark.parametrize("weighting", ["none", "hessian"])
def test_each_layer_takes_as_many_values(clusters, weighting, context_of):
    model = carried_out(context_of("mlp-digits"), WeightSharing(clusters=clusters, weighting=weighting))
    for layer, book in zip(weighted_layers(model).values(), books(model), strict=True):
        assert isinstance(book, Codebook)
        assert len(layer.weight.unique()) == clusters
        assert torch.equal(layer.weight, layer.weight.half().float())
        assert not any(isinstance(other, nn.BatchNorm2d) for other in model.modules())


def test_one_codebook_for_the_whole_network(context_of):
    model = carried_out(context_of("mlp-digits"), WeightSharing(clusters=9, scope="global"))
    everything = torch.cat([layer.weight.flatten() for layer in weighted_layers(model).values()])
    assert len(everything.unique()) == 9
    assert all(book.values is books(model)[0].values for book in books(model))


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_zeros_stay_zero_also_in_training(scope, mlp):
    sparse = carried_out(mlp, MagnitudePruning(sparsity=0.8))
    masks = [weight_format(layer).mask for layer in weighted_layers(sparse).values()]
    shared = apply_step(sparse, WeightSharing(clusters=8, scope=scope), mlp)
    for model in (shared, apply_step(shared, FineTuning(epochs=2), mlp)):
        for layer, mask, book in zip(weighted_layers(model).values(), masks, books(model), strict=True):
            assert (layer.weight[~mask] == 0).all()
            assert (book.values[book.codes.long()][~mask] == 0).all()
            assert book.values.numel() <= 8
            assert (layer.weight[mask] != 0).float().mean() > 0.99


def test_training_moves_values_and_keeps_codes(mlp):
    """Han et al. (2016): centroids are trained."""
    shared = carried_out(mlp, WeightSharing(clusters=4))
    tuned = apply_step(shared, FineTuning(epochs=5, learning_rate=0.01), mlp)
    for before, after in zip(books(shared), books(tuned), strict=True):
        assert torch.equal(before.codes, after.codes)
        assert not torch.equal(before.values, after.values)
        assert torch.equal(after.values, after.values.half().float())
    for layer, book in zip(weighted_layers(tuned).values(), books(tuned), strict=True):
        assert torch.equal(layer.weight, book.values[book.codes.long()])
    assert loss(tuned, mlp.dataset.train) < 0.8 * loss(shared, mlp.dataset.train)


@pytest.mark.parametrize("clusters", [4, 8, 16])
def test_curvature_keeps_the_answers_closer(clusters, context_of):
    """Choi et al. (2017); measured: half the error or less."""
    context = context_of("lenet300-mnist5k")
    x = torch.from_numpy(context.dataset.validation.x)
    errors = []
    for weighting in ("none", "hessian"):
        model = carried_out(context, WeightSharing(clusters=clusters, weighting=weighting))
        errors.append((model(x) - context.teacher(x)).square().mean().item())
    assert errors[1] < 0.8 * errors[0]


def test_channels_can_go_first(mlp):
    model = carried_out(mlp, ChannelPruning(pruning_ratio=0.5), WeightSharing(clusters=16))
    assert all(len(layer.weight.unique()) <= 16 for layer in weighted_layers(model).values())
