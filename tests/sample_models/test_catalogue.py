import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from compression.engine.network.form import count_costs
from compression.engine.network.tracing import trace
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.errors import CorruptFile, UnknownModel
from compression.models.data import Split, facts_of, load_dataset
from sample_models.catalogue import MODELS, find_model
from tests.support.networks import correct

DATA = Path(__file__).parents[1] / "data"

# what a well-trained network of each kind reaches on these test images
LEAST_ACCURACY = {
    "mlp-digits": 0.96,
    "lenet300-mnist5k": 0.96,
    "lenet5-mnist5k": 0.975,
    "resnet8-mnist5k": 0.98,
    "resnet20-fashion": 0.93,
    "mobilenet-fashion": 0.91,
    "resnet20-cifar10": 0.88,
    "mobilenetv2-cifar10": 0.84,
}


def some_of(name):
    """Some of its test images: of a data set that is long in coming there are copies among the tests' data."""
    path = DATA / f"{name}.zip"
    if not path.exists():
        return load_dataset(name).test.head(500)
    facts = facts_of(name)
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
        pictures = [np.asarray(Image.open(file.open(picture))).transpose(2, 0, 1) for picture in names]
    labels = np.array([facts.classes.index(picture.split("/")[0]) for picture in names])
    return Split(np.stack(pictures), labels, facts.white, facts.mean, facts.std)


def test_every_model_has_a_known_least_accuracy():
    assert set(LEAST_ACCURACY) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
class TestEverySampleModel:
    def test_card_belongs_to_the_weights_and_is_good(self, name):
        entry = find_model(name)
        content = entry.weights_path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry.card["weights_sha256"]
        assert len(content) <= 3_000_000
        assert entry.card["accuracy"] >= LEAST_ACCURACY[name]
        assert entry.card["command"] == f"python -m compression.engine.samples.train {name}"

    def test_trained_weights_classify_as_the_card_says(self, name):
        entry = find_model(name)
        test = some_of(entry.dataset)
        assert correct(entry.load(), test) == pytest.approx(entry.card["accuracy"], abs=0.03)

    def test_card_counts_parameters_as_every_result_does(self, name):
        entry = find_model(name)
        folded = fold_batch_norm(trace(entry.load(), tuple(entry.card["input_shape"])))
        costs = count_costs(folded)
        assert (costs.params, costs.macs) == (entry.card["params"], entry.card["macs"])

    def test_students_of_every_width_run(self, name):
        entry = find_model(name)
        x = torch.randn(2, *entry.card["input_shape"])
        sizes = []
        for width in (0.1, 0.25, 0.5, 1.0):
            network = entry.build(width).eval()
            assert network(x).shape == (2, 10)
            sizes.append(sum(p.numel() for p in network.parameters()))
        assert sizes == sorted(set(sizes))

    def test_picture_shows_every_class(self, name):
        entry = find_model(name)
        _, height, width = entry.card["input_shape"]
        assert Image.open(entry.picture_path).size == (10 * width, height)


def test_unknown_model_names_the_known_ones():
    with pytest.raises(UnknownModel, match="'vgg'.*lenet5-mnist5k"):
        find_model("vgg")


def test_broken_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sample_models.catalogue.WEIGHTS", tmp_path)
    (tmp_path / "mlp-digits.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(CorruptFile, match="compression.engine.samples.train mlp-digits"):
        find_model("mlp-digits").load()
    with pytest.raises(CorruptFile, match="card"):
        _ = find_model("mlp-digits").card


def test_training_command_refuses_an_unknown_name_in_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "compression.engine.samples.train", "nope"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: There is no model 'nope'")
    assert "Traceback" not in done.stderr
