"""Results are found again only under the conditions they were measured in."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
from jobs_support import MODEL, output, recipe

from compression import data, keys, machine
from compression.errors import CorruptFile, DataUnavailable, UnknownModel
from compression.recipe import Recipe
from sample_models import catalogue


def test_same_recipe_same_key():
    assert keys.result_key(recipe()) == keys.result_key(recipe())
    assert len(keys.result_key(recipe())) == 64


@pytest.mark.parametrize("field", ["model", "model_version", "data_version", "engine_version", "machine_id"])
def test_every_condition_changes_the_key(field):
    now = keys.conditions(MODEL)
    other = dataclasses.replace(now, **{field: "something else"})
    assert keys.key("0" * 16, now) != keys.key("0" * 16, other)
    assert keys.key("0" * 16, now) != keys.key("1" * 16, now)


def test_another_machine_has_another_key(monkeypatch):
    here = keys.result_key(recipe())
    assert keys.result_key(recipe(), "fedcba9876543210") != here
    monkeypatch.setattr(machine, "machine_id", lambda: "fedcba9876543210")
    assert keys.result_key(recipe()) == keys.result_key(recipe(), "fedcba9876543210") != here


def test_a_result_states_the_conditions_it_is_found_under():
    result = output(recipe()).result
    assert keys.conditions_of(result) == keys.conditions(MODEL)
    assert keys.key(result.recipe_id, keys.conditions_of(result)) == keys.result_key(recipe())


def test_model_version_is_the_hash_of_the_weights_file():
    import hashlib

    weights = catalogue.find_model(MODEL).weights_path.read_bytes()
    assert keys.model_version(MODEL) == hashlib.sha256(weights).hexdigest()


def test_model_version_follows_the_card(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    card = tmp_path / f"{MODEL}.json"
    for version in ("aa", "bb"):
        card.write_text(json.dumps({"weights_sha256": version}))
        os.utime(card, ns=(ord(version[0]), ord(version[0])))
        assert keys.model_version(MODEL) == version


def test_model_version_follows_the_slimmable_weights(tmp_path, monkeypatch):
    """A result of a slimmable student is not shown after other slimmable weights came."""
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    (tmp_path / f"{MODEL}.json").write_text(json.dumps({"weights_sha256": "aa"}))
    card, versions = tmp_path / f"slimmable-{MODEL}.json", [keys.model_version(MODEL)]
    for time, text in enumerate(("bb", "cc"), 1):
        card.write_text(json.dumps({"weights_sha256": text}))
        os.utime(card, ns=(time, time))
        versions.append(keys.model_version(MODEL))
    assert versions[0] == "aa"
    assert len(set(versions)) == 3
    assert all(len(version) == 64 for version in versions[1:])  # the column's width
    card.unlink()
    assert keys.model_version(MODEL) == "aa"


@pytest.mark.parametrize("text", [None, "{}", "no json"])
def test_a_bad_card_names_the_remedy(tmp_path, monkeypatch, text):
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    if text is not None:
        (tmp_path / f"{MODEL}.json").write_text(text)
    keys._weights_sha256.cache_clear()
    with pytest.raises(CorruptFile, match=f"sample_models.train {MODEL}"):
        keys.model_version(MODEL)
    keys._weights_sha256.cache_clear()


def test_unknown_names_are_refused():
    with pytest.raises(UnknownModel, match="mlp-digits"):
        keys.result_key(Recipe(model="no-such-model"))
    with pytest.raises(DataUnavailable, match="no-such-data"):
        data.data_version("no-such-data")


def test_data_version_changes_with_split_and_seed(monkeypatch):
    before = {name: data.data_version(name) for name in data.dataset_names()}
    assert len(set(before.values())) == len(before)
    assert all(len(version) <= 200 for version in before.values())  # the column's width
    monkeypatch.setattr(data, "SPLIT_SEED", 1)
    assert all(data.data_version(name) != version for name, version in before.items())


def test_page_half_loads_neither_torch_nor_dask():
    modules = "keys, store, jobs, progress, artifacts, database, worker, cluster"
    heavy = "('torch', 'onnxruntime', 'distributed')"
    code = f"import sys; from compression import {modules}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
