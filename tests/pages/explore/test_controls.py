from dataclasses import fields, replace

import pytest

from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import Settings, neutral_settings, recipe_of
from compression.recipe.steps import STEP_TYPES, LowRank, fields_of, technique_of
from compression.recipe.words import kind_of
from compression.search.curves import sweep_recipes
from pages.components.explore import advanced
from pages.components.view import state
from pages.components.view.link import View, parameters_of
from sample_models import slimmable
from tests.support.explore_tools import (
    MODEL,
    asked,
    setting,
    url_recipe,
)
from tests.support.page_tools import progress, rerun, texts

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
    "slider": ("pruning_percent", "student_percent", "depth_percent", "low_rank_rank_ratio",
               "depthwise_separable_share", "layer_tying_blocks", "temperature", "alpha", "recover_alpha",
               "recover_temperature", "entropy_penalty", "rate_weight"),
    "select_slider": ("round_to", "activation_bits", "low_rank_round_to"),
    "toggle": ("recalibrate", "gradual", "symmetric", "equalize", "mixed_precision", "learn_scales"),
    "number_input": ("resolution", "match_weight", "epochs", "seed"),
    "segmented_control": ("remove", "codes"),
    "multiselect": ("teachers",),
}  # fmt: skip
KINDS_WITH_SLIDER = [kind for kind in STEP_TYPES.values() if kind_of(kind).slider]
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
            Settings(structure=(LowRank(rank_ratio=0.5),)),
            {"low_rank_convolutions": "spatial", "low_rank_ranks": "error", "low_rank_round_to": 8,
             "depthwise_separable_share": 50, "layer_tying_blocks": 3},
            [{"technique": "layer_tying", "blocks": 3}, {"technique": "depthwise_separable", "share": 0.5},
             {"technique": "low_rank", "rank_ratio": 0.5, "convolutions": "spatial", "ranks": "error", "round_to": 8}],
        ),
        (Settings(), {"low_rank_rank_ratio": 25}, [{"technique": "low_rank", "rank_ratio": 0.25}]),
    ],
)  # fmt: skip
def test_every_advanced_control_is_measured_and_in_the_url(explore, dispatcher, start, moves, steps):
    page = explore(**parameters_of(View(MODEL, start)))
    for field, value in moves.items():
        control = setting(page, KIND.get(field, "selectbox"), field)
        assert not control.disabled, field
        control.set_value(value)
    rerun(page)
    wanted = make_recipe(MODEL, steps, moves.get("seed", 0))
    assert make_recipe(MODEL, url_recipe(page)["steps"], url_recipe(page)["seed"]) == wanted
    assert wanted in asked(dispatcher)


def test_no_setting_is_without_a_control(explore):
    moved = {"student_percent": 50, "budget": "quick", "weight_bits": 4}
    shown = set()
    for more in ({}, {"remove": "weights"}, {"codes": "codebook", "student": "squeezenet"}):
        page = explore(**parameters_of(View(MODEL, Settings(50, **moved, **more))))
        shown |= {widget.key for kind in (*KINDS, "selectbox") for widget in getattr(page, kind)}
    own = {f"{technique_of(kind)}_{name}" for kind in KINDS_WITH_SLIDER for name in fields_of(kind)}
    plain = {field.name for field in fields(Settings) if field.name != "structure"}
    assert {state.SETTING + name for name in own | plain} <= shown


@pytest.mark.parametrize(
    ("settings", "kind", "names"),
    [
        (
            Settings(),
            "selectbox",
            ("method", "activations", "granularity", "float_format", "loss", "match", "low_rank_ranks"),
        ),
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


def test_closed_groups_draw_nothing_and_keep_their_settings(explore, dispatcher):
    page = explore(groups_open=False, **parameters_of(View(MODEL, HIDDEN)))
    drawn = {control.key for kind in (*KINDS, "selectbox") for control in getattr(page, kind)}
    fields_drawn = {key.removeprefix(state.SETTING) for key in drawn if key and key.startswith(state.SETTING)}
    axes = {"axis_left", "axis_right", "axis_gain"}
    assert fields_drawn == {"model", "pruning_percent", "weight_bits", "student_percent", "budget", *axes}
    setting(page, "slider", "pruning_percent").set_value(60)
    rerun(page)
    moved = replace(page.session_state["view"].settings, pruning_percent=50)
    assert recipe_of(subject_of(MODEL), moved) == recipe_of(subject_of(MODEL), HIDDEN)
    assert recipe_of(subject_of(MODEL), replace(HIDDEN, pruning_percent=60)) in asked(dispatcher)


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


def test_a_pattern_says_that_it_fixes_the_zeros(explore):
    page = explore(**parameters_of(View(MODEL, replace(WEIGHTS, pattern="2:4"))))
    assert "fixes the zeros at 50 %" in texts(page.caption)


def test_a_codebook_says_how_many_values_a_bit_width_means(explore):
    page = explore(**parameters_of(View(MODEL, Settings(weight_bits=3, codes="codebook"))))
    assert "8 shared values" in texts(page.caption)


def test_a_slimmable_student_is_offered_where_there_is_one(explore, monkeypatch):
    offered = "same family, ready in all sizes (slimmable)"
    assert offered not in setting(explore(model="mlp-digits"), "selectbox", "student").options
    there = slimmable.weights_path("lenet5-mnist5k")
    monkeypatch.setattr(slimmable, "weights_path", lambda name: there)
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
    assert page.session_state["view"].settings == replace(
        neutral_settings(subject_of(MODEL)), pruning_percent=50, weight_bits=4
    )
    assert setting(page, "selectbox", "coding").value == "context"
    assert page.button(key="reset_advanced").disabled


def test_chosen_curves_are_measured_and_in_the_link(explore, dispatcher):
    page = explore()
    page.pills(key=state.SETTING + "curves").set_value(["quantization", "low_rank"])
    rerun(page)
    assert page.query_params["curves"] in ("quantization,low_rank", ["quantization,low_rank"])
    recipes = sweep_recipes(subject_of(MODEL), "none", ("quantization", "low_rank"))
    assert asked(dispatcher, "sweep-")[-len(recipes) :] == list(recipes)
    assert f"Curves: {len(recipes)} of {len(recipes)} settings measured" in progress(page)


def test_a_link_opens_its_curves(explore):
    page = explore(model=MODEL, curves="weight_sharing")
    assert page.pills(key=state.SETTING + "curves").value == ["weight_sharing"]
    setting(page, "slider", "pruning_percent").set_value(50)
    rerun(page)
    assert page.session_state["view"].curves == ("weight_sharing",)
