import pytest
import torch
from torch import nn

from compression.engine.network.tracing import trace
from compression.engine.primitives.features import feature_positions, matched_maps, same_size, with_features
from sample_models import students
from tests.support.networks import images, network, run


def other_family(name, resolution=None):
    torch.manual_seed(0)
    built = students.build_student(
        name, width_mult=0.25, depth_mult=0.5, resolution=resolution, input_shape=(1, 28, 28), classes=10
    )
    return trace(built, (1, 28, 28))


def names_of_positions(name):
    maps, embedding = feature_positions(network(name))
    return [node.name for node in maps], embedding.name


def test_maps_are_the_last_activations_before_down_sampling():
    assert names_of_positions("lenet5-mnist5k") == (["relu1", "relu2"], "relu3")
    maps, embedding = names_of_positions("resnet20-fashion")
    assert maps == ["stages_2_relu2", "stages_5_relu2", "stages_8_relu2"]
    assert embedding == "flatten"
    assert names_of_positions("mlp-digits") == ([], "layers_4")


@pytest.mark.parametrize("family", ["mobilenet_v3_small", "efficientnet_b0", "squeezenet"])
@pytest.mark.parametrize("resolution", [None, 14])
def test_maps_of_another_family_are_matched_by_size(family, resolution):
    student, teacher = other_family(family, resolution), network("resnet8-mnist5k")
    pairs = matched_maps(student, teacher)
    assert [own for own, _ in pairs] == list(feature_positions(student).maps)
    for own, chosen in pairs:
        side = own.meta["shape"][-1]
        ratios = {
            node: abs(torch.log(torch.tensor(node.meta["shape"][-1] / side)))
            for node in feature_positions(teacher).maps
        }
        assert ratios[chosen] == min(ratios.values())


def test_networks_without_maps_have_none_to_match():
    assert matched_maps(network("mlp-digits"), network("resnet8-mnist5k")) == []
    assert matched_maps(network("resnet8-mnist5k"), network("lenet300-mnist5k")) == []


def test_features_are_read_beside_the_logits_and_share_the_layers():
    model = network("resnet8-mnist5k")
    x = images(model, 4)
    nodes = {node.name: node for node in model.graph.nodes}
    watched = with_features(model, [nodes["stages_0_relu2"], nodes["flatten"]])
    logits, (features, embedding) = watched(x)
    assert torch.equal(logits, run(model, x))
    assert torch.equal(run(model.classifier, embedding), logits)
    assert features.shape == (4, 16, 28, 28)
    assert watched.stem is model.stem
    assert isinstance(watched.stem, nn.Conv2d)


def test_the_larger_map_is_averaged():
    large, small = torch.arange(16.0).reshape(1, 1, 4, 4), torch.zeros(1, 3, 2, 4)
    one, other = same_size(large, small)
    assert one.tolist() == [[[[2.0, 3.0, 4.0, 5.0], [10.0, 11.0, 12.0, 13.0]]]]
    assert torch.equal(other, small)
