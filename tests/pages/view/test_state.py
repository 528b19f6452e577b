import pytest
import streamlit as st

from compression.recipe.recipe import make_recipe
from pages.components.explore import widgets
from pages.components.frame import menu
from pages.components.view import state
from pages.components.view.link import view_of

MODEL = "lenet5-mnist5k"
CUSTOM = make_recipe(
    MODEL,
    [
        {"technique": "magnitude_pruning", "sparsity": 0.8},
        {"technique": "fine_tuning", "epochs": 1},
        {"technique": "quantization", "weight_bits": 8, "activation_bits": 8},
        {"technique": "fine_tuning", "epochs": 1},
        {"technique": "entropy_coding", "coding": "huffman"},
    ],
)


@pytest.fixture
def session(monkeypatch):
    """A browser session that shows a recipe which no sliders express."""
    found = {}
    monkeypatch.setattr(st, "session_state", found)
    monkeypatch.setattr(st, "query_params", {})
    monkeypatch.setattr(menu, "is_leaving", lambda: True)
    state.show(view_of(CUSTOM, state.current()))
    assert state.current().custom is not None
    widgets.place(state.current().settings)
    return found


def test_a_control_that_is_gone_has_nothing_to_say(session):
    seen = []
    state.follow("gone", seen.append)
    session["there"] = 3
    state.follow("there", seen.append)
    assert seen == [3]
    session.pop(widgets.key("weight_bits"))
    widgets._moved("weight_bits")
    assert state.current().recipe == CUSTOM


def test_a_control_that_is_reported_where_it_stands_changes_no_recipe(session):
    for field in ("weight_bits", "pruning_percent", "activation_bits", "teachers"):
        widgets._moved(field)
    assert state.current().recipe == CUSTOM


def test_one_that_moved_does(session):
    session[widgets.key("weight_bits")] = 4
    widgets._moved("weight_bits")
    view = state.current()
    assert (view.custom, view.settings.weight_bits) == (None, 4)


def test_a_bad_link_keeps_the_model_that_it_names(session):
    state._open_link({"model": "mlp-digits", "recipe": "{"})
    assert state.current().model == "mlp-digits"
    assert "cannot be read as JSON" in state.problem()
    state._open_link({"model": "nothing", "recipe": "{"})
    assert state.current().model == MODEL
