import json
import re

from compression import units
from compression.charts.axes import Axes
from compression.charts.rise import Rise
from compression.models.subject import subject_of
from compression.recipe.settings import Settings, recipe_of
from compression.search import limits
from compression.search.limits import Limits
from pages.components.asking import work
from pages.components.view import state
from pages.components.view.link import View, parameters_of
from tests.support.made_up_results import fabricate
from tests.support.page_tools import MODEL, components, foreseen_rows, moved, pressed, rerun, texts, url


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
        flips = 100 * result.changed_predictions / result.n_test
        assert measured["left"]["y"] == [Rise("flips").place(flips)]

    def test_axes_stay_when_the_setting_changes(self, explore):
        page = explore(axes="macs,memory,worst_class")
        moved(page, "slider", "pruning_percent", 50)
        assert page.session_state["view"].axes == Axes("macs", "memory", "worst_class")

    def test_the_even_axis_is_one_click_away_and_in_the_link(self, explore):
        page = explore()
        by_error = json.loads(components(page)["chart_left"]["figure"])["layout"]["yaxis"]
        assert "log of the error" in by_error["title"]["text"]
        page.segmented_control(key=f"{state.SETTING}scale").set_value(True)
        rerun(page)
        assert url(page)["scale"] == "even"
        for side in ("left", "right"):
            axis = json.loads(components(page)[f"chart_{side}"]["figure"])["layout"]["yaxis"]
            assert axis["title"]["text"].endswith("images, %") and axis["range"][1] == 0

    def test_a_link_with_the_even_axis_opens_it_and_others_do_not(self, explore):
        assert explore(scale="even").session_state["view"].axes == Axes(is_even=True)
        assert explore().session_state["view"].axes == Axes()


class TestLegend:
    def seen(self, page):
        """What the legend shows; what may come yet has its place, but is not seen."""
        (legend,) = [found.proto.body for found in page.get("html") if "Best trade-offs" in found.proto.body]
        entries = re.findall(
            r'<span style="display:inline-flex[^"]*"( aria-hidden)?[^>]*><span.*?</span>(.*?)</span>', legend
        )
        return {title for is_pale, title in entries if not is_pale}, len(entries)

    def test_lists_what_is_drawn_and_keeps_places_for_the_rest(self, explore):
        drawn, places = self.seen(explore())
        assert {"This setting", "Baseline", "Channel pruning", "Quantization"} <= drawn
        assert "Other settings" not in drawn
        assert places == len(drawn) + 1

    def test_before_anything_is_measured_it_has_the_same_places(self, explore, dispatcher):
        dispatcher.held = True
        drawn, places = self.seen(explore())
        assert drawn == {"This setting"}
        dispatcher.held = False
        assert self.seen(explore())[1] == places


def test_a_setting_can_be_timed_again(explore, dispatcher):
    page = explore(**parameters_of(View(MODEL, Settings(weight_bits=8))))
    assert "Timed once, while other programs kept 10 % of the processors busy" in texts(page.caption)
    pressed(page, "time_again")
    assert "Timed twice" in texts(rerun(page).caption)
    assert [one.done for one in dispatcher.inquired if one.kind == "retiming"] == [1]


class TestLimits:
    def limit(self, page, field, value):
        page.number_input(key=f"{state.SETTING}limit_{field}").set_value(value)
        return rerun(page)

    def test_what_is_not_allowed_is_struck_out_and_the_best_is_told_and_shown(self, explore):
        page = self.limit(explore(), "drop_points", 1.0)
        assert page.query_params["max_drop"] in ("1", ["1"])
        traces = json.loads(components(page)["chart_left"]["figure"])["data"]
        assert [trace["customdata"] for trace in traces if trace["name"] == "beyond your limits"] != [[]]
        assert "Points lost are judged on validation images" in texts(page.caption)
        assert "**Measured already:** " in texts(page.markdown)
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

    def test_finalists_are_timed_again_before_one_is_recommended(self, explore, dispatcher):
        page = self.limit(explore(), "drop_points", 1.0)
        best, *_ = limits.choose(dispatcher.store.results(MODEL), Limits(drop_points=1.0)).finalists
        for _ in range(work.TIMINGS):
            rerun(page)
        asked = [one for one in dispatcher.inquired if one.kind == "retiming" and one.recipe == best.parsed_recipe]
        assert [one.done for one in asked] == [1, 2]
        assert "timed again" not in texts(rerun(page).caption)

    def test_nothing_allowed_is_said(self, explore):
        page = self.limit(explore(), "stored_kb", 0.05)
        assert "**Hardly:** none of" in texts(page.markdown)

    def test_a_link_opens_its_limits_and_another_model_keeps_them(self, explore):
        page = explore(max_kb="100", max_drop="2")
        assert page.number_input(key=f"{state.SETTING}limit_stored_kb").value == 100
        moved(page, "selectbox", "model", "mlp-digits")
        assert page.session_state["view"].limits == Limits(stored_kb=100, drop_points=2)
        assert page.number_input(key=f"{state.SETTING}limit_stored_kb").value == 100

    def test_limits_and_the_best_are_said_above_the_charts_while_the_boxes_are_closed(self, explore):
        page = explore(groups_open=False, max_kb="300", max_drop="2")
        said = texts(page.markdown)
        assert "The smallest file · 300 KB · at most 2 points lost" in said
        assert re.search(r"Best measured within your limits: \*\*[^|]+\*\* \([^|]+ KB, [^|]+ ms, [^|]+ %\)", said)

    def test_what_no_setting_keeps_to_is_said_above_the_charts(self, explore):
        page = explore(groups_open=False, max_kb="0.5")
        said = texts(page.markdown)
        assert "The most accurate · 500 bytes" in said and "Nothing measured keeps to your limits yet" in said

    def test_before_there_is_a_baseline_there_is_nothing_to_choose_from(self, explore, dispatcher):
        dispatcher.held = True
        page = explore(max_kb="100")
        assert not [button for button in page.button if button.key == "show_best"]
