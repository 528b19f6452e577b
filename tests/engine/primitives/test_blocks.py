import pytest
import torch
from torch import nn

from compression.engine.network.tracing import trace
from compression.engine.primitives.blocks import repeated_blocks, tie_blocks, weighted_names
from tests.support.networks import images, network, run


def test_resnet20_repeats_blocks_in_every_stage():
    assert repeated_blocks(network("resnet20-fashion")) == [
        ["stages.0", "stages.1", "stages.2"],
        ["stages.4", "stages.5"],
        ["stages.7", "stages.8"],
    ]


@pytest.mark.parametrize("name", ["mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k", "mobilenet-fashion"])
def test_networks_whose_blocks_all_differ(name):
    assert repeated_blocks(network(name)) == []


def block(channels=4, stride=1):
    return nn.Sequential(nn.Conv2d(channels, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())


def traced(*blocks, side=8):
    torch.manual_seed(0)
    return trace(nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), *blocks, nn.Flatten(), nn.LazyLinear(10)), (1, side, side))


def test_another_stride_ends_a_run():
    model = traced(block(), block(), block(stride=2), block())
    assert repeated_blocks(model) == [["1", "2"]]


def test_a_layer_between_ends_a_run():
    assert repeated_blocks(traced(block(), nn.MaxPool2d(2), block())) == []


def test_outer_blocks_count_before_inner_ones():
    outer = (nn.Sequential(block(), block()), nn.Sequential(block(), block()))
    assert repeated_blocks(traced(*outer)) == [["1", "2"]]


def test_tied_blocks_call_the_same_layers_and_keep_their_own_batch_norm():
    model = traced(block(), block(), block())
    x = images(model, 8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tied = tie_blocks(model, ["1", "2", "3"], "2")
    names = dict(tied.named_modules())
    assert "2.0" in names and "1.0" not in names and "3.0" not in names
    assert {"1.1", "2.1", "3.1"} <= set(names)
    with torch.no_grad():
        for name in ("1", "3"):
            model.get_parameter(f"{name}.0.weight").copy_(before["2.0.weight"])
    torch.testing.assert_close(run(tied, x), run(model, x))
    assert repeated_blocks(tied) == []


def test_names_inside_a_block():
    assert weighted_names(network("resnet20-fashion"), "stages.3") == ["conv1", "conv2", "shortcut.0"]
