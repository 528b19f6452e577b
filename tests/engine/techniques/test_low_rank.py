from dataclasses import replace

import pytest
import torch

from compression.engine.network.form import clone, count_costs, restrict, weighted_layers
from compression.engine.network.tracing import trace
from compression.engine.techniques import apply_step
from compression.errors import NotApplicable
from compression.recipe.steps import FineTuning, LowRank, Quantization
from compression.watch import Watch
from tests.support.networks import carried_out, correct


@pytest.mark.parametrize("convolutions", ["tucker", "spatial"])
@pytest.mark.parametrize("model_name", ["lenet5-mnist5k", "resnet8-mnist5k"])
def test_a_quarter_of_the_rank_keeps_most_of_the_accuracy_without_training(
    model_name, convolutions, context_of, applied
):
    context = context_of(model_name)
    thin = applied(model_name, LowRank(rank_ratio=0.25, convolutions=convolutions, ranks="error")).model
    assert count_costs(thin).params < 0.5 * count_costs(context.teacher).params
    assert correct(thin, context.dataset.validation) >= correct(context.teacher, context.dataset.validation) - 0.03


@pytest.mark.parametrize("model_name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k"])
def test_ranks_by_error_take_no_more_parameters_than_uniform_ones(model_name, applied):
    uniform, by_error = (
        applied(model_name, LowRank(rank_ratio=0.25, ranks=ranks)).model for ranks in ("uniform", "error")
    )
    assert count_costs(by_error).params <= count_costs(uniform).params
    assert count_costs(by_error).params >= 0.95 * count_costs(uniform).params


def test_every_replaced_layer_has_fewer_weights_and_operations(context_of, applied):
    teacher = context_of("resnet8-mnist5k").teacher
    for step in (
        LowRank(rank_ratio=0.25, ranks="uniform"),
        LowRank(rank_ratio=0.25, convolutions="spatial", ranks="error"),
    ):
        model = applied("resnet8-mnist5k", step).model
        before, after = weighted_layers(teacher), weighted_layers(model)
        for name in before.keys() - after.keys():
            parts = [layer for part, layer in after.items() if part.startswith(f"{name}_")]
            assert 2 <= len(parts) <= 3
            assert sum(layer.weight.numel() for layer in parts) < before[name].weight.numel()
        assert count_costs(model).macs < count_costs(teacher).macs


@pytest.mark.parametrize("ranks", ["uniform", "error"])
def test_the_layer_of_the_logits_stays(ranks, applied):
    model = applied("lenet5-mnist5k", LowRank(rank_ratio=0.1, ranks=ranks)).model
    assert model.get_submodule("classifier").weight.shape == (10, 500)
    assert model.get_submodule("hidden_in").weight.shape[0] < 100


def test_ranks_are_multiples(applied):
    model = applied("resnet8-mnist5k", LowRank(rank_ratio=0.3, ranks="error", round_to=4)).model
    inner = [layer.weight.shape[0] for name, layer in weighted_layers(model).items() if name.endswith(("_in", "_core"))]
    assert inner and all(rank % 4 == 0 for rank in inner)


def test_batch_norm_stays_behind_the_last_factor(applied):
    model = applied("resnet8-mnist5k", LowRank(rank_ratio=0.25, ranks="uniform")).model
    names = [str(node.target) for node in model.graph.nodes if node.op == "call_module"]
    start = names.index("stages.0.conv2_in")
    tail = ["stages.0.conv2_in", "stages.0.conv2_core", "stages.0.conv2_out", "stages.0.bn2"]
    assert names[start : start + 4] == tail


def test_the_report_says_how_many_layers_were_replaced(context_of):
    words = []
    context = replace(context_of("mlp-digits"), watch=Watch(report=lambda fraction, word: words.append(word)))
    apply_step(context.teacher, LowRank(rank_ratio=0.4, ranks="uniform"), context)
    assert words[-1].startswith("2 of 2 layers replaced")


def test_layers_with_a_mask_stay_and_keep_it(mlp):
    model = clone(mlp.teacher)
    masked = weighted_layers(model)["layers.1"]
    mask = torch.rand(masked.weight.shape, generator=torch.Generator().manual_seed(0)) > 0.5
    restrict(masked, mask=mask)
    thin = apply_step(model, LowRank(rank_ratio=0.4, ranks="uniform"), mlp)
    assert torch.equal(weighted_layers(thin)["layers.1"].weight_format.mask, mask)
    assert not weighted_layers(thin)["layers.1"].weight[~mask].any()
    assert "layers.3_in" in weighted_layers(thin)


def test_where_nothing_can_shrink_it_says_so(mlp):
    narrow = trace(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 1)), (1, 8, 8))
    with pytest.raises(NotApplicable, match="No layer of this network gets smaller"):
        apply_step(narrow, LowRank(rank_ratio=0.5), mlp)


def test_works_twice_and_before_training_and_quantization(context_of, images_of):
    context, x = context_of("lenet5-mnist5k"), images_of("lenet5-mnist5k")
    steps = (
        LowRank(rank_ratio=0.7),
        LowRank(rank_ratio=0.5, convolutions="spatial"),
        FineTuning(epochs=0.05),
        Quantization(weight_bits=8, activation_bits=8),
    )
    model = carried_out(context, *steps)
    agreement = (model(x).argmax(1) == context.teacher(x).argmax(1)).float().mean()
    assert agreement >= 0.9
