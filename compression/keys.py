"""What makes two measurements the same one: recipe, model, data, engine and machine. Torch-free."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import astuple, dataclass

from compression import ENGINE_VERSION, machine
from compression.data import data_version
from compression.errors import CorruptFile
from compression.recipe import Recipe
from compression.result import Result
from compression.studies import Study
from sample_models import slimmable
from sample_models.catalogue import find_model


@dataclass(frozen=True)
class Conditions:
    """Under which a model's results are comparable; a result measured under others is not shown beside them."""

    model: str
    model_version: str
    data_version: str
    engine_version: str
    machine_id: str


def conditions(model: str, machine_id: str | None = None) -> Conditions:
    """The present conditions of `model`, on this machine or the one named.

    Raises `UnknownModel`, or `CorruptFile` when the model's card cannot be read.
    """
    version = model_version(model)
    return Conditions(
        model, version, data_version(find_model(model).dataset), ENGINE_VERSION, machine_id or machine.machine_id()
    )


def conditions_of(result: Result) -> Conditions:
    """The conditions under which `result` was measured."""
    return Conditions(
        str(result.recipe["model"]),
        result.model_version,
        result.data_version,
        result.engine_version,
        result.machine_id,
    )


def key(recipe_id: str, measured_under: Conditions) -> str:
    """64 hexadecimal digits: one recipe under one set of conditions."""
    parts = json.dumps([recipe_id, *astuple(measured_under)])
    return hashlib.sha256(parts.encode()).hexdigest()


def result_key(recipe: Recipe, machine_id: str | None = None) -> str:
    """Key of `recipe` under the present conditions, on this machine or the one named."""
    return key(recipe.recipe_id, conditions(recipe.model, machine_id))


def answer_key(study: Study, result_key: str) -> str:
    """64 hexadecimal digits: one study of one result."""
    return hashlib.sha256(json.dumps([study.study_id, result_key]).encode()).hexdigest()


def model_version(model: str) -> str:
    """SHA-256 of the trained weights, as their card states it; with slimmable weights a hash of both."""
    trained = _trained_version(model)
    slimmable_version = _slimmable_version(model)
    return hashlib.sha256(f"{trained} {slimmable_version}".encode()).hexdigest() if slimmable_version else trained


def _slimmable_version(model: str) -> str:
    """SHA-256 of the slimmable weights, as their card states it; empty where there are none."""
    try:
        changed_at = slimmable.weights_path(model).with_suffix(".json").stat().st_mtime_ns
    except FileNotFoundError:
        return ""
    return _slimmable_sha256(model, changed_at)


@functools.lru_cache(maxsize=64)
def _slimmable_sha256(model: str, card_changed_at: int) -> str:
    return str(slimmable.card(model).get("weights_sha256", ""))


def _trained_version(model: str) -> str:
    card_path = find_model(model).weights_path.with_suffix(".json")
    try:
        return _weights_sha256(model, card_path.stat().st_mtime_ns)
    except OSError as error:
        raise CorruptFile(
            f"The card of {model} ({card_path.name}) cannot be read: {error}. "
            f"Make it again: python -m sample_models.train {model}"
        ) from error


@functools.lru_cache(maxsize=64)
def _weights_sha256(model: str, card_changed_at: int) -> str:
    """Reading a card takes a file and a parse; a page asks many times a second."""
    try:
        return str(find_model(model).card["weights_sha256"])
    except KeyError as error:
        raise CorruptFile(
            f"The card of {model} does not name its weights (weights_sha256). "
            f"Make it again: python -m sample_models.train {model}"
        ) from error
