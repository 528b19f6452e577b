import json
from dataclasses import fields, replace

import pandas as pd
import pytest
from fake_engine import fabricate
from page_tools import checked, progress, rerun

from compression import pipeline
from compression.axes import Axes
from compression.limits import NO_LIMITS, Limits
from compression.links import View, parameters_of
from compression.recipe import make_recipe
from compression.settings import PRUNING_STEP, Settings, neutral_settings, recipe_of
from compression.sweeps import sweep_recipes
from pages.components import advanced, charts, controls, foresight, insight, menu, model_card, parts, state, table, work
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
        ("slider", "student_percent", 50, {"technique": "slimmable_student", "width_mult": 0.5}),
    ],
)
def test_moving_a_slider_measures_at_once_and_is_in_the_url(explore, engine, kind, field, value, step):
    page = explore()
    setting(page, kind, field).set_value(value)
    rerun(page)
    assert url_recipe(page) == {"seed": 0, "steps": [step]}
    assert make_recipe(MODEL, [step]) in asked(engine)
    assert "accuracy" in texts([*page.success, *page.warning, *page.error])


def test_what_is_no_longer_wanted_is_given_up(explore, engine):
    engine.held = True
    page = explore()
    setting(page, "slider", "pruning_percent").set_value(50)
    rerun(page)
    setting(page, "slider", "pruning_percent").set_value(60)
    rerun(page)
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
    rerun(page)
    assert asked(engine, "sweep-")[-1] == sweep_recipes("mlp-digits", "quick")[-1]


def test_until_it_is_measured_it_is_an_estimate_and_then_not(explore, engine):
    engine.held = True
    page = explore()
    setting(page, "select_slider", "weight_bits").set_value(4)
    rerun(page)
    assert "Estimated: about" in texts(page.info)
    assert [metric.value for metric in page.metric] == ["–"] * 4
    engine.release()
    rerun(page)
    assert "Estimated" not in texts(page.info)
    assert all(metric.value.endswith("B") for metric in page.metric)


def test_accuracy_and_sizes_are_shown_before_the_latency_is_measured(explore, engine):
    page = explore()
    engine.held = True
    setting(page, "slider", "pruning_percent").set_value(45)
    setting(page, "select_slider", "weight_bits").set_value(4)
    rerun(page)
    before = page.session_state["progress_seen"].signature
    engine.half_measure()
    rerun(page)
    assert page.session_state["progress_seen"].signature != before
    assert "Its latency is being measured" in texts(page.info)
    assert all(metric.value.endswith("B") for metric in page.metric)
    engine.held = False
    engine.release()
    rerun(page)
    assert "being measured" not in texts(page.info)


def test_what_is_measured_while_the_page_is_drawn_is_not_missed(explore, engine, monkeypatch):
    page = explore()
    engine.held = True
    setting(page, "slider", "pruning_percent").set_value(45)
    setting(page, "select_slider", "weight_bits").set_value(4)
    drawn = []

    def measured_meanwhile(seen):
        if not drawn:
            engine.held = False
            engine.release()
        drawn.append(seen)

    monkeypatch.setattr("pages.components.outcome.show_failures", measured_meanwhile)
    monkeypatch.setattr("pages.components.outcome.show_details", measured_meanwhile)
    rerun(page)
    seen = page.session_state["progress_seen"]
    assert seen.result is not None or seen.revision != engine.store.revision()


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
    rerun(page)
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


def test_a_custom_recipe_is_measured_until_a_control_is_moved(explore, engine):
    steps = [{"technique": "magnitude_pruning", "sparsity": 0.99}]
    page = explore(model=MODEL, recipe=json.dumps(steps))
    assert "no slider setting" in texts(page.caption)
    assert make_recipe(MODEL, steps) in asked(engine)
    page.button_group(key=controls.WAY).set_value(controls.SLIDERS)
    page = rerun(page)
    setting(page, "slider", "student_percent").set_value(50)
    rerun(page)
    assert "no slider setting" not in texts(page.caption)
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
    rerun(page)
    assert words not in texts(page.error)


def test_a_failed_setting_says_why(explore, engine):
    engine.failing = "quantization"
    page = explore()
    setting(page, "select_slider", "weight_bits").set_value(4)
    rerun(page)
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
    rerun(page)
    assert not [job for job in engine.store.jobs() if job.background and not job.state.is_final]
    assert any("stopped" in words for words in progress(page))
    engine.held = False
    page.button(key="progress_resume").click()
    rerun(page)
    assert f"Curves: {total} of {total} points measured" in progress(page)


def test_the_current_measurement_can_be_cancelled_and_asked_again(explore, engine):
    engine.held = True
    page = explore()
    setting(page, "select_slider", "weight_bits").set_value(4)
    rerun(page)
    page.button(key="progress_give_up").click()
    rerun(page)
    assert "you cancelled it" in texts(page.warning)
    engine.held = False
    page.button(key="progress_retry").click()
    rerun(page)
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
    clicked = recipe_of(MODEL, Settings(weight_bits=2))
    shown = work.Snapshot(0, View(), {clicked.recipe_id: fabricate(clicked)}, (), (), None, False)
    session = {state.SETTING + "weight_bits": 8}
    monkeypatch.setattr("streamlit.session_state", session)
    charts._clicked(clicked.recipe_id, shown)
    moved = View(MODEL, replace(neutral_settings(MODEL), weight_bits=2))
    assert session["view"] == moved
    state.place(state.SETTING + "weight_bits", 2)
    assert session[state.SETTING + "weight_bits"] == 2
    charts._clicked("no such point", shown)
    assert session["view"] == moved


def test_both_charts_are_drawn_with_a_description(explore):
    drawn = components(explore())
    assert all("Accuracy against" in drawn[chart]["alt"] for chart in CHARTS)


def components(page):
    """What was sent to the browser for it to draw by itself, by key."""
    return {component.key: json.loads(component.proto.json) for component in page.get("bidi_component")}


CHARTS = ("chart_left", "chart_right")


def foreseen_rows(page):
    return json.loads(components(page)["foresight"]["rows"])


def mark_on(page, chart):
    (mark,) = [trace for trace in json.loads(components(page)[chart]["figure"])["data"] if trace.get("meta") == "mark"]
    return mark


@pytest.mark.parametrize(("position", "measured"), [(45, False), (50, True)])
def test_a_browser_knows_before_a_move_what_the_charts_will_show(explore, engine, position, measured):
    page = explore()
    engine.held = True
    row = foreseen_rows(page)["setting_pruning_percent"]
    foreseen = row["marks"][position // PRUNING_STEP]
    setting(page, "slider", "pruning_percent").set_value(position)
    checked(page.run())
    for chart in CHARTS:
        assert foreseen[chart.removeprefix("chart_")] == mark_on(page, chart)
        assert foreseen["setting"] == components(page)[chart]["marked"]
        assert mark_on(page, chart)["text"] == ["measured" if measured else "estimated"]
    assert foreseen_rows(page)["setting_pruning_percent"]["at"] == position // PRUNING_STEP


def test_a_browser_asks_again_while_settings_are_measured_ahead(explore, engine):
    page = explore(**parameters_of(View(MODEL, Settings(pruning_percent=45, student="slimmable"))))
    assert components(page)["foresight"]["again_ms"] is None
    engine.held = True
    setting(page, "slider", "pruning_percent").set_value(50)
    checked(page.run())
    assert components(page)["foresight"]["again_ms"] == foresight.LOOK_MS


def test_what_no_slider_leads_to_has_no_neighbours(explore):
    custom = make_recipe(MODEL, [{"technique": "magnitude_pruning", "sparsity": 0.123}])
    page = explore(**parameters_of(View(MODEL, custom=custom)))
    assert foreseen_rows(page) == {}


WEIGHTS = Settings(pruning_percent=50, remove="weights")


@pytest.mark.parametrize("settings", [Settings(), WEIGHTS, replace(WEIGHTS, criterion="second_order"),
    Settings(codes="codebook"), Settings(student="squeezenet"), Settings(student="slimmable")])  # fmt: skip
def test_every_control_has_help(explore, settings):
    page = explore(**parameters_of(View(MODEL, settings)))
    kinds = ("slider", "select_slider", "selectbox", "toggle", "number_input", "multiselect", "segmented_control")
    controls = [control for kind in kinds for control in getattr(page, kind)]
    assert len(controls) >= 24
    for control in controls:
        assert control.help or control.label == "Accuracy axis", control.label


KINDS = {
    "slider": ("pruning_percent", "student_percent", "depth_percent", "rank_percent", "separable_percent",
               "tied_blocks", "temperature", "alpha", "recover_alpha", "recover_temperature", "entropy_penalty",
               "rate_weight"),
    "select_slider": ("round_to", "activation_bits", "rank_multiple"),
    "toggle": ("recalibrate", "gradual", "symmetric", "equalize", "mixed_precision", "learn_scales"),
    "number_input": ("resolution", "match_weight", "epochs", "seed"),
    "segmented_control": ("remove", "codes"),
    "multiselect": ("teachers",),
}  # fmt: skip
KIND = {field: kind for kind, fields in KINDS.items() for field in fields}
"""What a control is; a select box where nothing is said."""


@pytest.mark.parametrize(
    ("start", "moves", "steps"),
    [
        (
            Settings(50),
            {"importance": "taylor", "ratios": "sensitivity", "target": "macs", "round_to": 8, "recalibrate": False},
            [{"technique": "channel_pruning", "pruning_ratio": 0.5, "importance": "taylor", "ratios": "sensitivity",
              "target": "macs", "round_to": 8, "recalibrate": False}],
        ),
        (Settings(50), {"remove": "weights"}, [{"technique": "magnitude_pruning", "sparsity": 0.5}]),
        (
            WEIGHTS,
            {"criterion": "second_order", "pattern": "1:4", "scope": "layer"},
            [{"technique": "second_order_pruning", "sparsity": 0.75, "pattern": "1:4", "scope": "layer"}],
        ),
        (
            replace(WEIGHTS, budget="quick", gradual=True),
            {"regrowth": "gradient", "epochs": 2.0},
            [{"technique": "magnitude_pruning", "sparsity": 0.5, "epochs": 2.0, "regrowth": "gradient"}],
        ),
        (
            replace(WEIGHTS, budget="quick"),
            {"gradual": True},
            [{"technique": "magnitude_pruning", "sparsity": 0.5, "epochs": 3.0}],
        ),
        (Settings(weight_bits=4), {"codes": "codebook"}, [{"technique": "weight_sharing", "clusters": 16}]),
        (
            Settings(weight_bits=4, codes="codebook"),
            {"weighting": "none", "codebook_scope": "global"},
            [{"technique": "weight_sharing", "clusters": 16, "weighting": "none", "scope": "global"}],
        ),
        (
            Settings(weight_bits=4),
            {"method": "adaround", "activation_bits": 5, "activations": "dynamic", "granularity": "tensor",
             "symmetric": False, "equalize": True, "mixed_precision": True},
            [{"technique": "quantization", "weight_bits": 4, "method": "adaround", "activation_bits": 5,
              "activations": "dynamic", "granularity": "tensor", "symmetric": False, "equalize": True,
              "mixed_precision": True}],
        ),
        (
            Settings(weight_bits=4),
            {"activation_bits": 32, "rate_weight": 0.5, "coding": "huffman"},
            [{"technique": "quantization", "weight_bits": 4},
             {"technique": "entropy_coding", "rate_weight": 0.5, "coding": "huffman"}],
        ),
        (
            Settings(weight_bits=16),
            {"float_format": "bfloat16"},
            [{"technique": "quantization", "weight_bits": 16, "float_format": "bfloat16"}],
        ),
        (
            Settings(weight_bits=8, budget="quick"),
            {"learn_scales": True, "recover_alpha": 0.5, "entropy_penalty": 0.25},
            [{"technique": "quantization", "weight_bits": 8, "activation_bits": 8},
             {"technique": "fine_tuning", "epochs": 3.0, "alpha": 0.5, "learn_scales": True, "entropy_penalty": 0.25}],
        ),
        (
            Settings(weight_bits=4, budget="quick", recover_alpha=0.5),
            {"recover_temperature": 2.0},
            [{"technique": "quantization", "weight_bits": 4, "activation_bits": 8},
             {"technique": "fine_tuning", "epochs": 3.0, "alpha": 0.5, "temperature": 2.0}],
        ),
        (
            Settings(),
            {"student": "squeezenet"},
            [{"technique": "distillation", "width_mult": 1.0, "student": "squeezenet", "epochs": 1.5}],
        ),
        (
            Settings(student="squeezenet"),
            {"depth_percent": 60, "resolution": 16},
            [{"technique": "distillation", "width_mult": 1.0, "student": "squeezenet", "depth_mult": 0.6,
              "resolution": 16, "epochs": 4.0}],
        ),
        (
            Settings(student_percent=50, match="hint"),
            {"loss": "dkd", "match": "attention", "match_weight": 5.0, "teachers": ["lenet300-mnist5k"],
             "temperature": 2.0, "alpha": 0.5, "epochs": 2.0, "seed": 7},
            [{"technique": "distillation", "width_mult": 0.5, "loss": "dkd", "match": "attention", "match_weight": 5.0,
              "teachers": ["lenet300-mnist5k"], "temperature": 2.0, "alpha": 0.5, "epochs": 2.0}],
        ),
        (
            Settings(rank_percent=50),
            {"convolutions": "spatial", "ranks": "error", "rank_multiple": 8, "separable_percent": 50,
             "tied_blocks": 3},
            [{"technique": "layer_tying", "blocks": 3}, {"technique": "depthwise_separable", "share": 0.5},
             {"technique": "low_rank", "rank_ratio": 0.5, "convolutions": "spatial", "ranks": "error", "round_to": 8}],
        ),
        (Settings(), {"rank_percent": 25}, [{"technique": "low_rank", "rank_ratio": 0.25}]),
    ],
)  # fmt: skip
def test_every_advanced_control_is_measured_and_in_the_url(explore, engine, start, moves, steps):
    page = explore(**parameters_of(View(MODEL, start)))
    for field, value in moves.items():
        control = setting(page, KIND.get(field, "selectbox"), field)
        assert not control.disabled, field
        control.set_value(value)
    rerun(page)
    wanted = make_recipe(MODEL, steps, moves.get("seed", 0))
    assert make_recipe(MODEL, url_recipe(page)["steps"], url_recipe(page)["seed"]) == wanted
    assert wanted in asked(engine)


def test_no_setting_is_without_a_control(explore):
    moved = {"student_percent": 50, "budget": "quick", "weight_bits": 4, "rank_percent": 50}
    shown = set()
    for more in ({}, {"remove": "weights"}, {"codes": "codebook", "student": "squeezenet"}):
        page = explore(**parameters_of(View(MODEL, Settings(50, **moved, **more))))
        shown |= {widget.key for kind in (*KINDS, "selectbox") for widget in getattr(page, kind)}
    assert {state.SETTING + field.name for field in fields(Settings)} <= shown


@pytest.mark.parametrize(
    ("settings", "kind", "names"),
    [
        (Settings(), "selectbox", ("method", "activations", "granularity", "float_format", "loss", "match", "ranks")),
        (Settings(), "toggle", ("learn_scales", "symmetric", "equalize", "mixed_precision")),
        (Settings(), "slider", ("temperature", "alpha", "recover_alpha", "entropy_penalty", "rate_weight")),
        (Settings(), "number_input", ("epochs", "match_weight")),
        (Settings(weight_bits=4, activation_bits=None), "selectbox", ("activations", "float_format")),
        (Settings(weight_bits=4), "toggle", ("learn_scales",)),
        (WEIGHTS, "toggle", ("gradual",)),
        (WEIGHTS, "selectbox", ("regrowth",)),
    ],
)
def test_controls_without_effect_are_disabled(explore, settings, kind, names):
    page = explore(**parameters_of(View("mlp-digits", settings)))
    for name in names:
        assert setting(page, kind, name).disabled, name


def test_only_controls_of_the_chosen_way_are_shown_and_the_others_keep_their_position(explore):
    page = explore(**parameters_of(View(MODEL, Settings(pruning_percent=50, importance="l1"))))
    shown = {control.key for control in page.selectbox}
    assert state.SETTING + "importance" in shown
    assert state.SETTING + "pattern" not in shown
    for remove in ("weights", "channels"):
        setting(page, "segmented_control", "remove").set_value(remove)
        rerun(page)
    assert setting(page, "selectbox", "importance").value == "l1"
    assert url_recipe(page)["steps"] == [{"technique": "channel_pruning", "pruning_ratio": 0.5, "importance": "l1"}]


HIDDEN = Settings(50, importance="l1", coding="huffman", activation_bits=None, epochs=2.0)


def test_closed_groups_draw_nothing_and_keep_their_settings(explore, engine):
    page = explore(groups_open=False, **parameters_of(View(MODEL, HIDDEN)))
    drawn = {control.key for kind in (*KINDS, "selectbox") for control in getattr(page, kind)}
    fields_drawn = {key.removeprefix(state.SETTING) for key in drawn if key and key.startswith(state.SETTING)}
    axes = {"axis_left", "axis_right", "axis_gain"}
    assert fields_drawn == {"model", "pruning_percent", "weight_bits", "student_percent", "budget", *axes}
    setting(page, "slider", "pruning_percent").set_value(60)
    rerun(page)
    moved = replace(page.session_state["view"].settings, pruning_percent=50)
    assert recipe_of(MODEL, moved) == recipe_of(MODEL, HIDDEN)
    assert recipe_of(MODEL, replace(HIDDEN, pruning_percent=60)) in asked(engine)


def test_a_group_that_is_opened_shows_what_the_view_says(explore):
    page = explore(groups_open=False, **parameters_of(View(MODEL, HIDDEN)))
    page.session_state[advanced.KEY] = True
    page.session_state[advanced.key_of("File")] = True
    rerun(page)
    assert setting(page, "selectbox", "coding").value == "huffman"
    assert not [control for control in page.selectbox if control.key == state.SETTING + "importance"]
    page.session_state[advanced.key_of("File")] = False
    rerun(page)
    assert page.session_state["view"].settings.coding == "huffman"
    assert {"technique": "entropy_coding", "coding": "huffman"} in url_recipe(page)["steps"]


def test_a_move_does_not_draw_what_it_cannot_change(explore, engine):
    page = explore(groups_open=False)
    engine.held = True
    whole = {"html", "page_link", "popover"}
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
    monkeypatch.setattr("pages.components.charts.show_pair", lambda seen: (calls.append("charts"), show_pair(seen)))
    monkeypatch.setattr("pages.components.work.want", lambda view, **more: (calls.append("want"), want(view, **more)))
    setting(page, "slider", "pruning_percent").set_value(45)
    checked(page.run())
    assert calls[:2] == ["charts", "want"]
    assert calls[2:] == ["charts", "want"], "it was measured at once, so the charts are drawn with it"


def test_a_point_that_lands_while_the_charts_are_drawn_is_on_them(explore, engine, monkeypatch):
    page = explore()
    engine.held = True
    drawn, show_pair = [], charts.show_pair

    def meanwhile(seen):
        show_pair(seen)
        drawn.append(seen.result)
        engine.held = False
        engine.release()

    setting(page, "slider", "pruning_percent").set_value(45)
    setting(page, "select_slider", "weight_bits").set_value(4)
    monkeypatch.setattr("pages.components.charts.show_pair", meanwhile)
    checked(page.run())
    assert drawn[0] is None
    assert drawn[-1] is not None


def test_the_table_is_made_anew_only_for_other_results():
    results = [fabricate(recipe_of(MODEL, Settings(weight_bits=bits))) for bits in (4, 5, 6)]
    frame = table.rows_of(results)
    assert table.rows_of(list(results)) is frame
    assert len(table.rows_of(results[:2])) == 2
    other = [*results[:2], fabricate(recipe_of(MODEL, Settings(weight_bits=6)), stored_bytes=7)]
    assert table.rows_of(other)["stored_kb"].tolist()[-1] == 0.007


def test_a_click_on_explore_does_not_lead_back_from_another_page(explore, engine):
    page = explore()
    seen = page.session_state["parts_seen"]
    session = {"page_shown": menu.EXPLORE}
    clicked = recipe_of(MODEL, Settings(weight_bits=4)).recipe_id
    assert clicked in seen.results
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.session_state", session)
        patch.setattr("streamlit.rerun", lambda parts: session.update(redrawn=parts))
        charts._clicked(clicked, seen)
    assert session["redrawn"] == list(parts.PARTS)
    assert not session["chart_clicked"]
    assert session["view"].settings.weight_bits == 4


def test_a_pattern_says_that_it_fixes_the_zeros(explore):
    page = explore(**parameters_of(View(MODEL, replace(WEIGHTS, pattern="2:4"))))
    assert "fixes the zeros at 50 %" in texts(page.caption)


def test_a_codebook_says_how_many_values_a_bit_width_means(explore):
    page = explore(**parameters_of(View(MODEL, Settings(weight_bits=3, codes="codebook"))))
    assert "8 shared values" in texts(page.caption)


def test_a_slimmable_student_is_offered_where_there_is_one(explore, monkeypatch):
    offered = "same family, ready in all sizes (slimmable)"
    assert offered not in setting(explore(model="mlp-digits"), "selectbox", "student").options
    monkeypatch.setattr("sample_models.slimmable.slimmable_models", lambda: ("mlp-digits",))
    page = explore(model="mlp-digits")
    assert offered in setting(page, "selectbox", "student").options
    assert setting(page, "selectbox", "student").value == "slimmable"
    setting(page, "slider", "student_percent").set_value(50)
    rerun(page)
    assert url_recipe(page)["steps"] == [{"technique": "slimmable_student", "width_mult": 0.5}]
    assert "No training" in texts(page.caption)


def test_the_student_slider_goes_as_low_as_there_are_students(explore):
    page = explore()
    slider = setting(page, "slider", "student_percent")
    assert (slider.min, slider.max) == (25, 100)
    setting(page, "selectbox", "student").set_value("same")
    rerun(page)
    setting(page, "slider", "student_percent").set_value(10)
    rerun(page)
    assert url_recipe(page)["steps"][0]["width_mult"] == 0.1
    setting(page, "selectbox", "student").set_value("slimmable")
    rerun(page)
    assert setting(page, "slider", "student_percent").value == 25
    assert url_recipe(page)["steps"] == [{"technique": "slimmable_student", "width_mult": 0.25}]


def test_another_model_drops_what_it_does_not_have(explore):
    page = explore(**parameters_of(View(MODEL, Settings(student_percent=50, teachers=("resnet8-mnist5k",)))))
    setting(page, "selectbox", "model").set_value("mlp-digits")
    rerun(page)
    assert setting(page, "multiselect", "teachers").value == []
    assert "teachers" not in url_recipe(page)["steps"][0]


def test_back_to_defaults_keeps_the_sliders(explore):
    page = explore(**parameters_of(View(MODEL, Settings(50, 4, coding="huffman", importance="l1"))))
    button = page.button(key="reset_advanced")
    assert "2 advanced settings changed" in button.help
    button.click()
    rerun(page)
    assert page.session_state["view"].settings == replace(neutral_settings(MODEL), pruning_percent=50, weight_bits=4)
    assert setting(page, "selectbox", "coding").value == "context"
    assert page.button(key="reset_advanced").disabled


def test_chosen_curves_are_measured_and_in_the_link(explore, engine):
    page = explore()
    page.pills(key=state.SETTING + "curves").set_value(["quantization", "low_rank"])
    rerun(page)
    assert page.query_params["curves"] in ("quantization,low_rank", ["quantization,low_rank"])
    recipes = sweep_recipes(MODEL, "none", ("quantization", "low_rank"))
    assert asked(engine, "sweep-")[-len(recipes) :] == list(recipes)
    assert f"Curves: {len(recipes)} of {len(recipes)} points measured" in progress(page)


def test_a_link_opens_its_curves(explore):
    page = explore(model=MODEL, curves="weight_sharing")
    assert page.pills(key=state.SETTING + "curves").value == ["weight_sharing"]
    setting(page, "slider", "pruning_percent").set_value(50)
    rerun(page)
    assert page.session_state["view"].curves == ("weight_sharing",)


def opened(page, part):
    page.session_state[parts.INSIGHT_TAB] = part
    return rerun(page)


def shown_html(page):
    return " ".join(element.proto.body for element in page.get("html"))


def test_where_the_bytes_go_sums_to_the_file(explore):
    view = View(MODEL, replace(WEIGHTS, weight_bits=4))
    page = opened(explore(**parameters_of(view)), "Where bytes go")
    result = fabricate(view.recipe)
    for total in (result.stored_bytes, result.onnx_bytes):
        assert f"{total:,} bytes" in shown_html(page)
    assert "zeros that are written out" in shown_html(page)
    assert "what you would ship" in shown_html(page)
    assert components(page).keys() >= {"chart_bytes", "chart_waterfall"}


def test_what_it_costs_to_run_is_a_model_with_visible_assumptions(explore):
    page = opened(explore(**parameters_of(View(MODEL, Settings(weight_bits=8)))), "Running costs")
    costs = {metric.label: metric for metric in page.metric}
    assert {"Operations (MACs)", "Peak memory", "Energy an image", "Carbon a million images"} <= set(costs)
    assert "87 % of them run on integers" in costs["Operations (MACs)"].help
    assert "grows by 4.00 MB" in costs["Peak memory"].help
    assert "model, not a measurement" in texts(page.caption)
    page.segmented_control(key="costs_memory").set_value("dram")
    page.number_input(key="costs_intensity").set_value(0.0)
    rerun(page)
    now = {metric.label: metric.value for metric in page.metric}
    assert now["Energy an image"] != costs["Energy an image"].value
    assert now["Carbon a million images"] == "0 ng"


def test_skipping_zeros_says_from_where_on_it_pays(explore, engine):
    page = opened(explore(), "Zeros")
    assert "faster from **87 %** zeros on" in texts(page.markdown)
    assert page.selectbox(key="zeros_layer").options == ["linear1 (500 × 800)"]


@pytest.mark.parametrize("part", list(insight.PARTS))
def test_nothing_measured_is_said_in_every_part(explore, engine, part):
    engine.held = True
    page = opened(explore(), part)
    said = ("Nothing is measured yet", "Not measured yet", "Nothing measured", "has no steps")
    assert any(words in texts(page.caption) for words in said)


def test_a_row_from_before_there_was_a_ledger_is_said(explore, engine):
    engine.held = True
    recipe = recipe_of(MODEL, Settings())
    engine.store.by_id[recipe.recipe_id] = fabricate(recipe, ledger={}, runtime_ledger={})
    assert "before bytes were counted" in texts(opened(explore(), "Where bytes go").caption)


def test_a_student_says_how_long_it_trains(explore):
    page = explore(**parameters_of(View(MODEL, Settings(student_percent=50))))
    assert "A smaller student must be trained: about" in texts(page.caption)


def test_changing_the_model_keeps_the_sliders(explore):
    page = explore(**parameters_of(View(MODEL, Settings(pruning_percent=50))))
    setting(page, "selectbox", "model").set_value("mlp-digits")
    rerun(page)
    assert setting(page, "slider", "pruning_percent").value == 50
    assert page.session_state["view"] == View("mlp-digits", Settings(pruning_percent=50))


def test_a_missing_card_is_said(explore, monkeypatch, tmp_path):
    monkeypatch.setattr("sample_models.catalogue.WEIGHTS", tmp_path)
    assert "python -m sample_models.train lenet5-mnist5k" in texts(explore().error)


class TestAxes:
    def test_other_axes_are_drawn_and_in_the_link(self, explore):
        page = explore()
        setting(page, "selectbox", "axis_left").set_value("macs")
        page = rerun(page)
        assert page.query_params["axes"] in ("macs,latency,accuracy", ["macs,latency,accuracy"])
        drawn = components(page)
        assert drawn["chart_left"]["alt"].startswith("Accuracy against MACs: ")
        assert drawn["chart_right"]["alt"].startswith("Accuracy against latency: ")
        assert json.loads(drawn["chart_left"]["figure"])["layout"]["xaxis"]["title"]["text"].startswith("multiply")

    def test_a_link_opens_its_axes_and_moves_foresee_them(self, explore):
        page = explore(axes="zipped,energy,flips")
        assert components(page)["chart_left"]["alt"].startswith("Changed predictions against zipped file")
        row = foreseen_rows(page)["setting_weight_bits"]
        (measured,) = [
            mark for mark in row["marks"] if mark["setting"] == recipe_of(MODEL, Settings(weight_bits=4)).recipe_id
        ]
        result = fabricate(recipe_of(MODEL, Settings(weight_bits=4)))
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

    def test_before_there_is_a_baseline_there_is_nothing_to_choose_from(self, explore, engine):
        engine.held = True
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

    def test_a_step_can_be_added_moved_and_removed(self, built, engine):
        page = self.press(built(), "builder_add_channel_pruning")
        assert self.techniques(page) == ["magnitude_pruning", "channel_pruning", "quantization"]
        page = self.press(page, "step_up_1")
        assert self.techniques(page) == ["channel_pruning", "magnitude_pruning", "quantization"]
        page = self.press(page, "step_remove_1")
        assert self.techniques(page) == ["channel_pruning", "quantization"]
        assert page.session_state["view"].recipe in asked(engine)

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
        monkeypatch.setattr(
            pipeline, "changed", lambda recipe, at, **settings: make_recipe(MODEL, [{"technique": "?"}])
        )
        page.slider(key="setting_step_0_magnitude_pruning_sparsity").set_value(50.0)
        checked(page.run())
        assert page.error
        assert self.techniques(page) == ["magnitude_pruning", "quantization"]

    def test_every_setting_of_every_kind_of_step_has_a_control(self, built):
        for kind, about in pipeline.KINDS.items():
            technique = kind.model_fields["technique"].default
            page = built([{"technique": technique, **about.start}])
            page.session_state[f"step_more_0_{technique}"] = True
            page = rerun(page)
            kinds = ("slider", "select_slider", "selectbox", "toggle", "number_input", "multiselect")
            drawn = {control.key for name in kinds for control in getattr(page, name)}
            fields = [field for field in kind.model_fields if field != "technique"]
            assert {f"setting_step_0_{technique}_{field}" for field in fields} <= drawn

    def test_what_each_step_brings_is_measured_when_it_is_looked_at(self, built, engine):
        page = built()
        before = len(engine.submitted)
        page.session_state[parts.INSIGHT_TAB] = parts.STEP_BY_STEP
        page = rerun(page)
        wanted = pipeline.prefixes(page.session_state["view"].recipe)
        assert set(wanted) <= {recipe for _, recipe in engine.submitted[before:]}
        drawn = components(page)
        assert "2. Quantize: " in drawn["chart_steps_bytes"]["alt"]
        assert "All together" in drawn["chart_steps_accuracy"]["alt"]

    def test_a_stage_that_failed_says_why(self, built, engine):
        page = built([{"technique": "channel_pruning", "pruning_ratio": 0.3}, *PIPELINE[1:]])
        engine.failing = "channel_pruning"
        engine.store.by_id.clear()
        page.session_state[parts.INSIGHT_TAB] = parts.STEP_BY_STEP
        page = rerun(page)
        assert "there are no numbers" in texts(page.error)

    def test_the_model_as_it_is_has_no_steps(self, built):
        page = built([])
        page.session_state[parts.INSIGHT_TAB] = parts.STEP_BY_STEP
        page = rerun(page)
        assert "The model as it is has no steps" in texts(page.caption)


def test_how_far_estimates_were_off_is_said_before_and_after_the_measurement(explore, engine):
    page = explore()
    engine.held = True
    setting(page, "slider", "pruning_percent").set_value(45)
    page = rerun(page)
    assert "Estimates of this model were off by" in texts(page.caption)
    engine.release()
    page = rerun(page)
    assert "Without this measurement the estimate is" in texts(page.caption)
