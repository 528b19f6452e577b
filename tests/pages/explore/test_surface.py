"""The picture over two sliders on Explore, with made-up measurements."""

import json

import pytest

from compression.models.subject import subject_of
from compression.recipe.budgets import trains
from compression.recipe.settings import Settings
from compression.results import score
from pages.components.view.link import View, parameters_of
from tests.support.page_tools import MODEL, asked, components, looked_into, pressed, rerun, texts

BOTH = View(MODEL, Settings(pruning_percent=50, weight_bits=4))


@pytest.fixture
def surface(explore):
    def look(view=BOTH, **others):
        return looked_into(explore(**parameters_of(view), **others), "Two sliders")

    return look


def drawn(page):
    figure = json.loads(components(page)["chart_surface"]["figure"])
    return {trace["name"]: trace for trace in figure["data"]}


def test_it_shows_all_positions_and_marks_this_setting(surface):
    page = surface()
    cells = drawn(page)["settings"]
    assert (len(cells["z"]), len(cells["z"][0])) == (10, 20)
    mark = drawn(page)["this setting"]
    row, column = mark["y"][0], mark["x"][0]
    assert cells["customdata"][row][column] == BOTH.recipe.recipe_id
    assert "measured" in cells["hovertext"][row][column]
    assert "settings are measured" in texts(page.caption)


def test_other_sliders_and_colours_can_be_chosen(surface):
    page = surface()
    page.selectbox(key="surface_pair").set_value("Bit width and student size")
    page.selectbox(key="surface_metric").set_value("stored")
    page = rerun(page)
    assert "Colour: stored file" in texts(page.caption)
    assert len(drawn(page)["settings"]["z"][0]) == 10


def test_limits_are_drawn(surface):
    page = surface(max_kb="200")
    assert {"your limits", "beyond your limits"} <= drawn(page).keys()


def test_a_limit_that_no_slider_has_a_rule_for_is_held_against_estimates_too(surface, dispatcher):
    """What a curve's points tell of memory is expected between them."""
    page = surface(max_memory_kb="1000000")
    assert "beyond your limits" not in drawn(page)


def test_a_recipe_that_no_slider_leads_to_is_no_cell(surface, explore):
    custom = [{"technique": "channel_pruning", "pruning_ratio": 0.333}]
    page = looked_into(explore(model=MODEL, recipe=json.dumps(custom)), "Two sliders")
    assert "this setting" not in drawn(page)


def test_nothing_is_trained_that_nobody_gave_time_for(explore, dispatcher):
    page = looked_into(explore(model="mlp-digits"), "Two sliders")
    page.selectbox(key="surface_pair").set_value("Bit width and student size")
    page = rerun(page)
    assert "with a training budget only" in texts(page.caption)
    dispatcher.held = True
    page = pressed(page, "measure_surface")
    assert asked(dispatcher, "surface-") and not any(map(trains, asked(dispatcher, "surface-")))


def test_all_of_it_is_measured_when_asked_and_can_be_given_up(surface, dispatcher):
    page = surface()
    assert asked(dispatcher, "surface-") == []
    dispatcher.held = True
    page = pressed(page, "measure_surface")
    wanted = asked(dispatcher, "surface-")
    assert len(wanted) == len(set(wanted)) > 100
    assert all(recipe.model == MODEL for recipe in wanted)
    page = pressed(page, "cancel_surface")
    assert "measure_surface" in {button.key for button in page.button}


@pytest.fixture
def without_labels(monkeypatch):
    monkeypatch.setitem(vars(subject_of(MODEL).data), "has_labels", False)
    score.judge_by(False)  # AppTest puts choices in words outside of the page's thread
    yield
    score.judge_by(True)


def test_without_labels_agreement_with_the_original_stands_in_accuracys_place(without_labels, surface):
    page = surface()
    cells = drawn(page)["settings"]
    assert cells["colorbar"]["title"]["text"] == "Agreement"
    assert "Colour: agreement" in texts(page.caption)
    assert page.selectbox(key="surface_metric").options[0] == "Agreement"
    said = [words for row in cells["hovertext"] for words in row]
    assert all("agreement: " in words and "accuracy" not in words.lower() for words in said)


def test_students_that_must_be_trained_do_not_come_first(explore):
    page = looked_into(explore(model="mlp-digits"), "Two sliders")
    assert page.selectbox(key="surface_pair").value == "Pruning ratio and bit width"
