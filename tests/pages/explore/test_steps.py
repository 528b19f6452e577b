import json

import pytest

from compression.recipe import edit
from compression.recipe.recipe import make_recipe
from compression.recipe.steps import STEP_TYPES, fields_of
from compression.recipe.words import KINDS
from pages.components.explore import controls, parts
from tests.support.page_tools import MODEL, asked, checked, components, looked_into, pressed, rerun, texts, url_recipe

PIPELINE = [{"technique": "magnitude_pruning", "sparsity": 0.8}, {"technique": "quantization", "weight_bits": 4}]


class TestSteps:
    @pytest.fixture
    def built(self, explore):
        """Opens Explore with the pipeline builder."""

        def open_builder(steps=PIPELINE):
            page = explore(recipe=json.dumps(steps))
            if page.session_state[controls.WAY] != controls.STEPS:
                page.button_group(key=controls.WAY).set_value(controls.STEPS)
                page = rerun(page)
            return page

        return open_builder

    def techniques(self, page):
        return [step["technique"] for step in url_recipe(page)["steps"]]

    def test_a_step_can_be_added_moved_and_removed(self, built, dispatcher):
        page = pressed(built(), "builder_add_channel_pruning")
        assert self.techniques(page) == ["magnitude_pruning", "channel_pruning", "quantization"]
        page = pressed(page, "step_up_1")
        assert self.techniques(page) == ["channel_pruning", "magnitude_pruning", "quantization"]
        page = pressed(page, "step_remove_1")
        assert self.techniques(page) == ["channel_pruning", "quantization"]
        assert page.session_state["view"].recipe in asked(dispatcher)

    def test_what_makes_no_sense_cannot_be_pressed_and_says_why(self, built):
        page = built([{"technique": "distillation", "width_mult": 0.5}, *PIPELINE])
        assert page.button(key="step_down_0").disabled
        assert "put the student first" in page.button(key="step_down_0").help
        assert page.button(key="builder_add_distillation").disabled
        assert "one student is enough" in page.button(key="builder_add_distillation").help

    def test_why_stands_where_fingers_and_keys_reach_it(self, built):
        """A button that is off shows its tooltip to a mouse only."""
        page = built([{"technique": "distillation", "width_mult": 0.5}, *PIPELINE])
        said = texts(page.caption)
        assert "later? " in said
        assert said.count("put the student first") >= 2
        assert "one student is enough" in said

    def test_a_setting_can_be_changed(self, built):
        page = built()
        page.slider(key="setting_step_0_magnitude_pruning_sparsity").set_value(91.5)
        page = rerun(page)
        assert url_recipe(page)["steps"][0]["sparsity"] == 0.915
        page.select_slider(key="setting_step_1_quantization_weight_bits").set_value(3)
        page = rerun(page)
        assert url_recipe(page)["steps"][1]["weight_bits"] == 3

    def test_a_refused_setting_is_said_and_nothing_is_lost(self, built, monkeypatch):
        page = built()
        monkeypatch.setattr(edit, "changed", lambda recipe, at, **settings: make_recipe(MODEL, [{"technique": "?"}]))
        page.slider(key="setting_step_0_magnitude_pruning_sparsity").set_value(50.0)
        checked(page.run())
        assert page.error
        assert self.techniques(page) == ["magnitude_pruning", "quantization"]

    def test_every_setting_of_every_kind_of_step_has_a_control(self, built):
        apart = ("slimmable_student", "weight_sharing")
        for techniques in ([name for name in STEP_TYPES if name not in apart], apart):
            page = built([{"technique": name, **KINDS[STEP_TYPES[name]].start} for name in techniques])
            for at, name in enumerate(techniques):
                page.session_state[f"step_more_{at}_{name}"] = True
            page = rerun(page)
            kinds = ("slider", "select_slider", "selectbox", "toggle", "number_input", "multiselect")
            drawn = {control.key for kind in kinds for control in getattr(page, kind)}
            for at, name in enumerate(techniques):
                fields = fields_of(STEP_TYPES[name])
                assert {f"setting_step_{at}_{name}_{field}" for field in fields} <= drawn, name

    def test_levels_of_single_layers_are_shown_and_kept_when_another_setting_changes(self, built):
        levels = [["conv1", 8], ["hidden", 3]]
        page = built([{"technique": "quantization", "weight_bits": 4, "levels": levels}])
        assert "Levels of 2 layers: conv1 8 bits, hidden 3 bits" in texts(page.caption)
        page.select_slider(key="setting_step_0_quantization_weight_bits").set_value(5)
        page = rerun(page)
        assert url_recipe(page)["steps"] == [{"technique": "quantization", "weight_bits": 5, "levels": levels}]
        assert "Levels of" not in texts(built().caption)

    def test_names_of_layers_in_a_link_are_words_and_no_markdown(self, built):
        levels = [["![x](http://far.away/picture)", 3]]
        page = built([{"technique": "quantization", "weight_bits": 4, "levels": levels}])
        assert "![x](" not in texts(page.caption)
        assert "far.away/picture" in texts(page.caption)

    def test_what_each_step_brings_is_measured_when_it_is_looked_at(self, built, dispatcher):
        page = built()
        before = len(dispatcher.submitted)
        page = looked_into(page, parts.STEP_BY_STEP)
        wanted = edit.prefixes(page.session_state["view"].recipe)
        assert set(wanted) <= {recipe for _, recipe in dispatcher.submitted[before:]}
        drawn = components(page)
        assert "2. Quantize: " in drawn["chart_steps_stored"]["alt"]
        assert "All together" in drawn["chart_steps_difference"]["alt"]

    def test_a_stage_that_failed_says_why(self, built, dispatcher):
        page = built([{"technique": "channel_pruning", "pruning_ratio": 0.3}, *PIPELINE[1:]])
        dispatcher.failing = "channel_pruning"
        dispatcher.forget()
        page = looked_into(page, parts.STEP_BY_STEP)
        assert "there are no numbers" in texts(page.error)

    def test_the_model_as_it_is_has_no_steps(self, built):
        page = looked_into(built([]), parts.STEP_BY_STEP)
        assert "The original model has no steps" in texts(page.caption)
