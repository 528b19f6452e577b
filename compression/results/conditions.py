"""What makes two measurements the same one: recipe, model, data, engine and machine. Torch-free."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass, fields

from compression import ENGINE_VERSION
from compression.models.subject import Subject
from compression.recipe.recipe import Recipe
from compression.results import machine


@dataclass(frozen=True)
class Conditions:
    """Under which a model's results are comparable; a result measured under others is not shown beside them."""

    model: str
    model_version: str
    data_version: str
    engine_version: str
    machine_id: str


def conditions(subject: Subject, machine_id: str | None = None) -> Conditions:
    """The present conditions of a model, on this machine or the one named.

    Raises `CorruptFile` when the model's card cannot be read.
    """
    here = machine_id or machine.machine_id()
    return Conditions(subject.name, subject.version, subject.data.version, ENGINE_VERSION, here)


def conditions_of(measured: object) -> Conditions:
    """The conditions under which a result, or a row of the table of results, was measured."""
    return Conditions(*(getattr(measured, field.name) for field in fields(Conditions)))


def key(recipe_id: str, measured_under: Conditions, workspace: str = "") -> str:
    """64 hexadecimal digits: one recipe under one set of conditions, measured for everybody or for one `workspace`."""
    parts = json.dumps([recipe_id, *astuple(measured_under), *([workspace] if workspace else [])])
    return hashlib.sha256(parts.encode()).hexdigest()


def result_key(subject: Subject, recipe: Recipe, machine_id: str | None = None, workspace: str = "") -> str:
    """Key of a recipe of this model under the present conditions, on this machine or the one named; see `key`."""
    return key(recipe.recipe_id, conditions(subject, machine_id), workspace)
