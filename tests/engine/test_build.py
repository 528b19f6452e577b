import dataclasses
import hashlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from compression.engine import build
from compression.engine.build import KEPT_BYTES, build_variant
from compression.engine.byte_cache import ByteCache
from compression.engine.techniques import apply_step
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from sample_models import catalogue
from sample_models.catalogue import find_model

MODEL = "mlp-digits"
HALVE = {"technique": "channel_pruning", "pruning_ratio": 0.5}
ROUND = {"technique": "quantization", "weight_bits": 4}


@pytest.fixture
def applied(monkeypatch):
    """The steps that are really carried out, with nothing remembered from other tests."""
    done = []
    monkeypatch.setattr(build, "_begun_networks", ByteCache(KEPT_BYTES))
    monkeypatch.setattr(
        build, "apply_step", lambda model, step, context: done.append(step) or apply_step(model, step, context)
    )
    return done


def built(*steps, seed=0, subject=None):
    subject = subject or subject_of(MODEL)
    return build_variant(subject, make_recipe(MODEL, list(steps), seed), subject.data.load()).model


def weights(model):
    return [value.clone() for value in model.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_recipes_that_begin_alike_share_their_first_steps(applied):
    first = weights(built(HALVE, ROUND))
    built(HALVE)
    built(HALVE, ROUND | {"weight_bits": 3})
    assert [step.technique for step in applied] == ["channel_pruning", "quantization", "quantization"]
    assert same(first, weights(built(HALVE, ROUND)))


def test_sharing_changes_no_number(applied, monkeypatch):
    built(HALVE)
    shared = weights(built(HALVE, ROUND))
    monkeypatch.setattr(build, "_begun_networks", ByteCache(0))
    assert same(shared, weights(built(HALVE, ROUND)))


def test_other_settings_and_seeds_start_anew(applied):
    built(HALVE)
    built(HALVE | {"pruning_ratio": 0.25})
    built(HALVE, seed=1)
    assert len(applied) == 3


def test_other_weights_or_data_start_anew(applied):
    subject = subject_of(MODEL)
    built(HALVE, subject=subject)
    built(HALVE, subject=subject)
    assert len(applied) == 1
    built(HALVE, subject=dataclasses.replace(subject))
    assert len(applied) == 2


def test_a_network_is_loaded_anew_when_its_file_has_changed(tmp_path, monkeypatch):
    entry = find_model(MODEL)
    for path in (entry.weights_path, entry.weights_path.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    before = build.load_network(subject_of(MODEL))
    assert build.load_network(subject_of(MODEL)) is before
    content = {name: 2 * value for name, value in load_file(entry.weights_path).items()}
    save_file(content, entry.weights_path)
    card = entry.weights_path.with_suffix(".json")
    described = json.loads(card.read_text()) | {
        "weights_sha256": hashlib.sha256(entry.weights_path.read_bytes()).hexdigest()
    }
    card.write_text(json.dumps(described))
    after = build.load_network(subject_of(MODEL))
    assert same([2 * value for value in weights(before)], weights(after))
