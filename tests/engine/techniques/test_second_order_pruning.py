import pytest
import torch

from compression.engine.network.form import weight_format, weighted_layers
from compression.engine.techniques import apply_step
from compression.recipe.steps import ChannelPruning, MagnitudePruning, SecondOrderPruning
from tests.support.networks import correct, pairs_of_layers


def share_of_zeros(model):
    layers = weighted_layers(model).values()
    return sum(int((layer.weight == 0).sum()) for layer in layers) / sum(layer.weight.numel() for layer in layers)


@pytest.mark.parametrize(
    ("name", "sparsity", "accuracy"),
    [("mlp-digits", 0.9, 0.94), ("resnet8-mnist5k", 0.9, 0.97)],
)
def test_accuracy_without_training(name, sparsity, accuracy, context_of):
    """On validation images; magnitudes with new batch-norm statistics give 84 % on ResNet-8."""
    context = context_of(name)
    pruned = apply_step(context.teacher, SecondOrderPruning(sparsity=sparsity), context)
    assert share_of_zeros(pruned) == pytest.approx(sparsity, abs=1e-3)
    assert correct(pruned, context.dataset.validation) >= accuracy


def test_it_beats_magnitudes_with_the_same_fit(mlp):
    by_order, by_size = (
        apply_step(mlp.teacher, step(sparsity=0.95, scope="layer"), mlp)
        for step in (SecondOrderPruning, MagnitudePruning)
    )
    assert correct(by_order, mlp.dataset.validation) > correct(by_size, mlp.dataset.validation) + 0.1


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("sparsity", [0.3, 0.8, 0.96])
def test_sparsity_is_exact(scope, sparsity, mlp):
    pruned = apply_step(mlp.teacher, SecondOrderPruning(sparsity=sparsity, scope=scope), mlp)
    layers = list(weighted_layers(pruned).values())
    counts = [(int((layer.weight == 0).sum()), layer.weight.numel()) for layer in layers]
    if scope == "global":
        counts = [tuple(map(sum, zip(*counts, strict=True)))]
    assert [zeros for zeros, _ in counts] == [round(sparsity * total) for _, total in counts]
    assert all(torch.equal(weight_format(layer).mask, layer.weight != 0) for layer in layers)


@pytest.mark.parametrize(("pattern", "kept"), [("2:4", 2), ("1:4", 1)])
def test_n_of_every_four_stay(pattern, kept, mlp):
    pruned = apply_step(mlp.teacher, SecondOrderPruning(sparsity=1 - kept / 4, pattern=pattern), mlp)
    for layer in weighted_layers(pruned).values():
        mask = weight_format(layer).mask
        assert (mask[:, : mask.shape[1] // 4 * 4].reshape(-1, 4).sum(1) == kept).all()
        assert not layer.weight[~mask].any()
    assert correct(pruned, mlp.dataset.validation) >= 0.91


def test_blocks_go_as_a_whole(mlp):
    pruned = apply_step(mlp.teacher, SecondOrderPruning(sparsity=0.7, pattern="blocks"), mlp)
    for layer in weighted_layers(pruned).values():
        blocks = weight_format(layer).mask.reshape(-1, 4)
        assert (blocks == blocks[:, :1]).all()
    assert correct(pruned, mlp.dataset.validation) >= 0.94


def test_an_earlier_mask_stays(mlp):
    once = apply_step(mlp.teacher, MagnitudePruning(sparsity=0.5), mlp)
    twice = apply_step(once, SecondOrderPruning(sparsity=0.8), mlp)
    for before, after in pairs_of_layers(once, twice):
        assert not after.weight[before.weight == 0].any()
    assert share_of_zeros(twice) == pytest.approx(0.8, abs=1e-3)


def test_other_steps_leave_it_something(mlp):
    narrow = apply_step(mlp.teacher, ChannelPruning(pruning_ratio=0.3), mlp)
    sparse = apply_step(narrow, SecondOrderPruning(sparsity=0.6), mlp)
    narrower = apply_step(sparse, ChannelPruning(pruning_ratio=0.2), mlp)
    assert correct(narrower, mlp.dataset.validation) >= 0.85
    assert 0.4 < share_of_zeros(narrower) < 0.8
