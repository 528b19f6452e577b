import json

import pandas as pd
import pytest
from fake_engine import fabricate
from page_tools import checked, progress

from compression.links import View, parameters_of
from compression.recipe import make_recipe
from compression.sweeps import Settings, recipe_of, sweep_recipes
from pages.components import charts, state, table, work
from sample_models.catalogue import MODELS

MODEL = "lenet5-mnist5k"


def texts(elements):
    return " | ".join(str(element.value) for element in elements)


def setting(page, kind, field):
    return getattr(page, kind)(key=state.SETTING + field)


def url_recipe(page):
    (text,) = (
        page.query_params["recipe"] if isinstance(page.query_params["recipe"], list) else [page.query_params["recipe"]]
    )
    return json.loads(text)


def asked(engine, prefix="explore-"):
    return [recipe for group, recipe in engine.submitted if group.startswith(prefix)]


def test_it_opens_on_the_default_model_with_its_baseline(explore):
    page = explore()
    assert "The model as it is: accuracy 99.0 % on 1,000 images" in texts(page.info)
    assert not page.error


@pytest.mark.parametrize("model", MODELS)
def test_every_model_opens(explore, model):
    page = explore(model=model)
    assert setting(page, "selectbox", "model").value == model


@pytest.mark.parametrize(
    ("kind", "field", "value", "step"),
    [
        ("slider", "pruning_percent", 50, {"technique": "channel_pruning", "pruning_ratio": 0.5}),
        ("select_slider", "weight_bits", 4, {"technique": "quantization", "weight_bits": 4, "activation_bits": 8}),
        ("slider", "student_percent", 50, {"technique": "distillation", "width_mult": 0.5, "epochs": 8.0}),
    ],
)
def test_moving_a_slider_measures_at_once_and_is_in_the_url(explore, engine, kind, field, value, step):
    page = explore()
    setting(page, kind, field).set_value(value)
    checked(page.run())
    assert url_recipe(page) == {"seed": 0, "steps": [step]}
    assert make_recipe(MODEL, [step]) in asked(engine)
    assert "accuracy" in texts([*page.success, *page.warning, *page.error])


def test_what_is_no_longer_wanted_is_given_up(explore, engine):
    engine.held = True
    page = explore()
    setting(page, "slider", "pruning_percent").set_value(50)
    checked(page.run())
    setting(page, "slider", "pruning_percent").set_value(60)
    checked(page.run())
    states = {
        job.recipe.steps[0].pruning_ratio: job.state.value
        for job in engine.store.jobs()
        if job.group.startswith("explore-") and job.recipe.steps
    }
    assert states == {0.5: "cancelled", 0.6: "waiting"}


def test_the_curves_of_the_chosen_model_and_budget_are_measured_in_the_background(explore, engine):
    page = explore(model="mlp-digits")
    assert asked(engine, "sweep-") == list(sweep_recipes("mlp-digits", "none"))
    setting(page, "segmented_control", "budget").set_value("quick")
    checked(page.run())
    assert asked(engine, "sweep-")[-1] == sweep_recipes("mlp-digits", "quick")[-1]


def test_until_it_is_measured_it_is_an_estimate_and_then_not(explore, engine):
    engine.held = True
    page = explore()
    setting(page, "select_slider", "weight_bits").set_value(4)
    checked(page.run())
    assert "Estimated: about" in texts(page.info)
    assert [metric.value for metric in page.metric] == ["–"] * 4
    engine.release()
    checked(page.run())
    assert "Estimated" not in texts(page.info)
    assert all(metric.value.endswith("B") for metric in page.metric)


def test_the_four_sizes_have_names_factors_and_help(explore):
    page = explore(**parameters_of(View(MODEL, Settings(weight_bits=4))))
    assert [metric.label for metric in page.metric] == ["Theoretical", "Stored file", "Runtime .onnx", "Zipped .onnx"]
    assert all("smaller" in metric.delta for metric in page.metric)
    assert all(metric.help for metric in page.metric)


def test_a_link_opens_exactly_its_view(explore):
    view = View("resnet8-mnist5k", Settings(30, 4, 60, "quick", remove="weights", granularity="tensor", seed=3))
    page = explore(**parameters_of(view))
    assert setting(page, "selectbox", "model").value == view.model
    assert setting(page, "slider", "pruning_percent").value == 30
    assert setting(page, "select_slider", "weight_bits").value == 4
    assert setting(page, "slider", "student_percent").value == 60
    assert setting(page, "number_input", "seed").value == 3
    assert page.session_state["view"] == view
    assert url_recipe(page) == json.loads(parameters_of(view)["recipe"])


def test_a_browsers_outdated_address_does_not_move_the_sliders_back(explore):
    page = explore(model=MODEL)
    old = dict(page.query_params)
    setting(page, "slider", "pruning_percent").set_value(50)
    checked(page.run())
    for key, value in old.items():
        page.query_params[key] = value
    checked(page.run())
    assert setting(page, "slider", "pruning_percent").value == 50
    assert url_recipe(page)["steps"]


def test_a_link_from_another_page_is_followed(explore):
    page = explore(model=MODEL)
    checked(page.switch_page("app.py").run())
    page.switch_page("pages/explore.py")
    page.query_params["model"] = "mlp-digits"
    checked(page.run())
    assert setting(page, "selectbox", "model").value == "mlp-digits"


def test_a_custom_recipe_is_measured_until_a_control_is_moved(explore, engine):
    steps = [{"technique": "magnitude_pruning", "sparsity": 0.99}]
    page = explore(model=MODEL, recipe=json.dumps(steps))
    assert "custom recipe" in texts(page.caption)
    assert make_recipe(MODEL, steps) in asked(engine)
    setting(page, "slider", "student_percent").set_value(50)
    checked(page.run())
    assert "custom recipe" not in texts(page.caption)
    assert len(url_recipe(page)["steps"]) == 2


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"model": "resnet9000"}, "There is no model 'resnet9000'. Choose one of"),
        ({"recipe": "{oops"}, "cannot be read as JSON"),
        ({"recipe": '[{"technique":"channel_pruning","pruning_ratio":7}]'}, "less than or equal to 0.95, but got 7"),
        ({"budget": "lots"}, "none, quick or thorough, but is 'lots'"),
    ],
)
def test_a_bad_link_says_what_is_wrong_and_opens_the_default(explore, parameters, words):
    page = explore(**parameters)
    assert words in texts(page.error)
    assert setting(page, "selectbox", "model").value == MODEL
    setting(page, "slider", "pruning_percent").set_value(50)
    checked(page.run())
    assert words not in texts(page.error)


def test_a_failed_setting_says_why(explore, engine):
    engine.failing = "quantization"
    page = explore()
    setting(page, "select_slider", "weight_bits").set_value(4)
    checked(page.run())
    assert "quantization went wrong: choose something milder" in texts(page.error)
    assert "7 points failed" in [expander.label for expander in page.expander]
    assert "channels" in str(page.dataframe[0].value["setting"].tolist())


def test_a_collapse_is_an_error_box(explore):
    page = explore(**parameters_of(View(MODEL, Settings(weight_bits=1))))
    assert "Accuracy collapsed: 99.0 → 14.0 %" in texts(page.error)


def test_the_engines_trouble_is_shown(explore, engine):
    engine.problem = "No worker process could be started: free some memory."
    assert "No worker process could be started" in texts(explore().error)


def test_the_sweep_can_be_cancelled_and_resumed(explore, engine):
    engine.held = True
    page = explore()
    total = len(sweep_recipes(MODEL, "none"))
    assert any(f"0 of {total} points" in words for words in progress(page))
    page.button(key="progress_pause").click()
    checked(page.run())
    assert not [job for job in engine.store.jobs() if job.background and not job.state.is_final]
    assert any("stopped" in words for words in progress(page))
    engine.held = False
    page.button(key="progress_resume").click()
    checked(page.run())
    assert f"Curves: {total} of {total} points measured" in progress(page)


def test_the_current_measurement_can_be_cancelled_and_asked_again(explore, engine):
    engine.held = True
    page = explore()
    setting(page, "select_slider", "weight_bits").set_value(4)
    checked(page.run())
    page.button(key="progress_give_up").click()
    checked(page.run())
    assert "you cancelled it" in texts(page.warning)
    engine.held = False
    page.button(key="progress_retry").click()
    checked(page.run())
    assert "Estimated" not in texts(page.info)
    assert recipe_of(MODEL, Settings(weight_bits=4)).recipe_id in engine.store.by_id


def test_the_table_holds_every_point_and_the_csv_every_number(explore, engine):
    page = explore()
    results = engine.store.results(MODEL)
    assert len(page.dataframe[0].value) == len(results)
    csv = pd.read_csv(__import__("io").StringIO(table.csv_of(results)))
    assert len(csv) == len(results)
    for column in ("recipe_id", "accuracy", "stored_bytes", "latency_ratio_low", "baseline_stored_bytes", "cpu"):
        assert column in csv.columns
    assert json.loads(csv["recipe"][0])["model"] == MODEL


def test_a_click_on_a_point_moves_the_sliders(monkeypatch):
    clicked = recipe_of(MODEL, Settings(weight_bits=2))
    shown = work.Snapshot(View(), {clicked.recipe_id: fabricate(clicked)}, (), (), None, False)
    session = {state.SETTING + "weight_bits": 8}
    monkeypatch.setattr("streamlit.session_state", session)
    charts._clicked(clicked.recipe_id, shown)
    assert session["view"] == View(MODEL, Settings(weight_bits=2))
    assert state.SETTING + "weight_bits" not in session
    charts._clicked("no such point", shown)
    assert session["view"] == View(MODEL, Settings(weight_bits=2))


def test_both_charts_are_drawn_with_a_description(explore):
    charts_drawn = [chart.proto for chart in explore().get("bidi_component")]
    assert len(charts_drawn) == 2


def test_every_control_has_help(explore):
    page = explore()
    controls = [*page.slider, *page.select_slider, *page.selectbox, *page.toggle, *page.number_input]
    assert len(controls) >= 14
    for control in controls:
        assert control.help, control.label


def test_a_student_says_how_long_it_trains(explore):
    page = explore(**parameters_of(View(MODEL, Settings(student_percent=50))))
    assert "A smaller student must be trained: about" in texts(page.caption)


def test_changing_the_model_keeps_the_sliders(explore):
    page = explore(**parameters_of(View(MODEL, Settings(pruning_percent=50))))
    setting(page, "selectbox", "model").set_value("mlp-digits")
    checked(page.run())
    assert setting(page, "slider", "pruning_percent").value == 50
    assert page.session_state["view"] == View("mlp-digits", Settings(pruning_percent=50))


def test_a_missing_card_is_said(explore, monkeypatch, tmp_path):
    monkeypatch.setattr("sample_models.catalogue.WEIGHTS", tmp_path)
    assert "python -m sample_models.train lenet5-mnist5k" in texts(explore().error)
