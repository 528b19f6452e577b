import pytest
from safetensors.numpy import load_file

from compression.errors import CorruptFile, UnknownModel
from compression.models import layers
from compression.models.layers import LayerInfo, layers_of, usual_layer
from sample_models.catalogue import MODELS


@pytest.mark.parametrize("model", MODELS)
def test_they_are_those_of_the_network(model):
    from compression.engine.build import load_network
    from compression.engine.network.form import weighted_layers

    real = {name: tuple(layer.weight.shape) for name, layer in weighted_layers(load_network(model)).items()}
    assert {layer.name: layer.shape for layer in layers_of(model)} == real


def test_they_come_in_the_order_of_an_image():
    assert [layer.name for layer in layers_of("lenet5-mnist5k")] == ["conv1", "conv2", "hidden", "classifier"]
    names = [layer.name for layer in layers_of("mobilenet-fashion")]
    assert names[:2] == ["features.0", "features.3.layers.0"]
    assert names[-2:] == ["features.10", "classifier"]


@pytest.mark.parametrize("model", MODELS)
def test_the_usual_one_is_quick_and_mixes_inputs(model):
    usual = usual_layer(layers_of(model))
    assert usual.can_be_factored
    assert usual.size == load_file(MODELS[model].weights_path)[f"{usual.name}.weight"].size <= layers.QUICK


def test_titles_say_the_shape():
    assert LayerInfo("conv2", (50, 20, 5, 5)).title == "conv2: 50 filters of 20 × 5 × 5"
    assert LayerInfo("hidden", (500, 800)).title == "hidden: 500 outputs, 800 inputs"


def test_depthwise_filters_are_no_product():
    assert not LayerInfo("features.3", (16, 1, 3, 3)).can_be_factored
    assert LayerInfo("features.4", (64, 16, 1, 1)).can_be_factored


def test_an_unknown_model_and_a_damaged_file_are_told(tmp_path, monkeypatch):
    with pytest.raises(UnknownModel):
        layers_of("nothing")
    monkeypatch.setattr("sample_models.catalogue.WEIGHTS", tmp_path)
    (tmp_path / "mlp-digits.safetensors").write_bytes(b"damaged")
    with pytest.raises(CorruptFile, match="Get the file again"):
        layers_of("mlp-digits")
