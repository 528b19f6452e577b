import numpy as np
import pytest
from fake_engine import fabricate
from torch import nn

from compression import export, laboratory
from compression.data import load_dataset
from compression.laboratory import Bench, Subject
from compression.network import count_costs
from compression.primitives.batch_norm import fold_batch_norm
from compression.recipe import make_recipe
from compression.studies.layers import LayerStudy
from compression.variants import build_variant
from sample_models.catalogue import find_model


def layers_of(recipe, bench):
    return laboratory.answer(LayerStudy(recipe=recipe), bench).layers


def test_layers_add_up_to_what_was_counted(bench):
    layers, result = layers_of(bench.recipe, bench.bench), bench.bench.subject.result
    assert [layer.name for layer in layers] == ["layers.1", "layers.3", "layers.5"]
    assert [layer.kind for layer in layers] == ["linear"] * 3
    assert sum(layer.macs for layer in layers) == result.macs
    assert sum(layer.params for layer in layers) == result.params
    assert sum(layer.nonzero for layer in layers) == result.nonzero_params < result.params
    assert all(layer.values <= 16 for layer in layers)
    assert layers[-1].output == (10,)
    assert layers[-1].shape[0] == 10


@pytest.mark.parametrize(
    ("model", "steps"),
    [
        (
            "mlp-digits",
            [{"technique": "quantization", "weight_bits": 8, "activations": "dynamic", "activation_bits": 8}],
        ),
        ("mlp-digits", [{"technique": "weight_sharing", "clusters": 4}]),
        ("mlp-digits", [{"technique": "low_rank", "rank_ratio": 0.3}]),
        ("lenet5-mnist5k", [{"technique": "channel_pruning", "pruning_ratio": 0.5}]),
        ("resnet20-fashion", [{"technique": "layer_tying", "blocks": 2}]),
        ("resnet8-mnist5k", [{"technique": "depthwise_separable"}]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0]["technique"],
)
def test_they_add_up_for_other_techniques(model, steps):
    recipe = make_recipe(model, steps)
    entry = find_model(model)
    network = fold_batch_norm(build_variant(recipe, entry, load_dataset(entry.dataset)))
    costs = count_costs(network)
    subject = Subject(fabricate(recipe), b"", export.to_onnx(network).SerializeToString(), np.zeros(0, np.uint8))
    layers = layers_of(recipe, Bench(subject, subject))
    assert sum(layer.macs for layer in layers) == costs.macs
    apart = [p.numel() for part in network.modules() if isinstance(part, nn.BatchNorm2d) for p in part.parameters()]
    assert sum(layer.params for layer in layers) + sum(apart) == costs.params
    assert sum(layer.nonzero for layer in layers) + sum(apart) == costs.nonzero_params
    assert [layer.kind for layer in layers].count("depthwise") == (6 if "separable" in steps[0]["technique"] else 0)
    assert layers[-1].name == ("linear 5" if steps[0]["technique"] == "low_rank" else layers[-1].name)
