"""A kind of step that no table describes is shown with what its model says of itself, and nothing crashes."""

import json

import pytest

from compression.recipe import edit, words
from compression.recipe.recipe import make_recipe
from compression.recipe.steps import fields_of
from pages.components.explore import controls, parts
from pages.components.view import state
from tests.support.made_up_step import Blurring, blurring_is_a_step
from tests.support.page_tools import MODEL, components, looked_into, rerun, texts, url_recipe

STEPS = [{"technique": "blurring", "width": 3}, {"technique": "quantization", "weight_bits": 4}]


@pytest.fixture(autouse=True)
def _blurring():
    with blurring_is_a_step():
        yield


@pytest.fixture
def built(explore):
    return explore(recipe=json.dumps(STEPS))


class TestPages:
    def test_explore_shows_all_its_settings_by_their_own_names(self, built):
        built.session_state["step_more_0_blurring"] = True
        page = rerun(built)
        assert page.session_state[controls.WAY] == controls.STEPS
        assert "**1. Blurring**" in texts(page.markdown)
        kinds = ("slider", "select_slider", "selectbox", "toggle", "number_input")
        drawn = {control.key for kind in kinds for control in getattr(page, kind)}
        assert {f"setting_step_0_blurring_{field}" for field in fields_of(Blurring)} <= drawn
        assert page.selectbox(key="setting_step_0_blurring_shape").options == ["square", "long row"]
        page.slider(key="setting_step_0_blurring_strength").set_value(70.0)
        page.select_slider(key="setting_step_0_blurring_bits").set_value(4)
        page = rerun(page)
        assert url_recipe(page)["steps"][0] == {"technique": "blurring", "width": 3, "strength": 0.7, "bits": 4}

    def test_it_can_be_added_and_is_measured_step_by_step(self, built):
        built.button(key="builder_add_blurring").click()
        page = rerun(built)
        assert [step["technique"] for step in url_recipe(page)["steps"]].count("blurring") == 2
        drawn = components(looked_into(page, parts.STEP_BY_STEP))
        assert "1. Blurring: " in drawn["chart_steps_stored"]["alt"]

    def test_sliders_do_without_it(self, built):
        built.button_group(key=controls.WAY).set_value(controls.SLIDERS)
        page = rerun(built)
        assert not [slider for slider in page.slider if "blurring" in slider.key]
        page.slider(key=f"{state.SETTING}pruning_percent").set_value(50)
        assert [step["technique"] for step in url_recipe(rerun(page))["steps"]] == ["channel_pruning", "quantization"]

    def test_with_a_slider_it_stands_among_the_sliders(self, explore, monkeypatch):
        kind = words.Kind("Blur", "Blurs.", {"width": 3}, lambda step: f"{step.width} wide blur", slider=range(1, 10))
        monkeypatch.setitem(words.KINDS, Blurring, kind)
        page = explore(model=MODEL)
        assert page.slider(key=f"{state.SETTING}blurring_width").value == 1
        assert page.selectbox(key=f"{state.SETTING}blurring_shape").disabled
        page.slider(key=f"{state.SETTING}blurring_width").set_value(5)
        page = rerun(page)
        page.selectbox(key=f"{state.SETTING}blurring_shape").set_value("long_row")
        page = rerun(page)
        assert url_recipe(page)["steps"] == [{"technique": "blurring", "width": 5, "shape": "long_row"}]
        assert "1 advanced setting changed" in page.button(key="reset_advanced").help


def test_it_is_said():
    recipe = make_recipe(MODEL, [{"technique": "blurring", "width": 3, "sharpen": True}, STEPS[1]])
    assert words.recipe_in_words(recipe) == "blurring, width 3, sharpen True → 4-bit weights"
    assert words.kind_of(Blurring).about == "Blur every kernel (nobody, never)."
    (step,) = edit.added(make_recipe(MODEL, []), Blurring).steps
    assert step == Blurring(width=1)
