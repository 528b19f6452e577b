import json

import pytest

from compression import units
from compression.charts.axes import Axes
from compression.models.subject import subject_of
from compression.recipe import edit
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import Settings, recipe_of
from compression.recipe.steps import fields_of, technique_of
from compression.recipe.words import KINDS
from compression.search.limits import NO_LIMITS, Limits
from pages.components.explore import controls, parts
from pages.components.view import state
from pages.components.view.link import View, parameters_of
from tests.support.explore_tools import (
    MODEL,
    asked,
    components,
    foreseen_rows,
    setting,
    url_recipe,
)
from tests.support.made_up_results import fabricate
from tests.support.page_tools import checked, rerun, texts


class TestAxes:
    def test_other_axes_are_drawn_and_in_the_link(self, explore):
        page = explore()
        setting(page, "selectbox", "axis_left").set_value("macs")
        page = rerun(page)
        assert page.query_params["axes"] in ("macs,latency,accuracy", ["macs,latency,accuracy"])
        drawn = components(page)
        assert drawn["chart_left"]["alt"].startswith("Accuracy against MACs of one image: ")
        assert drawn["chart_right"]["alt"].startswith("Accuracy against latency of one image: ")
        assert json.loads(drawn["chart_left"]["figure"])["layout"]["xaxis"]["title"]["text"].startswith("MACs")

    def test_a_link_opens_its_axes_and_moves_foresee_them(self, explore):
        page = explore(axes="zipped,energy,flips")
        assert components(page)["chart_left"]["alt"].startswith("Changed predictions against zipped runtime file")
        row = foreseen_rows(page)["setting_weight_bits"]
        (measured,) = [
            mark
            for mark in row["marks"]
            if mark["setting"] == recipe_of(subject_of(MODEL), Settings(weight_bits=4)).recipe_id
        ]
        result = fabricate(recipe_of(subject_of(MODEL), Settings(weight_bits=4)))
        assert measured["left"]["x"] == [result.zipped_bytes / 1000]
        assert measured["left"]["y"] == [100 * result.changed_predictions / result.n_test]

    def test_axes_stay_when_the_setting_changes(self, explore):
        page = explore(axes="macs,memory,worst_class")
        setting(page, "slider", "pruning_percent").set_value(50)
        page = rerun(page)
        assert page.session_state["view"].axes == Axes("macs", "memory", "worst_class")


class TestLimits:
    def limit(self, page, field, value):
        page.number_input(key=f"{state.SETTING}limit_{field}").set_value(value)
        return rerun(page)

    def test_what_is_not_allowed_is_shaded_and_the_best_is_told_and_shown(self, explore):
        page = self.limit(explore(), "drop_points", 1.0)
        assert page.query_params["max_drop"] in ("1", ["1"])
        assert json.loads(components(page)["chart_left"]["figure"])["layout"]["shapes"]
        assert "Best, the smallest file: " in texts(page.markdown)
        page.button(key="show_best").click()
        page = rerun(page)
        best = fabricate(page.session_state["view"].recipe)
        assert best.accuracy_difference >= -0.01
        assert page.session_state["view"].limits == Limits(drop_points=1.0)
        assert page.button(key="show_best").disabled

    def test_the_verdict_says_what_the_setting_breaks(self, explore):
        view = View(MODEL, Settings(weight_bits=8))
        result = fabricate(view.recipe)
        page = explore(**parameters_of(view), max_kb=f"{result.stored_bytes / 2000:g}")
        assert f"Beyond your limits: {units.size(result.stored_bytes)} is over" in texts(page.warning)
        page = self.limit(page, "stored_kb", result.stored_bytes / 500)
        assert "Beyond your limits" not in texts(page.warning)

    def test_nothing_allowed_is_said(self, explore):
        page = self.limit(explore(), "stored_kb", 0.5)
        assert "None of" in texts(page.warning)

    def test_a_link_opens_its_limits_and_another_model_forgets_them(self, explore):
        page = explore(max_kb="100", max_drop="2")
        assert page.number_input(key=f"{state.SETTING}limit_stored_kb").value == 100
        setting(page, "selectbox", "model").set_value("mlp-digits")
        page = rerun(page)
        assert page.session_state["view"].limits == NO_LIMITS
        assert page.number_input(key=f"{state.SETTING}limit_stored_kb").value is None

    def test_before_there_is_a_baseline_there_is_nothing_to_choose_from(self, explore, dispatcher):
        dispatcher.held = True
        page = explore(max_kb="100")
        assert not [button for button in page.button if button.key == "show_best"]


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

    def press(self, page, key):
        page.button(key=key).click()
        return rerun(page)

    def test_a_step_can_be_added_moved_and_removed(self, built, dispatcher):
        page = self.press(built(), "builder_add_channel_pruning")
        assert self.techniques(page) == ["magnitude_pruning", "channel_pruning", "quantization"]
        page = self.press(page, "step_up_1")
        assert self.techniques(page) == ["channel_pruning", "magnitude_pruning", "quantization"]
        page = self.press(page, "step_remove_1")
        assert self.techniques(page) == ["channel_pruning", "quantization"]
        assert page.session_state["view"].recipe in asked(dispatcher)

    def test_what_makes_no_sense_cannot_be_pressed_and_says_why(self, built):
        page = built([{"technique": "distillation", "width_mult": 0.5}, *PIPELINE])
        assert page.button(key="step_down_0").disabled
        assert "put the student first" in page.button(key="step_down_0").help
        assert page.button(key="builder_add_distillation").disabled
        assert "one student is enough" in page.button(key="builder_add_distillation").help

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
        for kind, about in KINDS.items():
            technique = technique_of(kind)
            page = built([{"technique": technique, **about.start}])
            page.session_state[f"step_more_0_{technique}"] = True
            page = rerun(page)
            kinds = ("slider", "select_slider", "selectbox", "toggle", "number_input", "multiselect")
            drawn = {control.key for name in kinds for control in getattr(page, name)}
            fields = fields_of(kind)
            assert {f"setting_step_0_{technique}_{field}" for field in fields} <= drawn

    def test_what_each_step_brings_is_measured_when_it_is_looked_at(self, built, dispatcher):
        page = built()
        before = len(dispatcher.submitted)
        page.session_state[parts.INSIGHT_TAB] = parts.STEP_BY_STEP
        page = rerun(page)
        wanted = edit.prefixes(page.session_state["view"].recipe)
        assert set(wanted) <= {recipe for _, recipe in dispatcher.submitted[before:]}
        drawn = components(page)
        assert "2. Quantize: " in drawn["chart_steps_stored"]["alt"]
        assert "All together" in drawn["chart_steps_difference"]["alt"]

    def test_a_stage_that_failed_says_why(self, built, dispatcher):
        page = built([{"technique": "channel_pruning", "pruning_ratio": 0.3}, *PIPELINE[1:]])
        dispatcher.failing = "channel_pruning"
        dispatcher.forget()
        page.session_state[parts.INSIGHT_TAB] = parts.STEP_BY_STEP
        page = rerun(page)
        assert "there are no numbers" in texts(page.error)

    def test_the_model_as_it_is_has_no_steps(self, built):
        page = built([])
        page.session_state[parts.INSIGHT_TAB] = parts.STEP_BY_STEP
        page = rerun(page)
        assert "The model as it is has no steps" in texts(page.caption)
