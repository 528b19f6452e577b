"""The Inspect page with a fake dispatcher: every tab, empty, broken, waiting, and by links good and bad."""

import json

import pytest

from compression.explain.layers import lines_of
from compression.inquiries.anatomy import AnatomyInquiry
from compression.inquiries.layer_tables import TableInquiry
from compression.inquiries.weights import WeightInquiry
from compression.recipe.recipe import make_recipe
from tests.support.made_up_answers import BASELINE, anatomy, answer_to, row, tables
from tests.support.page_tools import components, downloads, opened, progress, rerun, words

MODEL = "lenet5-mnist5k"
STEPS = [{"technique": "magnitude_pruning", "sparsity": 0.9}, {"technique": "quantization", "weight_bits": 4}]
RECIPE = make_recipe(MODEL, STEPS)
"""No point of any curve."""
TABS = ["Layers", "Why not better?", "Sensitivity", "Weights", "Activations", "Model graph", "Where bytes go"]


@pytest.fixture
def inspect(dispatcher):
    """Opens the page as a link with these query parameters does; the link's setting is measured."""
    dispatcher.submit([RECIPE, RECIPE.baseline()], group="before")

    def open_page(setting=RECIPE, **parameters):
        link = {} if setting is None else {"model": setting.model, "recipe": setting.to_json()}
        return rerun(opened("inspect", **link | parameters))

    return open_page


class TestDirectly:
    def test_a_link_opens_its_setting(self, inspect, dispatcher):
        page = inspect()
        assert "smaller" in words(page)
        assert page.selectbox(key="setting_result").value == RECIPE.recipe_id
        assert dispatcher.inquired == [AnatomyInquiry(recipe=RECIPE)]  # and nothing for tabs that are not open

    def test_the_address_says_where_one_is(self, inspect):
        page = inspect(tab="Weights", layer="conv1")
        assert page.query_params["tab"] == "Weights"
        assert page.query_params["layer"] == "conv1"
        assert json.loads(page.query_params["recipe"])["steps"][0]["sparsity"] == 0.9

    def test_without_a_link_it_is_the_current_setting(self, inspect):
        page = inspect(setting=None)
        assert page.query_params["model"] == MODEL

    def test_a_bad_link_is_explained(self, inspect):
        page = inspect(setting=None, model=MODEL, recipe="{oops")
        assert "cannot be opened" in page.error[0].value

    def test_a_layer_or_tab_that_is_not_there_is_the_usual_one(self, inspect):
        page = inspect(tab="Nonsense", layer="conv99")
        assert "Stored file, to the byte" in words(page)


class TestLayers:
    def test_every_layer_is_a_row_and_with_the_rest_they_are_the_file(self, inspect):
        page = inspect()
        frame = page.dataframe[0].value
        assert list(frame["layer"]) == ["conv1", "hidden"]
        assert list(frame["stored_kb"]) == [3.5, 130.0]
        assert "sensitivity" not in frame.columns
        assert "layers 133,500" in words(page)
        assert "**133,612 bytes**" in words(page)
        assert "All layers (.csv)" in downloads(page)

    def test_sensitivity_is_shown_where_it_is_known(self, inspect, dispatcher):
        inquiry = TableInquiry(recipe=RECIPE.baseline())
        baseline = dispatcher.store.result(RECIPE.baseline())
        dispatcher.store.add_answer(inquiry, baseline, tables().model_dump_json().encode())
        frame = inspect().dataframe[0].value
        assert list(frame["sensitivity"]) == pytest.approx([0.8, 0.0])

    def test_the_filter_leaves_what_fits(self, inspect):
        page = inspect()
        page.text_input(key="layers_filter").set_value("LINEAR")
        rerun(page)
        assert list(page.dataframe[0].value["layer"]) == ["hidden"]
        page.text_input(key="layers_filter").set_value("recurrent")
        rerun(page)
        assert not page.dataframe
        assert "No layer fits" in words(page)

    def test_an_unmatched_network_is_said(self, inspect, dispatcher):
        dispatcher.answers = lambda inquiry: anatomy((row("layer 1", original=""),), named=False)
        assert "could not be matched" in words(inspect())

    def test_a_student_of_another_family_is_said(self, inspect, dispatcher):
        dispatcher.answers = lambda inquiry: anatomy((row("features.0", original=""),), other_family=True)
        page = inspect()
        assert "no counterpart" in words(page)
        assert "before_ms" not in page.dataframe[0].value.columns

    def test_layers_that_are_gone_are_named(self, inspect, dispatcher):
        dispatcher.answers = lambda inquiry: anatomy(BASELINE[:1])
        assert "gone: hidden" in words(inspect())

    def test_other_measures_can_be_seen(self, inspect):
        page = inspect()
        page.session_state["layers_measure"] = "macs"
        assert "million MACs" in components(rerun(page))["chart_layers"]["figure"]


class TestCauses:
    def test_fired_rules_have_a_remedy_that_opens_explore_and_the_others_are_listed(self, inspect, dispatcher):
        plain = make_recipe(MODEL, [*STEPS, {"technique": "entropy_coding", "coding": "packed"}])
        dispatcher.submit([plain], group="before")
        page = inspect(plain, tab="Why not better?")
        assert "One layer holds most of the bytes" in words(page)
        links = [link.proto for link in page.get("page_link") if link.proto.label.startswith("Try it on Explore")]
        assert links
        assert "recipe=" in links[0].query_string
        assert "There are more nodes to run?** No." in words(page)
        assert [part.label.startswith("Checked, not the cause") for part in page.expander] == [True, True]


class TestSensitivity:
    def test_it_is_asked_of_the_baseline_and_its_floor_can_be_moved(self, inspect, dispatcher):
        page = inspect(tab="Sensitivity")
        asked = [inquiry for inquiry in dispatcher.inquired if isinstance(inquiry, TableInquiry)]
        assert [inquiry.recipe for inquiry in asked] == [RECIPE.baseline()]
        assert "**conv1** (down to 4 bits)" in words(page)
        assert "500 validation images" in words(page)
        page.session_state["sensitivity_way"] = "magnitude_pruning"
        page.session_state["sensitivity_shown"] = "loss"
        assert "not even 50 % zeros" in words(rerun(page)) and "Kullback-Leibler" in words(page)
        page.session_state["sensitivity_way"] = "quantization"
        page.number_input(key="sensitivity_drop").set_value(20.0)
        assert "**conv1** (down to 3 bits)" in words(rerun(page))

    @pytest.mark.parametrize(
        ("way", "far", "saved"),
        [
            ("quantization", ["4 bits", "3 bits"], [2.66, 108.15]),
            ("magnitude_pruning", ["not even the mildest", "95 % zeros"], [0, 108.15]),
            ("weight_sharing", ["16 values", "4 values"], [2.30, 108.15]),
            ("low_rank", ["50 % of the rank"], [66.3]),
            ("channel_pruning", ["25 % fewer channels"], [40.05]),
        ],
    )
    def test_each_technique_says_how_far_layers_can_go_and_what_that_saves(self, inspect, way, far, saved):
        page = inspect(tab="Sensitivity")
        page.session_state["sensitivity_way"] = way
        (table,) = [frame.value for frame in rerun(page).dataframe if "reach" in frame.value.columns]
        assert list(table["reach"]) == far
        assert list(table["saved"]) == pytest.approx(saved, abs=0.01)


class TestWeights:
    def test_the_largest_layer_comes_first_and_another_can_be_chosen(self, inspect, dispatcher):
        page = inspect(tab="Weights")
        select = page.selectbox(key="inspect_layer_select")
        assert select.value == "hidden"
        text = words(page)
        assert "Thin lines: the 3 levels" in text
        assert "500 of 1,000 weights are zero" in text
        assert "Orange: negative" in text
        select.set_value("conv1")
        rerun(page)
        assert page.query_params["layer"] == "conv1"
        assert len([inquiry for inquiry in dispatcher.inquired if isinstance(inquiry, WeightInquiry)]) == 1

    def test_a_layer_that_is_not_in_the_answer_is_said(self, inspect, dispatcher):
        dispatcher.answers = lambda inquiry: (
            anatomy((row("other"),)) if isinstance(inquiry, AnatomyInquiry) else answer_to(inquiry)
        )
        assert "not in the file any more" in words(inspect(tab="Weights"))


@pytest.mark.parametrize(
    ("tab", "text"),
    [
        ("Activations", "1 of 2 layers' outputs are rounded to 8 bits"),
        ("Where bytes go", "From theory to a zip file"),
    ],
)
def test_other_tabs(inspect, tab, text):
    assert text in words(inspect(tab=tab))


def test_the_graph_has_all_layers(inspect):
    page = inspect(tab="Model graph")
    assert "Read from the runtime file" in words(page)
    (chart,) = page.get("graphviz_chart")
    for line in lines_of(anatomy()):
        assert line.row.name in chart.proto.spec


class TestNotYet:
    def test_a_setting_that_is_not_measured_is_said_and_measured(self, inspect, dispatcher):
        dispatcher.held = True
        page = inspect(setting=make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 3}]))
        assert "not measured yet" in words(page)
        assert "waiting for a worker" in " ".join(progress(page))
        assert not page.tabs

    def test_while_it_is_taken_apart_the_verdict_is_there(self, inspect, dispatcher):
        dispatcher.held = True
        page = inspect()
        assert "smaller" in words(page)
        assert not page.tabs
        dispatcher.release()
        assert "Stored file, to the byte" in words(rerun(page))

    def test_a_inquiry_that_failed_says_why_and_can_be_tried_again(self, inspect, dispatcher):
        dispatcher.failing = "anatomy"
        page = inspect()
        assert "anatomy went wrong" in words(page)
        dispatcher.failing = ""
        page.button(key="retry_anatomy").click()
        assert "Stored file, to the byte" in words(rerun(page))

    def test_a_tab_that_failed_leaves_the_others(self, inspect, dispatcher):
        dispatcher.failing = "weights"
        page = inspect(tab="Weights")
        assert "weights went wrong" in words(page)
        assert [tab.label for tab in page.tabs] == TABS


def test_rows_from_before_there_was_a_ledger_still_open(inspect, dispatcher):
    dispatcher.forget(RECIPE)
    dispatcher.measure(RECIPE, ledger={}, runtime_ledger={})
    assert "before bytes were counted" in words(inspect(tab="Where bytes go"))
    inspect(tab="Why not better?")


def test_the_verdict_of_the_model_itself(inspect):
    assert "Nothing is compressed yet" in words(inspect(setting=RECIPE.baseline()))
