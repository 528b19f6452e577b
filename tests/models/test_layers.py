import pytest
from safetensors.numpy import load_file

from compression.errors import CorruptFile
from compression.models import layers
from compression.models.layers import LayerInfo, usual_layer
from compression.models.subject import subject_of
from sample_models.catalogue import MODELS


@pytest.mark.parametrize("model", MODELS)
def test_they_are_those_of_the_network(model):
    from compression.engine.build import load_network
    from compression.engine.network.form import weighted_layers

    real = {name: tuple(layer.weight.shape) for name, layer in weighted_layers(load_network(subject_of(model))).items()}
    assert [(layer.name, layer.shape) for layer in subject_of(model).layers] == list(real.items())


def test_they_come_in_the_order_of_an_image():
    assert [layer.name for layer in subject_of("lenet5-mnist5k").layers] == ["conv1", "conv2", "hidden", "classifier"]
    names = [layer.name for layer in subject_of("mobilenet-fashion").layers]
    assert names[:2] == ["features.0", "features.3.layers.0"]
    assert names[-2:] == ["features.10", "classifier"]


@pytest.mark.parametrize("model", MODELS)
def test_the_usual_one_is_quick_and_mixes_inputs(model):
    usual = usual_layer(subject_of(model).layers)
    assert usual.can_be_factored
    assert usual.size == load_file(MODELS[model].weights_path)[f"{usual.name}.weight"].size <= layers.QUICK


def test_titles_say_the_shape():
    assert LayerInfo("conv2", (50, 20, 5, 5)).title == "conv2: 50 filters of 20 × 5 × 5"
    assert LayerInfo("hidden", (500, 800)).title == "hidden: 500 outputs, 800 inputs"


def test_depthwise_filters_are_no_product():
    assert not LayerInfo("features.3", (16, 1, 3, 3)).can_be_factored
    assert LayerInfo("features.4", (64, 16, 1, 1)).can_be_factored


def test_a_damaged_card_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("sample_models.catalogue.WEIGHTS", tmp_path)
    (tmp_path / "mlp-digits.json").write_text("{}")
    with pytest.raises(CorruptFile, match="does not say its layers"):
        _ = subject_of("mlp-digits").layers
    assert not subject_of("mlp-digits").has_ordinary_convolutions
