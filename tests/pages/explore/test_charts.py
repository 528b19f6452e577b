import json

from compression import units
from compression.charts.axes import Axes
from compression.models.subject import subject_of
from compression.recipe.settings import Settings, recipe_of
from compression.search.limits import NO_LIMITS, Limits
from pages.components.view import state
from pages.components.view.link import View, parameters_of
from tests.support.made_up_results import fabricate
from tests.support.page_tools import MODEL, components, foreseen_rows, moved, pressed, rerun, texts


class TestAxes:
    def test_other_axes_are_drawn_and_in_the_link(self, explore):
        page = explore()
        moved(page, "selectbox", "axis_left", "macs")
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
        moved(page, "slider", "pruning_percent", 50)
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
        pressed(page, "show_best")
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
        moved(page, "selectbox", "model", "mlp-digits")
        assert page.session_state["view"].limits == NO_LIMITS
        assert page.number_input(key=f"{state.SETTING}limit_stored_kb").value is None

    def test_before_there_is_a_baseline_there_is_nothing_to_choose_from(self, explore, dispatcher):
        dispatcher.held = True
        page = explore(max_kb="100")
        assert not [button for button in page.button if button.key == "show_best"]
