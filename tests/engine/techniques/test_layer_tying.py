import pytest
import torch
from torch import nn

from compression.engine.network.form import count_costs, weighted_layers
from compression.engine.primitives.batch_norm import call_count
from compression.engine.techniques import apply_step
from compression.errors import NotApplicable
from compression.recipe.steps import ChannelPruning, FineTuning, LayerTying, Quantization
from tests.support.networks import carried_out, loss

NAME = "blocks-digits"


def calls(model):
    """How often each convolution or linear layer is used."""
    nodes = {str(node.target): node for node in model.graph.nodes if node.op == "call_module"}
    return {name: call_count(model, nodes[name]) for name in weighted_layers(model)}


@pytest.mark.parametrize(("blocks", "expected"), [(1, [1, 1, 1]), (2, [1, 2]), (3, [3]), (8, [3])])
def test_the_last_blocks_share_one_set_of_weights(blocks, expected, context_of):
    context = context_of(NAME)
    tied = apply_step(context.teacher, LayerTying(blocks=blocks), context)
    assert [count for name, count in calls(tied).items() if name.endswith("conv1")] == expected
    assert [count for name, count in calls(tied).items() if name.endswith("conv2")] == expected
    saved = (3 - len(expected)) * 2 * 8 * 8 * 9
    assert count_costs(tied).params == count_costs(context.teacher).params - saved
    assert count_costs(tied).macs == count_costs(context.teacher).macs


def test_each_call_has_batch_norm_of_its_own_images(context_of):
    context = context_of(NAME)
    tied = apply_step(context.teacher, LayerTying(blocks=3), context)
    norms = [name for name, layer in tied.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 7
    first, second = tied.get_submodule("3.0.bn1"), tied.get_submodule("3.1.bn1")
    assert not torch.allclose(first.running_mean, second.running_mean, atol=1e-3)


def test_better_than_any_block_for_all_is_kept(context_of):
    """The start is chosen: it is at least as close to the original as the first block's weights would be."""
    from compression.engine.primitives.batch_norm import recalibrate
    from compression.engine.primitives.blocks import tie_blocks
    from compression.engine.techniques.context import fitting_images

    context = context_of(NAME)
    x = fitting_images(context.dataset)
    tied = apply_step(context.teacher, LayerTying(blocks=3), context)
    expected, errors = context.teacher(x), []
    for block in ("3.0", "3.1", "3.2"):
        candidate = tie_blocks(context.teacher, ["3.0", "3.1", "3.2"], block)
        recalibrate(candidate, x)
        errors.append((candidate(x) - expected).square().mean())
    assert (tied(x) - expected).square().mean() <= 1.1 * min(errors)


def test_training_moves_the_shared_weights_once_for_all_calls(context_of):
    context = context_of(NAME)
    tied = apply_step(context.teacher, LayerTying(blocks=3), context)
    tuned = apply_step(tied, FineTuning(epochs=3), context)
    assert calls(tuned) == calls(tied)
    assert loss(tuned, context.dataset.train) < 0.7 * loss(tied, context.dataset.train)


def test_what_comes_before_and_after_works(context_of):
    context = context_of(NAME)
    steps = (ChannelPruning(pruning_ratio=0.25), LayerTying(blocks=2), Quantization(weight_bits=4))
    model = carried_out(context, *steps)
    assert sorted(calls(model).values()) == [1, 1, 1, 1, 2, 2]
    assert all(len(layer.weight[0].unique()) <= 15 for layer in weighted_layers(model).values())


@pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k"])
def test_a_network_without_repeated_blocks_is_refused(name, context_of):
    context = context_of(name)
    with pytest.raises(NotApplicable, match="weight sharing"):
        apply_step(context.teacher, LayerTying(blocks=2), context)
