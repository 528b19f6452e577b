import pytest
from torch import nn

from compression.engine.network.form import count_costs, weighted_layers
from compression.engine.network.tracing import trace
from compression.engine.techniques import apply_step
from compression.errors import NotApplicable
from compression.recipe.steps import DepthwiseSeparable, Quantization
from tests.support.networks import correct

NAME = "resnet8-mnist5k"


def _split_layers(model):
    return [name.removesuffix("_depthwise") for name in weighted_layers(model) if name.endswith("_depthwise")]


def test_all_convolutions_but_the_stem_and_the_shortcuts_are_split(context_of, applied):
    model = applied(NAME, DepthwiseSeparable()).model
    assert sorted(_split_layers(model)) == sorted(f"stages.{i}.conv{j}" for i in range(3) for j in (1, 2))
    before, after = weighted_layers(context_of(NAME).teacher), weighted_layers(model)
    depthwise, pointwise = after["stages.1.conv1_depthwise"], after["stages.1.conv1_pointwise"]
    assert (depthwise.groups, depthwise.stride, depthwise.padding) == (16, (2, 2), (1, 1))
    assert pointwise.weight.shape == (*before["stages.1.conv1"].weight.shape[:2], 1, 1)
    assert count_costs(model).macs < 0.3 * count_costs(context_of(NAME).teacher).macs


def test_fitting_keeps_most_of_the_accuracy_without_training(context_of, applied):
    context = context_of(NAME)
    expected = correct(context.teacher, context.dataset.validation)
    assert correct(applied(NAME, DepthwiseSeparable()).model, context.dataset.validation) >= expected - 0.03


def test_the_share_is_of_the_convolutions_and_those_with_the_least_error_go_first(context_of, applied):
    """Splitting the three that were not chosen moves the network's answers further than the three that were."""
    context = context_of(NAME)
    chosen = _split_layers(applied(NAME, DepthwiseSeparable(share=0.5)).model)
    assert len(chosen) == 3
    one = _split_layers(applied(NAME, DepthwiseSeparable(share=0.17)).model)
    assert set(one) < set(chosen)
    assert count_costs(applied(NAME, DepthwiseSeparable(share=0.5)).model).macs < count_costs(context.teacher).macs


def test_large_kernels_are_split_too(lenet5, applied):
    model = applied("lenet5-mnist5k", DepthwiseSeparable()).model
    assert _split_layers(model) == ["conv2"]
    assert weighted_layers(model)["conv2_depthwise"].weight.shape == (20, 1, 5, 5)
    assert weighted_layers(model)["conv2_pointwise"].bias is not None
    assert correct(model, lenet5.dataset.validation) >= correct(lenet5.teacher, lenet5.dataset.validation) - 0.15


@pytest.mark.parametrize("share", [0, 1])
def test_networks_without_such_convolutions_are_told(mlp, share):
    with pytest.raises(NotApplicable, match="no ordinary convolution"):
        apply_step(mlp.teacher, DepthwiseSeparable(share=share), mlp)


def test_depthwise_pointwise_and_single_input_convolutions_do_not_count(context_of):
    layers = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 6, 1), nn.Conv2d(6, 6, 3, groups=2)
    )
    model = trace(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), (1, 28, 28))
    with pytest.raises(NotApplicable):
        apply_step(model, DepthwiseSeparable(), context_of(NAME))


def test_can_be_quantized(context_of, applied, images_of):
    context, x = context_of(NAME), images_of(NAME)
    split = applied(NAME, DepthwiseSeparable()).model
    quantized = apply_step(split, Quantization(weight_bits=8, activation_bits=8), context)
    assert (quantized(x).argmax(1) == split(x).argmax(1)).float().mean() >= 0.95
