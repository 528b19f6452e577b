from compression.models.subject import subject_of
from compression.recipe.settings import Settings, recipe_of
from pages.components.explore import insight
from pages.components.view.link import View, parameters_of
from tests.support.made_up_results import fabricate, keep, without_what_came_later
from tests.support.page_tools import MODEL, components, looked_into, rerun, shown_html, texts

ENERGY, CARBON = "Energy of one image, modelled", "Carbon a million images, modelled"


def test_where_the_bytes_go_sums_to_the_file(explore):
    view = View(MODEL, Settings(pruning_percent=50, remove="weights", weight_bits=4))
    page = looked_into(explore(**parameters_of(view)), "Where bytes go")
    result = fabricate(view.recipe)
    for total in (result.stored_bytes, result.onnx_bytes):
        assert f"{total:,} bytes" in shown_html(page)
    assert "zeros that are written out" in shown_html(page)
    assert "The file you would ship" in shown_html(page)
    assert components(page).keys() >= {"chart_bytes", "chart_waterfall"}


def test_what_it_costs_to_run_is_a_model_with_visible_assumptions(explore):
    page = looked_into(explore(**parameters_of(View(MODEL, Settings(weight_bits=8)))), "Running costs")
    costs = {metric.label: metric for metric in page.metric}
    assert {"MACs of one image", "Peak memory, computed", ENERGY, CARBON} <= set(costs)
    assert "87.2 % of them run on integers" in costs["MACs of one image"].help
    assert "grows by 4.00 MB" in costs["Peak memory, computed"].help
    assert "model, not a measurement" in texts(page.caption)
    page.segmented_control(key="costs_memory").set_value("dram")
    page.number_input(key="costs_intensity").set_value(0.0)
    rerun(page)
    now = {metric.label: metric.value for metric in page.metric}
    assert now[ENERGY] != costs[ENERGY].value
    assert now[CARBON] == "0 ng"


def test_less_energy_in_more_time_is_not_left_as_it_is(explore, dispatcher):
    view = View(MODEL, Settings(weight_bits=8))
    slower = {"latency_ratio": 2.2, "latency_ratio_low": 2.1, "latency_ratio_high": 2.3}
    keep(dispatcher.store, view.recipe, **slower)
    said = texts(looked_into(explore(**parameters_of(view)), "Running costs").caption)
    for title in (ENERGY, CARBON):
        assert f"**{title}**: measured, it went the other way: latency of one image 2.2× slower." in said


def test_skipping_zeros_says_from_where_on_it_pays(explore, dispatcher):
    page = looked_into(explore(), "Skipping zeros")
    assert "faster from **87 %** zeros on" in texts(page.markdown)
    assert page.selectbox(key="zeros_layer").options == ["linear1 (500 × 800)"]


def test_nothing_measured_is_said_in_every_part(explore, dispatcher):
    dispatcher.held = True
    page, said = explore(), ("Nothing is measured yet", "Not measured yet", "Nothing measured", "has no steps")
    for part in insight.PARTS:
        shown = texts(looked_into(page, part).caption)
        assert any(words in shown for words in said), part


def test_a_row_from_before_there_was_a_ledger_is_said(explore, dispatcher):
    dispatcher.held = True
    dispatcher.measure(recipe_of(subject_of(MODEL), Settings()), ledger={}, runtime_ledger={})
    assert "before bytes were counted" in texts(looked_into(explore(), "Where bytes go").caption)


def test_a_result_that_lacks_what_came_later_is_shown_as_far_as_it_goes(explore, monkeypatch):
    monkeypatch.setattr(
        "tests.support.fake_dispatcher.fabricate", lambda recipe: without_what_came_later(fabricate(recipe))
    )
    view = View(MODEL, Settings(pruning_percent=50, remove="weights"))
    page = explore(axes="memory,energy,worst_class", **parameters_of(view))
    for part in insight.PARTS:
        assert not looked_into(page, part).error, part
