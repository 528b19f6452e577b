"""Results are found again only under the conditions they were measured in."""

import dataclasses
import json
import os

import pytest

from compression.errors import CorruptFile, DataUnavailable, UnknownModel
from compression.models import data
from compression.models.subject import subject_of
from compression.results import conditions, machine
from sample_models import catalogue
from tests.support.fake_run import MODEL, recipe
from tests.support.made_up_results import fabricate


def result_key(recipe, machine_id=None):
    return conditions.result_key(subject_of(recipe.model), recipe, machine_id)


def test_same_recipe_same_key():
    assert result_key(recipe()) == result_key(recipe())
    assert len(result_key(recipe())) == 64


@pytest.mark.parametrize("field", ["model", "model_version", "data_version", "engine_version", "machine_id"])
def test_every_condition_changes_the_key(field):
    now = conditions.conditions(subject_of(MODEL))
    other = dataclasses.replace(now, **{field: "something else"})
    assert conditions.key("0" * 16, now) != conditions.key("0" * 16, other)
    assert conditions.key("0" * 16, now) != conditions.key("1" * 16, now)


def test_another_machine_has_another_key(monkeypatch):
    here = result_key(recipe())
    assert result_key(recipe(), "fedcba9876543210") != here
    monkeypatch.setattr(machine, "machine_id", lambda: "fedcba9876543210")
    assert result_key(recipe()) == result_key(recipe(), "fedcba9876543210") != here


def test_a_result_states_the_conditions_it_is_found_under():
    result = fabricate(recipe())
    assert conditions.conditions_of(result) == conditions.conditions(subject_of(MODEL))
    assert conditions.key(result.recipe_id, conditions.conditions_of(result)) == result_key(recipe())


def test_model_version_is_the_hash_of_the_weights_file():
    import hashlib

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


def test_unknown_names_are_refused():
    with pytest.raises(UnknownModel, match="mlp-digits"):
        subject_of("no-such-model")
    with pytest.raises(DataUnavailable, match="no-such-data"):
        data.facts_of("no-such-data")


def test_data_version_changes_with_split_and_seed(monkeypatch):
    before = {name: data.facts_of(name).version for name in data.dataset_names()}
    assert len(set(before.values())) == len(before)
    assert all(len(version) <= 200 for version in before.values())  # the column's width
    monkeypatch.setattr(data, "SPLIT_SEED", 1)
    assert all(data.facts_of(name).version != version for name, version in before.items())
