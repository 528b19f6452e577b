"""Steps with levels of single layers give each layer its own."""

import pytest
import torch

from compression.engine.files import stored_file
from compression.engine.network.form import weight_format, weighted_layers
from compression.engine.primitives.channels import channel_groups, group_layers, group_names
from compression.engine.run import run_recipe
from compression.engine.techniques import apply_step
from compression.errors import NotApplicable
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from compression.recipe.steps import (
    ChannelPruning,
    LowRank,
    MagnitudePruning,
    Quantization,
    SecondOrderPruning,
    WeightSharing,
)

MLP = "mlp-digits"


def layers_after(context, step):
    return weighted_layers(apply_step(context.teacher, step, context))


def zeros(layer):
    return int((layer.weight == 0).sum())


def names(context):
    return list(weighted_layers(context.teacher))


def wrong_name(step_type, **settings):
    return step_type(levels=(("no.such", 2.0 if step_type in (WeightSharing, Quantization) else 0.5),), **settings)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("kind", [MagnitudePruning, SecondOrderPruning])
class TestWeightPruning:
    def test_each_layer_has_its_own_share_of_zeros(self, kind, scope, mlp):
        first, *others = names(mlp)
        step = kind(sparsity=0.5, scope=scope, levels=((first, 0.9),))
        after = layers_after(mlp, step)
        assert zeros(after[first]) == round(0.9 * after[first].weight.numel())
        rest = [after[name] for name in others]
        total = sum(layer.weight.numel() for layer in rest)
        assert sum(map(zeros, rest)) == pytest.approx(0.5 * total, abs=len(rest))
        shares = [zeros(layer) / layer.weight.numel() for layer in rest]
        assert (max(shares) - min(shares) > 0.05) == (scope == "global")

    def test_a_layer_with_no_zeros_to_come_gets_no_mask(self, kind, scope, mlp):
        first, second, *_ = names(mlp)
        step = kind(sparsity=0.8, scope=scope, levels=((first, 0),))
        after = layers_after(mlp, step)
        assert weight_format(after[first]).mask is None
        assert zeros(after[first]) == 0
        assert weight_format(after[second]).mask is not None

    def test_only_named_layers_where_the_others_keep_all(self, kind, scope, mlp):
        *others, last = names(mlp)
        after = layers_after(mlp, kind(sparsity=0, scope=scope, levels=((last, 0.75),)))
        assert zeros(after[last]) == round(0.75 * after[last].weight.numel())
        assert all(weight_format(after[name]).mask is None for name in others)

    def test_levels_like_the_main_setting_are_like_the_same_share_in_each_layer(self, kind, scope, mlp):
        levels = tuple((name, 0.7) for name in names(mlp))
        plain = layers_after(mlp, kind(sparsity=0.7, scope="layer"))
        found = layers_after(mlp, kind(sparsity=0.7, scope="layer", levels=levels))
        assert all(torch.equal(plain[name].weight, found[name].weight) for name in plain)

    def test_what_was_masked_before_stays_zero(self, kind, scope, mlp):
        first, *_ = names(mlp)
        sparse = apply_step(mlp.teacher, MagnitudePruning(sparsity=0.5, scope="layer"), mlp)
        before = weighted_layers(sparse)[first].weight == 0
        again = apply_step(sparse, kind(sparsity=0.8, scope=scope, levels=((first, 0),)), mlp)
        assert torch.equal(weighted_layers(again)[first].weight == 0, before)


def test_without_recalibration_a_layer_that_loses_nothing_is_as_it_was(mlp):
    first, *_ = names(mlp)
    step = MagnitudePruning(sparsity=0.5, recalibrate=False, levels=((first, 0),))
    assert torch.equal(layers_after(mlp, step)[first].weight, weighted_layers(mlp.teacher)[first].weight)


def test_blocks_have_levels_too(mlp):
    first, *_ = names(mlp)
    step = MagnitudePruning(sparsity=0.5, pattern="blocks", recalibrate=False, levels=((first, 0.75),))
    weight = layers_after(mlp, step)[first].weight
    assert zeros(layers_after(mlp, step)[first]) == 0.75 * weight.numel()
    assert ((weight.reshape(-1, 4) == 0).sum(1) % 4 == 0).all()


@pytest.mark.parametrize(
    ("settings", "bits", "levels"),
    [({"method": "gptq"}, 4, (2, 7)), ({"method": "nearest"}, 3, (8, 1)), ({"activation_bits": 8}, 8, (7, 2))],
)
def test_each_layer_has_its_own_bits(settings, bits, levels, mlp):
    first, second, *others = names(mlp)
    step = Quantization(weight_bits=bits, levels=((first, levels[0]), (second, levels[1])), **settings)
    after = layers_after(mlp, step)
    assert [weight_format(layer).bits for layer in after.values()] == [*levels, *[bits] * len(others)]
    for layer, count in zip(after.values(), [*levels, *[bits] * len(others)], strict=True):
        assert max(len(row.unique()) for row in layer.weight) <= 2**count


def test_one_coarse_layer_makes_the_automatic_method_fit_all_of_them(mlp):
    first, *_ = names(mlp)
    weights = {
        (method, level): [
            layer.weight
            for layer in layers_after(
                mlp, Quantization(weight_bits=8, method=method, levels=((first, level),))
            ).values()
        ]
        for method, level in (("auto", 3), ("gptq", 3), ("auto", 7), ("nearest", 7))
    }
    assert all(map(torch.equal, weights["auto", 3], weights["gptq", 3]))
    assert all(map(torch.equal, weights["auto", 7], weights["nearest", 7]))


def test_each_layer_has_its_own_number_of_shared_values(mlp):
    first, *others = names(mlp)
    after = layers_after(mlp, WeightSharing(clusters=16, levels=((first, 5),)))
    assert [len(layer.weight.unique()) for layer in after.values()] == [5, *[16] * len(others)]


@pytest.mark.parametrize("ranks", ["uniform", "error"])
def test_each_layer_has_its_own_rank(ranks, lenet5):
    levels = (("conv2", 0.2), ("hidden", 1))
    step = LowRank(rank_ratio=0.5, ranks=ranks, convolutions="spatial", round_to=1, levels=levels)
    after = layers_after(lenet5, step)
    assert after["hidden"].weight.shape == (500, 800)
    column, row = (layer for name, layer in after.items() if name.startswith("conv2_"))
    assert len(column.weight) == row.weight.shape[1] == 0.2 * 5 * 20


@pytest.mark.parametrize("ranks", ["uniform", "error"])
def test_layers_that_are_not_named_share_what_the_main_setting_gives_them(ranks, resnet8):
    named = "stages.2.conv2"
    after = {
        level: layers_after(resnet8, LowRank(rank_ratio=0.3, ranks=ranks, levels=((named, level),)))
        for level in (0.1, 1)
    }
    thin, full = (
        {name: layer.weight.shape for name, layer in found.items() if not name.startswith(named)}
        for found in after.values()
    )
    assert thin == full
    assert named in after[1] and named not in after[0.1]


def test_full_rank_everywhere_does_nothing(mlp):
    levels = tuple((name, 1) for name in names(mlp)[:2])
    after = layers_after(mlp, LowRank(rank_ratio=0.5, levels=levels))
    before = weighted_layers(mlp.teacher)
    assert all(torch.equal(after[name].weight, before[name].weight) for name in before)


@pytest.mark.parametrize(
    ("kind", "main", "idle"),
    [
        (MagnitudePruning, "sparsity", 0),
        (SecondOrderPruning, "sparsity", 0),
        (ChannelPruning, "pruning_ratio", 0),
        (LowRank, "rank_ratio", 1),
    ],
)
def test_levels_that_do_nothing_may_be_said_of_all_layers_and_leave_them_as_they_are(kind, main, idle, resnet8):
    """Also of the logits' layer, which channel pruning and low rank leave alone, and of statistics of batch norm."""
    after = apply_step(resnet8.teacher, kind(**{main: 0.5}, levels=[(name, idle) for name in names(resnet8)]), resnet8)
    before = resnet8.teacher.state_dict()
    assert after is not resnet8.teacher
    assert after.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.state_dict().items())
    assert all(weight_format(layer).mask is None for layer in weighted_layers(after).values())


@pytest.mark.parametrize(("kind", "main", "idle"), [(ChannelPruning, "pruning_ratio", 0), (LowRank, "rank_ratio", 1)])
def test_a_level_that_does_nothing_needs_a_layer_all_the_same(kind, main, idle, mlp):
    with pytest.raises(NotApplicable, match="'no.such'"):
        apply_step(mlp.teacher, kind(**{main: 0.5}, levels=[("no.such", idle)]), mlp)


class TestChannelPruning:
    def test_each_group_keeps_its_own_width_in_multiples(self, lenet5):
        step = ChannelPruning(pruning_ratio=0.5, levels=(("conv2", 0.3), ("hidden", 0)))
        after = layers_after(lenet5, step)
        assert [len(after[name].weight) for name in ("conv1", "conv2", "hidden")] == [8, 36, 500]
        fine = ChannelPruning(pruning_ratio=0.5, round_to=1, levels=(("conv2", 0.3),))
        assert [len(layer.weight) for layer in layers_after(lenet5, fine).values()] == [10, 35, 250, 10]

    def test_only_named_groups_where_the_others_keep_all(self, lenet5):
        after = layers_after(lenet5, ChannelPruning(pruning_ratio=0, levels=(("conv1", 0.6),)))
        assert [len(layer.weight) for layer in after.values()] == [8, 50, 500, 10]

    def test_any_layer_of_a_group_names_it(self, resnet8):
        by = {
            name: layers_after(resnet8, ChannelPruning(pruning_ratio=0, recalibrate=False, levels=((name, 0.5),)))
            for name in ("stem", "stages.0.conv2")
        }
        for after in by.values():
            assert [len(after[name].weight) for name in ("stem", "stages.0.conv2", "stages.0.conv1")] == [8, 8, 16]
        assert all(torch.equal(*(after[name].weight for after in by.values())) for name in by["stem"])

    def test_two_layers_of_a_group_may_have_one_level_only(self, resnet8):
        step = ChannelPruning(pruning_ratio=0, levels=(("stem", 0.5), ("stages.0.conv2", 0.25)))
        with pytest.raises(NotApplicable, match="'stem' and 'stages.0.conv2' lose the same channels.* 0.5 and 0.25"):
            apply_step(resnet8.teacher, step, resnet8)
        same = ChannelPruning(pruning_ratio=0, levels=(("stem", 0.5), ("stages.0.conv2", 0.5)))
        assert len(layers_after(resnet8, same)["stem"].weight) == 8

    def test_channels_of_the_logits_cannot_be_named(self, lenet5):
        with pytest.raises(NotApplicable, match="'classifier'.*Those that it works on: conv1, conv2, hidden"):
            apply_step(lenet5.teacher, ChannelPruning(pruning_ratio=0, levels=(("classifier", 0.5),)), lenet5)


def test_groups_are_called_by_their_first_layer(resnet8):
    groups = channel_groups(resnet8.teacher)
    assert group_names(resnet8.teacher, groups) == [layers[0] for layers in group_layers(resnet8.teacher, groups)]
    assert dict(zip(group_names(resnet8.teacher, groups), group_layers(resnet8.teacher, groups), strict=True)) == {
        "stem": ["stem", "stages.0.conv2"],
        "stages.0.conv1": ["stages.0.conv1"],
        "stages.1.conv1": ["stages.1.conv1"],
        "stages.1.conv2": ["stages.1.conv2", "stages.1.shortcut.0"],
        "stages.2.conv1": ["stages.2.conv1"],
        "stages.2.conv2": ["stages.2.conv2", "stages.2.shortcut.0"],
    }


@pytest.mark.parametrize(
    "step",
    [
        wrong_name(MagnitudePruning, sparsity=0),
        wrong_name(SecondOrderPruning, sparsity=0.5),
        wrong_name(ChannelPruning, pruning_ratio=0.5),
        wrong_name(LowRank, rank_ratio=1),
        wrong_name(WeightSharing, clusters=4),
        wrong_name(Quantization, weight_bits=4),
    ],
    ids=lambda step: step.technique,
)
def test_a_layer_that_is_not_there_is_refused_with_those_that_are(step, mlp):
    with pytest.raises(NotApplicable, match="'no.such'.*Those that it works on: ") as refused:
        apply_step(mlp.teacher, step, mlp)
    assert str(refused.value).split("works on: ")[1].startswith(names(mlp)[0])


def test_a_refusal_names_only_some_of_many_layers(resnet8):
    with pytest.raises(NotApplicable) as refused:
        apply_step(resnet8.teacher, wrong_name(Quantization, weight_bits=4), resnet8)
    assert str(refused.value).endswith(f"and {len(names(resnet8)) - 6} more.")


def test_a_recipe_with_levels_is_carried_out_and_comes_back_from_its_file(mlp):
    first, second, last = names(mlp)
    steps = [
        {"technique": "channel_pruning", "pruning_ratio": 0.25, "levels": [[first, 0.5]]},
        {"technique": "magnitude_pruning", "sparsity": 0.3, "levels": [[last, 0], [second, 0.6]]},
        {"technique": "quantization", "weight_bits": 4, "activation_bits": 8, "levels": [[last, 8], [first, 3]]},
    ]
    recipe = make_recipe(MLP, steps)
    one, again = (run_recipe(subject_of(MLP), recipe) for _ in range(2))
    assert stored_file.decode(one.stored).SerializeToString(deterministic=True) == one.onnx
    assert again.onnx == one.onnx
    assert one.result.parsed_recipe == recipe
    assert one.result.accuracy > 0.9
