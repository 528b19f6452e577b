import dataclasses

import pytest
import torch

from compression.network import weighted_layers
from compression.recipe import ChannelPruning
from compression.techniques import apply_step
from compression.techniques.channel_pruning import kept_count


@pytest.mark.parametrize(
    ("n", "ratio", "round_to", "expected"),
    [
        (16, 0.5, 1, 8),
        (16, 0.1, 1, 14),
        (16, 0.95, 1, 1),
        (2, 0.95, 1, 1),
        (1, 0.95, 1, 1),
        (16, 0.3, 4, 12),
        (16, 0.95, 4, 4),
        (20, 0.1, 8, 16),  # 18 is as near to 16 as to 24, which is more than there are
        (50, 0.1, 8, 48),
        (6, 0.5, 8, 6),  # cannot be a multiple of 8
        (16, 0.01, 16, 16),
        (40, 0.9, 16, 16),
    ],
)
def test_kept_count(n, ratio, round_to, expected):
    assert kept_count(n, ratio, round_to) == expected


@pytest.mark.parametrize("round_to", [1, 2, 4, 8, 16])
def test_kept_count_never_rises_with_the_ratio(round_to):
    for n in range(1, 70):
        counts = [kept_count(n, percent / 100, round_to) for percent in range(0, 96)]
        assert counts == sorted(counts, reverse=True)
        assert min(counts) >= 1 and max(counts) <= n


def correct(model, split):
    with torch.no_grad():
        return (model(torch.from_numpy(split.x)).argmax(1).numpy() == split.y).mean()


@pytest.mark.parametrize(
    ("name", "ratio", "accuracy"),
    [
        ("mlp-digits", 0.1, 0.97),
        ("mlp-digits", 0.5, 0.95),
        ("lenet300-mnist5k", 0.1, 0.96),
        ("lenet300-mnist5k", 0.5, 0.94),
        ("lenet5-mnist5k", 0.1, 0.97),
        ("lenet5-mnist5k", 0.5, 0.96),
        ("resnet8-mnist5k", 0.1, 0.96),
        ("resnet8-mnist5k", 0.3, 0.95),
    ],
)
def test_the_slider_does_not_fall_off_a_cliff(name, ratio, accuracy, context_of):
    """Without any training, on validation images. Measured: 1 to 3 points above these bounds."""
    context = context_of(name)
    pruned = apply_step(context.teacher, ChannelPruning(pruning_ratio=ratio), context)
    assert correct(pruned, context.dataset.validation) >= accuracy


def test_without_recalibration_what_is_left_has_its_old_weights(context_of):
    context = context_of("lenet300-mnist5k")
    pruned = apply_step(context.teacher, ChannelPruning(pruning_ratio=0.5, recalibrate=False), context)
    old, new = (next(iter(weighted_layers(model).values())).weight for model in (context.teacher, pruned))
    stays = old.norm(dim=1) >= old.norm(dim=1).sort().values[150]
    assert torch.equal(new, old[stays])


def test_random_importance_depends_on_the_seed(context_of):
    context = context_of("mlp-digits")
    step = ChannelPruning(pruning_ratio=0.5, importance="random", recalibrate=False)
    one, other = (apply_step(context.teacher, step, dataclasses.replace(context, seed=seed)) for seed in (0, 1))
    assert not torch.equal(*(next(iter(weighted_layers(model).values())).weight for model in (one, other)))


def test_too_small_a_ratio_removes_nothing_and_changes_nothing(context_of):
    context = context_of("mlp-digits")
    pruned = apply_step(context.teacher, ChannelPruning(pruning_ratio=0.005), context)
    assert all(torch.equal(value, pruned.state_dict()[name]) for name, value in context.teacher.state_dict().items())
