import json
import shutil

import pytest
import torch

from compression.engine.samples import train_slimmable
from compression.errors import CorruptFile, NotApplicable
from sample_models import catalogue, slimmable

NAME = "lenet5-mnist5k"


@pytest.fixture
def copied(tmp_path, monkeypatch):
    for path in (slimmable.weights_path(NAME), slimmable.weights_path(NAME).with_suffix(".json")):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    return slimmable.weights_path(NAME)


@pytest.mark.parametrize("name", slimmable.slimmable_models())
def test_shipped_weights_load_and_their_card_is_complete(name):
    network = slimmable.load(name)
    assert not network.training
    card = slimmable.card(name)
    trained = catalogue.find_model(name)
    assert card["started_from_sha256"] == trained.card["weights_sha256"]
    assert {"origin", "command", "seed", "epochs", "n_test", "made_with", "training_seconds"} <= set(card)
    assert set(card["accuracy"]) == set(card["params"]) == {"0.25", "0.5", "0.75", "1"}
    assert min(card["accuracy"].values()) > 0.95
    assert card["params"]["1"] == trained.card["params"]


def test_two_models_have_slimmable_weights():
    assert set(slimmable.slimmable_models()) == {"lenet5-mnist5k", "resnet8-mnist5k"}


def test_a_changed_file_is_refused(copied):
    content = bytearray(copied.read_bytes())
    content[len(content) // 2] ^= 1
    copied.write_bytes(content)
    with pytest.raises(CorruptFile, match=f"train_slimmable {NAME}"):
        slimmable.load(NAME)


@pytest.mark.parametrize("content", [b"", b"no safetensors at all", None])
def test_a_file_that_is_no_network_is_refused(copied, content):
    from safetensors.torch import save

    copied.write_bytes(save({"conv1.weight": torch.zeros(3)}) if content is None else content)
    card = copied.with_suffix(".json")
    import hashlib

    described = {"weights_sha256": hashlib.sha256(copied.read_bytes()).hexdigest()}
    card.write_text(json.dumps(described))
    with pytest.raises(CorruptFile, match="cannot be loaded"):
        slimmable.load(NAME)


def test_an_unreadable_card_is_refused(copied):
    copied.with_suffix(".json").write_text("{")
    with pytest.raises(CorruptFile, match="card"):
        slimmable.load(NAME)


def test_models_without_weights_say_which_have_them(copied):
    assert slimmable.slimmable_models() == (NAME,)
    with pytest.raises(NotApplicable, match=rf"mlp-digits.*{NAME}"):
        slimmable.load("mlp-digits")


def test_training_writes_weights_that_load_and_serve_every_width(tmp_path, monkeypatch):
    entry = catalogue.find_model("mlp-digits")
    for path in (entry.weights_path, entry.weights_path.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    monkeypatch.setattr(train_slimmable, "EPOCHS", 15)
    said = train_slimmable.make(entry)
    accuracies = slimmable.card(entry.name)["accuracy"]
    assert str(accuracies) in said
    assert all(accuracy > 0.85 for accuracy in accuracies.values())
    assert len(slimmable.load(entry.name)(torch.zeros(1, 1, 8, 8))[0]) == 10
