"""Results are found again only under the conditions they were measured in."""

import dataclasses

import pytest

from compression.models.subject import subject_of
from compression.results import conditions, machine
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
