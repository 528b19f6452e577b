import contextlib
import io
import json
import sqlite3
from dataclasses import replace

import pandas as pd
import pytest

from compression.charts import learning_curve
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import PRUNING, Settings, neutral_settings, recipe_of
from compression.results.record import Learning
from compression.search.curves import sweep_recipes
from compression.store import artifacts
from compression.store.jobs import JobState
from compression.store.store import Store
from pages.components.asking import work
from pages.components.explore import charts, controls, foresight, hint, parts
from pages.components.frame import browser, menu
from pages.components.shown import table
from pages.components.view import model_card, state
from pages.components.view.link import View, parameters_of, view_of
from sample_models.catalogue import MODELS
from tests.support.fake_dispatcher import CLAIM
from tests.support.made_up_results import fabricate, files_of
from tests.support.page_tools import (
    MODEL,
    asked,
    checked,
    components,
    downloads,
    foreseen_rows,
    moved,
    pressed,
    progress,
    rerun,
    setting,
    shown_html,
    texts,
    url_recipe,
    words,
)

CHARTS = ("chart_left", "chart_right")


def measured_with_files(dispatcher, recipe):
    dispatcher.store.add_result(fabricate(recipe), files_of(recipe))


def mark_on(page, chart):
    (mark,) = [trace for trace in json.loads(components(page)[chart]["figure"])["data"] if trace.get("meta") == "mark"]
    return mark


def test_it_opens_on_the_default_model_with_its_baseline(explore):
    page = explore()
    assert "The original.** Accuracy 99.0 % on 1,000 images" in texts(page.info)
    assert all("Accuracy against" in components(page)[chart]["alt"] for chart in CHARTS)
    assert not page.error


@pytest.mark.parametrize("model", MODELS)
def test_every_model_opens(explore, model):
    page = explore(model=model)
    assert setting(page, "selectbox", "model").value == model


def test_a_training_can_be_ended_only_where_that_has_an_effect(explore, dispatcher):
    recipe = make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 20}])
    dispatcher.measure(recipe.baseline())
    dispatcher.held = True
    page = explore(**parameters_of(view_of(recipe)) | {"curves": "none"})
    (job,) = [job for job in dispatcher.store.jobs() if job.recipe == recipe]
    dispatcher.begin(job)
    for may_end in (False, True):
        learning = Learning(planned=100, points=((0, 0.9), (30, 0.95)), may_end=may_end)
        dispatcher.store.queue.set_learning(job.job_id, CLAIM, learning)
        rerun(page)
        assert learning_curve.in_words(learning) in texts(page.caption)
        assert ("keep_best" in [button.key for button in page.button]) == may_end


def test_what_is_no_longer_wanted_is_given_up(explore, dispatcher):
    dispatcher.held = True
    page = explore()
    moved(page, "slider", "pruning_percent", 50)
    moved(page, "slider", "pruning_percent", 60)
    states = {
        job.recipe.steps[0].pruning_ratio: job.state.value
        for job in dispatcher.store.jobs()
        if job.group.startswith("explore-") and job.recipe.steps
    }
    assert states == {0.5: "cancelled", 0.6: "waiting"}


def test_the_curves_of_the_chosen_model_and_budget_are_measured_in_the_background(explore, dispatcher):
    page = explore(model="mlp-digits")
    assert asked(dispatcher, "sweep-") == list(sweep_recipes(subject_of("mlp-digits"), "none"))
    moved(page, "segmented_control", "budget", "quick")
    assert asked(dispatcher, "sweep-")[-1] == sweep_recipes(subject_of("mlp-digits"), "quick")[-1]


def test_until_it_is_measured_it_is_an_estimate_and_then_not(explore, dispatcher):
    dispatcher.held = True
    page = explore()
    moved(page, "select_slider", "weight_bits", 4)
    assert "Estimated: about" in texts(page.info)
    assert [metric.value for metric in page.metric] == ["–"] * 4
    dispatcher.release()
    rerun(page)
    assert "Estimated" not in texts(page.info)
    assert all(metric.value.endswith("B") for metric in page.metric)


def test_accuracy_and_sizes_are_shown_before_the_latency_is_measured(explore, dispatcher):
    page = explore()
    dispatcher.held = True
    setting(page, "slider", "pruning_percent").set_value(45)
    moved(page, "select_slider", "weight_bits", 4)
    before = page.session_state["progress_seen"].signature
    dispatcher.half_measure()
    rerun(page)
    assert page.session_state["progress_seen"].signature != before
    assert "Its latency is being measured" in texts(page.info)
    assert all(metric.value.endswith("B") for metric in page.metric)
    dispatcher.held = False
    dispatcher.release()
    rerun(page)
    assert "being measured" not in texts(page.info)


def test_what_is_measured_while_the_page_is_drawn_is_not_missed(explore, dispatcher, monkeypatch):
    page = explore()
    dispatcher.held = True
    setting(page, "slider", "pruning_percent").set_value(45)
    setting(page, "select_slider", "weight_bits").set_value(4)
    drawn = []

    def measured_meanwhile(seen):
        if not drawn:
            dispatcher.held = False
            dispatcher.release()
        drawn.append(seen)

    monkeypatch.setattr("pages.components.explore.outcome.show_failures", measured_meanwhile)
    monkeypatch.setattr("pages.components.explore.outcome.show_details", measured_meanwhile)
    rerun(page)
    seen = page.session_state["progress_seen"]
    assert seen.result is not None or seen.revision != dispatcher.store.revision()


def test_the_four_sizes_have_names_factors_and_help(explore):
    page = explore(**parameters_of(View(MODEL, Settings(weight_bits=4))))
    assert [metric.label for metric in page.metric] == [
        "Theoretical size",
        "Stored file",
        "Runtime file",
        "Zipped runtime file",
    ]
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
    moved(page, "slider", "pruning_percent", 50)
    for key, value in old.items():
        page.query_params[key] = value
    rerun(page)
    assert setting(page, "slider", "pruning_percent").value == 50
    assert url_recipe(page)["steps"]


def test_a_link_from_another_page_is_followed(explore):
    page = explore(model=MODEL)
    checked(page.switch_page("app.py").run())
    page.switch_page("pages/explore.py")
    page.query_params["model"] = "mlp-digits"
    rerun(page)
    assert setting(page, "selectbox", "model").value == "mlp-digits"


def test_a_custom_recipe_is_measured_until_a_control_is_moved(explore, dispatcher):
    steps = [{"technique": "magnitude_pruning", "sparsity": 0.99}]
    page = explore(model=MODEL, recipe=json.dumps(steps))
    assert "no slider setting" in texts(page.caption)
    assert make_recipe(MODEL, steps) in asked(dispatcher)
    page.button_group(key=controls.WAY).set_value(controls.SLIDERS)
    page = rerun(page)
    moved(page, "slider", "student_percent", 50)
    assert "no slider setting" not in texts(page.caption)
    assert len(url_recipe(page)["steps"]) == 2


def test_a_bad_link_says_what_is_wrong_and_opens_the_default(explore):
    page = explore(recipe="{oops")
    assert "cannot be read as JSON" in texts(page.error)
    assert setting(page, "selectbox", "model").value == MODEL
    moved(page, "slider", "pruning_percent", 50)
    assert not page.error


def test_a_failed_setting_says_why(explore, dispatcher):
    dispatcher.failing = "quantization"
    page = explore()
    moved(page, "select_slider", "weight_bits", 4)
    assert "quantization went wrong: choose something milder" in texts(page.error)
    assert "7 points failed" in [expander.label for expander in page.expander]
    assert "channels" in str(page.dataframe[0].value["setting"].tolist())


def test_a_collapse_is_an_error_box(explore):
    page = explore(**parameters_of(View(MODEL, Settings(weight_bits=1))))
    assert "Accuracy collapsed: 99.0 → 14.0 %" in texts(page.error)


def test_the_dispatchers_trouble_is_shown(explore, dispatcher):
    dispatcher.problem = "No worker process could be started: free some memory."
    assert "No worker process could be started" in texts(explore().error)


def test_a_held_database_leaves_what_was_seen_in_sight(explore, dispatcher):
    dispatcher.store = Store(patience_s=0.05)
    page = explore()
    drawn = components(page)["chart_left"]["alt"]
    with contextlib.closing(sqlite3.connect(dispatcher.store.database.file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        page = rerun(page)
        assert components(page)["chart_left"]["alt"] == drawn
        assert "another program has held it" in texts(page.error)
        holder.execute("ROLLBACK")
    assert not rerun(page).error


def test_lost_files_are_made_again(explore, dispatcher):
    dispatcher.held = True
    recipe = recipe_of(subject_of(MODEL), Settings(weight_bits=6))
    measured_with_files(dispatcher, recipe)
    artifacts.path_of(fabricate(recipe).artifacts["onnx"]).unlink()
    page = explore(**parameters_of(View(MODEL, Settings(weight_bits=6))))
    assert "Runtime file (.onnx): no longer on this machine" in texts(page.caption)
    assert "Stored file" in downloads(page)
    page = pressed(page, "files_table")
    (job,) = [job for job in dispatcher.store.jobs() if job.group.startswith("files-")]
    assert (job.recipe, job.state, job.background) == (recipe, JobState.WAITING, False)
    assert any("Measuring “6-bit weights" in words for words in progress(page))


def test_the_sweep_can_be_cancelled_and_resumed(explore, dispatcher):
    dispatcher.held = True
    page = explore()
    total = len(sweep_recipes(subject_of(MODEL), "none"))
    assert any(f"0 of {total} settings" in words for words in progress(page))
    pressed(page, "progress_pause")
    assert not [job for job in dispatcher.store.jobs() if job.background and not job.state.is_final]
    assert any("stopped" in words for words in progress(page))
    dispatcher.held = False
    pressed(page, "progress_resume")
    assert f"Curves: {total} of {total} settings measured" in progress(page)


def test_a_cancel_lasts_in_this_browser_until_somebody_resumes(explore, dispatcher, cookies):
    dispatcher.held = True
    page = pressed(explore(), "progress_pause")
    kept = page.session_state[browser._WRITTEN]["work_paused"]
    assert f"compression_work_paused={kept};" in shown_html(page)
    before = len(asked(dispatcher, "sweep-"))
    cookies["work_paused"] = kept
    page = explore()  # a reload, or another tab
    assert len(asked(dispatcher, "sweep-")) == before
    assert any("stopped" in words for words in progress(page))
    cookies.clear()
    explore()  # somebody else's browser
    assert len(asked(dispatcher, "sweep-")) > before
    cookies["work_paused"] = kept
    page = pressed(explore(), "progress_resume")
    assert page.session_state[browser._WRITTEN]["work_paused"] == ""


def test_three_steps_are_told_until_they_are_closed(explore, cookies):
    page = explore()
    assert all(step in words(page) for step in hint.STEPS)
    pressed(page, "hint_close")
    assert not any(step in words(page) for step in hint.STEPS)
    cookies["hint"] = "closed"
    assert not any(step in words(explore()) for step in hint.STEPS)


def test_failed_points_can_be_tried_again(explore, dispatcher):
    dispatcher.failing = "quantization"
    page = explore()
    dispatcher.failing = ""
    assert any("failed" in expander.label for expander in page.expander)
    (again,) = [button for button in page.button if button.label == "Try them again"]
    again.click()
    rerun(page)
    assert not [job for job in dispatcher.store.jobs() if not job.state.is_final]
    assert not any("failed" in expander.label for expander in page.expander)


def test_the_current_measurement_can_be_cancelled_and_asked_again(explore, dispatcher):
    dispatcher.held = True
    page = explore()
    moved(page, "select_slider", "weight_bits", 4)
    pressed(page, "progress_give_up")
    assert "it was cancelled" in texts(page.warning)
    dispatcher.held = False
    pressed(page, "progress_retry")
    assert "Estimated" not in texts(page.info)
    assert dispatcher.store.result(recipe_of(subject_of(MODEL), Settings(weight_bits=4)))


def test_the_table_holds_every_point_and_the_csv_every_number(explore, dispatcher):
    page = explore()
    results = dispatcher.store.results(MODEL)
    assert len(page.dataframe[0].value) == len(results)
    csv = pd.read_csv(io.StringIO(table.csv_of(results)))
    assert len(csv) == len(results)
    for column in ("recipe_id", "accuracy", "stored_bytes", "latency_ratio_low", "baseline_stored_bytes", "cpu"):
        assert column in csv.columns
    assert json.loads(csv["recipe"][0])["model"] == MODEL


@pytest.mark.parametrize("chosen", ["mlp-digits", "resnet8-mnist5k"])
def test_a_model_chosen_again_before_the_page_is_drawn_is_the_one_that_counts(monkeypatch, chosen):
    key = state.SETTING + "model"
    session = {key: "mlp-digits", "page_shown": menu.HOME}
    monkeypatch.setattr("streamlit.session_state", session)
    monkeypatch.setattr("streamlit.query_params", {})
    model_card._chosen()
    session[key] = chosen  # what the browser says when two choices follow each other closely
    model_card._chosen()
    assert session["view"].model == chosen
    state.place(key, session["view"].model)
    assert session[key] == chosen


def test_a_click_on_a_point_moves_the_sliders(monkeypatch):
    clicked = recipe_of(subject_of(MODEL), Settings(weight_bits=2))
    shown = work.Snapshot(0, View(), {clicked.recipe_id: fabricate(clicked)}, (), (), None, False)
    session = {state.SETTING + "weight_bits": 8}
    monkeypatch.setattr("streamlit.session_state", session)
    charts._clicked(clicked.recipe_id, shown)
    wanted = View(MODEL, replace(neutral_settings(subject_of(MODEL)), weight_bits=2))
    assert session["view"] == wanted
    state.place(state.SETTING + "weight_bits", 2)
    assert session[state.SETTING + "weight_bits"] == 2
    charts._clicked("no such point", shown)
    assert session["view"] == wanted


@pytest.mark.parametrize(("position", "measured"), [(45, False), (50, True)])
def test_a_browser_knows_before_a_move_what_the_charts_will_show(explore, dispatcher, position, measured):
    page = explore()
    dispatcher.held = True
    row = foreseen_rows(page)["setting_pruning_percent"]
    foreseen = row["marks"][position // PRUNING.step]
    setting(page, "slider", "pruning_percent").set_value(position)
    checked(page.run())
    for chart in CHARTS:
        assert foreseen[chart.removeprefix("chart_")] == mark_on(page, chart)
        assert foreseen["setting"] == components(page)[chart]["marked"]
        assert mark_on(page, chart)["text"] == ["measured" if measured else "estimated"]
    assert foreseen_rows(page)["setting_pruning_percent"]["at"] == position // PRUNING.step


def test_a_browser_asks_again_while_settings_are_measured_ahead(explore, dispatcher):
    page = explore(**parameters_of(View(MODEL, Settings(pruning_percent=45, student="slimmable"))))
    assert components(page)["foresight"]["again_ms"] is None
    dispatcher.held = True
    setting(page, "slider", "pruning_percent").set_value(50)
    checked(page.run())
    assert components(page)["foresight"]["again_ms"] == foresight.LOOK_MS


def test_what_no_slider_leads_to_has_no_neighbours(explore):
    custom = make_recipe(MODEL, [{"technique": "magnitude_pruning", "sparsity": 0.123}])
    page = explore(**parameters_of(View(MODEL, custom=custom)))
    assert foreseen_rows(page) == {}


def test_a_move_does_not_draw_what_it_cannot_change(explore, dispatcher):
    page = explore(groups_open=False)
    dispatcher.held = True
    whole = {"page_link", "popover"}
    assert all(page.get(kind) for kind in whole)
    setting(page, "slider", "pruning_percent").set_value(45)
    checked(page.run())
    assert not any(page.get(kind) for kind in whole)
    assert not [control for control in page.selectbox if control.key == state.SETTING + "model"]
    assert components(page).keys() == {*CHARTS, "foresight"}
    parts_alone = (texts(page.info), texts(page.caption), [metric.value for metric in page.metric], progress(page))
    assert "Estimated: about" in parts_alone[0]
    assert "45 % of channels" in parts_alone[1]
    checked(page.run())
    assert texts(page.info) == parts_alone[0]
    assert set(parts_alone[1].split(" | ")) <= set(texts(page.caption).split(" | "))
    assert [metric.value for metric in page.metric] == parts_alone[2]
    assert set(parts_alone[3]) <= set(progress(page))


def test_a_move_draws_the_charts_before_it_asks_for_the_measurement(explore, monkeypatch):
    page = explore()
    calls = []
    show_pair, want = charts.show_pair, work.want
    monkeypatch.setattr(
        "pages.components.explore.charts.show_pair", lambda seen: (calls.append("charts"), show_pair(seen))
    )
    monkeypatch.setattr(
        "pages.components.asking.work.want", lambda view, **more: (calls.append("want"), want(view, **more))
    )
    setting(page, "slider", "pruning_percent").set_value(45)
    checked(page.run())
    assert calls[:2] == ["charts", "want"]
    assert calls[2:] == ["charts", "want"], "it was measured at once, so the charts are drawn with it"


def test_a_point_that_lands_while_the_charts_are_drawn_is_on_them(explore, dispatcher, monkeypatch):
    page = explore()
    dispatcher.held = True
    drawn, show_pair = [], charts.show_pair

    def meanwhile(seen):
        show_pair(seen)
        drawn.append(seen.result)
        dispatcher.held = False
        dispatcher.release()

    setting(page, "slider", "pruning_percent").set_value(45)
    setting(page, "select_slider", "weight_bits").set_value(4)
    monkeypatch.setattr("pages.components.explore.charts.show_pair", meanwhile)
    checked(page.run())
    assert drawn[0] is None
    assert drawn[-1] is not None


def test_the_table_is_made_anew_only_for_other_results():
    results = [fabricate(recipe_of(subject_of(MODEL), Settings(weight_bits=bits))) for bits in (4, 5, 6)]
    frame = table.rows_of(results)
    assert table.rows_of(list(results)) is frame
    assert len(table.rows_of(results[:2])) == 2
    other = [*results[:2], fabricate(recipe_of(subject_of(MODEL), Settings(weight_bits=6)), stored_bytes=7)]
    assert table.rows_of(other)["stored"].tolist()[-1] == 0.007


def test_a_click_on_explore_does_not_lead_back_from_another_page(explore):
    page = explore()
    seen = page.session_state["parts_seen"]
    session = {"page_shown": menu.EXPLORE}
    clicked = recipe_of(subject_of(MODEL), Settings(weight_bits=4)).recipe_id
    assert clicked in seen.results
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.session_state", session)
        patch.setattr("streamlit.rerun", lambda parts: session.update(redrawn=parts))
        charts._clicked(clicked, seen)
    assert session["redrawn"] == list(parts.PARTS)
    assert not session["chart_clicked"]
    assert session["view"].settings.weight_bits == 4


def test_a_student_says_how_long_it_trains(explore):
    page = explore(**parameters_of(View(MODEL, Settings(student_percent=50))))
    assert "A smaller student must be trained: about" in texts(page.caption)


def test_changing_the_model_keeps_the_sliders(explore):
    page = explore(**parameters_of(View(MODEL, Settings(pruning_percent=50))))
    moved(page, "selectbox", "model", "mlp-digits")
    assert setting(page, "slider", "pruning_percent").value == 50
    assert page.session_state["view"] == View("mlp-digits", Settings(pruning_percent=50))


def test_a_missing_card_is_said(explore, monkeypatch, tmp_path):
    monkeypatch.setattr("sample_models.catalogue.WEIGHTS", tmp_path)
    assert "python -m compression.engine.samples.train lenet5-mnist5k" in texts(explore().error)


def test_how_far_estimates_were_off_is_said_before_and_after_the_measurement(explore, dispatcher):
    page = explore()
    dispatcher.held = True
    moved(page, "slider", "pruning_percent", 45)
    assert "Estimates of this model were off by" in texts(page.caption)
    dispatcher.release()
    page = rerun(page)
    assert "Without this measurement the estimate is" in texts(page.caption)
