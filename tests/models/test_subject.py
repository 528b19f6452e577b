import hashlib
import json
import os

import numpy as np
import pytest

from compression.engine.run import run_recipe
from compression.errors import CorruptFile, UnknownModel
from compression.models.data import facts_of
from compression.models.subject import known_models, model_title, subject_of
from compression.recipe.budgets import BUDGETS, FEWEST_IMAGES, LONGEST, training_seconds
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import Settings, neutral_settings, recipe_of, settings_of
from compression.results import conditions
from compression.results.predictions import classes_from
from compression.search.curves import CURVES, curves_for, sweep_recipes
from compression.search.estimate import Known, estimate
from sample_models import catalogue
from tests.support.fake_run import MODEL
from tests.support.own_model import N_CLASSES, own_subject


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    return own_subject(tmp_path)


@pytest.mark.parametrize("model", known_models())
def test_what_is_told_of_a_model_and_its_data_fits_its_card(model):
    subject = subject_of(model)
    assert list(subject.data.shape) == subject.card["input_shape"]
    assert list(subject.data.classes) == subject.card["classes"]
    assert f"({subject.data.train_images} images)" in subject.card["origin"]
    assert subject.teachers[0] == model and {subject_of(name).data for name in subject.teachers} == {subject.data}


def test_the_door_gives_the_same_object_until_a_card_changes(tmp_path, monkeypatch):
    assert subject_of("mlp-digits") is subject_of("mlp-digits")
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    missing = subject_of("mlp-digits")
    assert not missing.has_ordinary_convolutions
    (tmp_path / "mlp-digits.json").write_text(json.dumps({"weights_sha256": "ab"}))
    assert subject_of("mlp-digits") is not missing
    assert subject_of("mlp-digits").version == "ab"


def test_a_model_that_is_no_more_keeps_its_name():
    with pytest.raises(UnknownModel, match="'gone'"):
        subject_of("gone")
    assert model_title("gone") == "gone"


def test_colours_may_have_a_mean_each():
    split = facts_of("digits").load().test
    assert split.preprocess(split.images[0]).shape == (1, 8, 8)


class TestOutsideTheCatalogue:
    def test_settings_budgets_and_curves_follow_from_what_is_known(self, own):
        assert "slimmable_student" not in curves_for(own)
        assert "depthwise_separable" in curves_for(own)
        for budget in BUDGETS:
            for recipe in sweep_recipes(own, budget, CURVES):
                assert settings_of(own, recipe, budget) is not None
        assert neutral_settings(own).student == "same"
        known = Known(own, 0.9, 10_000, 0.1)
        assert estimate(Settings(weight_bits=1), known, {}).accuracy > 1 / N_CLASSES
        assert conditions.conditions(own).data_version == own.data.version

    @pytest.mark.parametrize("speed", [5, 300, 30_000])
    def test_epochs_follow_from_the_measured_speed(self, tmp_path, monkeypatch, speed):
        monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
        subject = own_subject(tmp_path, images_per_second=speed)
        quick, thorough = (
            recipe_of(subject, Settings(pruning_percent=50, budget=budget)).steps[-1].epochs
            for budget in ("quick", "thorough")
        )
        assert quick * subject.data.train_images >= 0.95 * FEWEST_IMAGES
        assert thorough <= LONGEST
        if speed == 300:
            assert training_seconds(subject, recipe_of(subject, Settings(50, budget="quick"))) == pytest.approx(15, 0.1)

    def test_it_is_compressed_and_measured(self, own, fresh_home):
        (fresh_home / "data").unlink()
        recipe = make_recipe("own", [{"technique": "quantization", "weight_bits": 8, "activation_bits": 8}])
        done = run_recipe(own, recipe)
        assert done.result.data_version == own.data.version
        assert done.predictions.dtype == np.uint16
        kept = done.artifacts()["predictions"]
        np.testing.assert_array_equal(classes_from(kept, done.result.n_test), done.predictions)
        x = own.data.load().test
        expected = (x.images / 255 - np.reshape([0.5, 0.4, 0.3], (3, 1, 1))) / np.reshape([0.2, 0.3, 0.4], (3, 1, 1))
        np.testing.assert_allclose(x.x, expected, atol=1e-5)


def test_model_version_is_the_hash_of_the_weights_file():
    weights = catalogue.find_model(MODEL).weights_path.read_bytes()
    assert subject_of(MODEL).version == hashlib.sha256(weights).hexdigest()


def test_model_version_follows_the_card(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    card = tmp_path / f"{MODEL}.json"
    for version in ("aa", "bb"):
        card.write_text(json.dumps({"weights_sha256": version}))
        os.utime(card, ns=(ord(version[0]), ord(version[0])))
        assert subject_of(MODEL).version == version


def test_model_version_follows_the_slimmable_weights(tmp_path, monkeypatch):
    """A result of a slimmable student is not shown after other slimmable weights came."""
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    (tmp_path / f"{MODEL}.json").write_text(json.dumps({"weights_sha256": "aa"}))
    card, versions = tmp_path / f"slimmable-{MODEL}.json", [subject_of(MODEL).version]
    for time, text in enumerate(("bb", "cc"), 1):
        card.write_text(json.dumps({"weights_sha256": text}))
        os.utime(card, ns=(time, time))
        versions.append(subject_of(MODEL).version)
    assert versions[0] == "aa"
    assert len(set(versions)) == 3
    assert all(len(version) == 64 for version in versions[1:])  # the column's width
    card.unlink()
    assert subject_of(MODEL).version == "aa"


@pytest.mark.parametrize("text", [None, "{}", "no json"])
def test_a_bad_card_names_the_remedy(tmp_path, monkeypatch, text):
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    if text is not None:
        (tmp_path / f"{MODEL}.json").write_text(text)
    with pytest.raises(CorruptFile, match=f"compression.engine.samples.train {MODEL}"):
        _ = subject_of(MODEL).version
