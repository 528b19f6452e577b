from dataclasses import fields, replace

import pytest

from compression.models.subject import subject_of
from compression.recipe.budgets import student_passes, tuning_passes
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.settings import Settings, neutral_settings, recipe_of
from compression.recipe.steps import (
    STEP_TYPES,
    ChannelPruning,
    DepthwiseSeparable,
    Distillation,
    EntropyCoding,
    FineTuning,
    LayerTying,
    LowRank,
    MagnitudePruning,
    Quantization,
    SecondOrderPruning,
    SlimmableStudent,
    WeightSharing,
    fields_of,
    technique_of,
)
from compression.recipe.words import kind_of
from compression.search.curves import sweep_recipes
from pages.components.explore import advanced
from pages.components.view import state
from pages.components.view.link import View, parameters_of
from sample_models import slimmable
from tests.support.page_tools import MODEL, asked, moved, progress, rerun, setting, texts, url_recipe

WEIGHTS = Settings(pruning_percent=50, remove="weights")
QUICK = tuning_passes(subject_of(MODEL), "quick", alpha=0.5)
FAMILY = student_passes(subject_of(MODEL), "none", student="squeezenet")
SMALL_FAMILY = student_passes(subject_of(MODEL), "none", student="squeezenet", depth_mult=0.6, resolution=16)


KINDS = ("slider", "select_slider", "selectbox", "toggle", "number_input", "multiselect", "segmented_control")
KINDS_WITH_SLIDER = [kind for kind in STEP_TYPES.values() if kind_of(kind).slider]


def controls(page):
    return {control.key: control for kind in KINDS for control in getattr(page, kind)}


CHOSEN = {"importance": "taylor", "ratios": "sensitivity", "target": "macs", "round_to": 8, "recalibrate": False}
OF_8_BITS = Quantization(weight_bits=8, activation_bits=8)
OF_4_BITS = Quantization(weight_bits=4, activation_bits=8)
ROUNDED = {
    **{"method": "adaround", "granularity": "tensor", "symmetric": False, "equalize": True, "mixed_precision": True},
    **{"activation_bits": 5, "activations": "dynamic"},
}
TAUGHT = {"loss": "dkd", "match_weight": 5.0, "temperature": 2.0, "alpha": 0.5, "epochs": 2.0}


@pytest.mark.parametrize(
    ("start", "moves", "steps"),
    [
        (Settings(), {"pruning_percent": 50}, [ChannelPruning(pruning_ratio=0.5)]),
        (Settings(), {"weight_bits": 4}, [OF_4_BITS]),
        (Settings(student="slimmable"), {"student_percent": 50}, [SlimmableStudent(width_mult=0.5)]),
        (
            Settings(50),
            CHOSEN,
            [ChannelPruning(pruning_ratio=0.5, **CHOSEN)],
        ),
        (Settings(50), {"remove": "weights"}, [MagnitudePruning(sparsity=0.5)]),
        (
            WEIGHTS,
            {"criterion": "second_order", "pattern": "1:4", "scope": "layer"},
            [SecondOrderPruning(sparsity=0.75, pattern="1:4", scope="layer")],
        ),
        (
            replace(WEIGHTS, budget="quick", gradual=True),
            {"regrowth": "gradient", "epochs": 2.0},
            [MagnitudePruning(sparsity=0.5, epochs=2.0, regrowth="gradient")],
        ),
        (replace(WEIGHTS, budget="quick"), {"gradual": True}, [MagnitudePruning(sparsity=0.5, epochs=QUICK)]),
        (Settings(weight_bits=4), {"codes": "codebook"}, [WeightSharing(clusters=16)]),
        (
            Settings(weight_bits=4, codes="codebook"),
            {"weighting": "none", "codebook_scope": "global"},
            [WeightSharing(clusters=16, weighting="none", scope="global")],
        ),
        (
            Settings(weight_bits=4),
            ROUNDED,
            [Quantization(weight_bits=4, **ROUNDED)],
        ),
        (
            Settings(weight_bits=4),
            {"activation_bits": 32, "rate_weight": 0.5, "coding": "huffman"},
            [Quantization(weight_bits=4), EntropyCoding(rate_weight=0.5, coding="huffman")],
        ),
        (
            Settings(weight_bits=16),
            {"float_format": "bfloat16"},
            [Quantization(weight_bits=16, float_format="bfloat16")],
        ),
        (
            Settings(weight_bits=8, budget="quick"),
            {"learn_scales": True, "recover_alpha": 0.5, "entropy_penalty": 0.25},
            [OF_8_BITS, FineTuning(epochs=QUICK, alpha=0.5, learn_scales=True, entropy_penalty=0.25)],
        ),
        (
            Settings(weight_bits=4, budget="quick", recover_alpha=0.5),
            {"recover_temperature": 2.0},
            [OF_4_BITS, FineTuning(epochs=QUICK, alpha=0.5, temperature=2.0)],
        ),
        (
            Settings(),
            {"student": "squeezenet"},
            [Distillation(width_mult=1.0, student="squeezenet", epochs=FAMILY)],
        ),
        (
            Settings(student="squeezenet"),
            {"depth_percent": 60, "resolution": 16},
            [
                Distillation(
                    width_mult=1.0,
                    student="squeezenet",
                    depth_mult=0.6,
                    resolution=16,
                    epochs=SMALL_FAMILY,
                )
            ],
        ),
        (
            Settings(student_percent=50, match="hint"),
            {"match": "attention", "teachers": ["lenet300-mnist5k"], "seed": 7, **TAUGHT},
            [Distillation(width_mult=0.5, match="attention", teachers=("lenet300-mnist5k",), **TAUGHT)],
        ),
        (
            Settings(structure=(LowRank(rank_ratio=0.5),)),
            {
                **{"low_rank_convolutions": "spatial", "low_rank_ranks": "error", "low_rank_round_to": 8},
                **{"depthwise_separable_share": 50, "layer_tying_blocks": 3},
            },
            [
                LayerTying(blocks=3),
                DepthwiseSeparable(share=0.5),
                LowRank(rank_ratio=0.5, convolutions="spatial", ranks="error", round_to=8),
            ],
        ),
        (Settings(), {"low_rank_rank_ratio": 25}, [LowRank(rank_ratio=0.25)]),
    ],
)
def test_whatever_a_control_says_is_measured_at_once_and_in_the_url(explore, dispatcher, start, moves, steps):
    page = explore(**parameters_of(View(MODEL, start)))
    for field, value in moves.items():
        control = controls(page)[state.SETTING + field]
        assert not control.disabled, field
        control.set_value(value)
    rerun(page)
    wanted = Recipe(model=MODEL, steps=tuple(steps), seed=moves.get("seed", 0))
    assert make_recipe(MODEL, url_recipe(page)["steps"], url_recipe(page)["seed"]) == wanted
    assert wanted in asked(dispatcher)
    assert "Estimated" not in texts(page.info)


def test_no_setting_is_without_a_control_and_no_control_without_help(explore):
    common = {"student_percent": 50, "budget": "quick", "weight_bits": 4}
    shown = {}
    for more in ({}, {"remove": "weights"}, {"codes": "codebook", "student": "squeezenet"}):
        shown |= controls(explore(**parameters_of(View(MODEL, Settings(50, **common, **more)))))
    own = {f"{technique_of(kind)}_{name}" for kind in KINDS_WITH_SLIDER for name in fields_of(kind)}
    plain = {field.name for field in fields(Settings) if field.name != "structure"}
    assert {state.SETTING + name for name in own | plain} <= set(shown)
    assert {control.label for control in shown.values() if not control.help} == set()


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (
            Settings(),
            [
                *("method", "activations", "granularity", "float_format", "symmetric", "equalize", "mixed_precision"),
                *("loss", "match", "match_weight", "temperature", "alpha", "epochs", "low_rank_ranks", "rate_weight"),
                *("learn_scales", "recover_alpha", "entropy_penalty"),
            ],
        ),
        (Settings(weight_bits=4, activation_bits=None), ["activations", "float_format"]),
        (Settings(weight_bits=4), ["learn_scales"]),
        (WEIGHTS, ["gradual", "regrowth"]),
    ],
)
def test_controls_without_effect_are_disabled(explore, settings, names):
    shown = controls(explore(**parameters_of(View("mlp-digits", settings))))
    assert [name for name in names if not shown[state.SETTING + name].disabled] == []


def test_only_controls_of_the_chosen_way_are_shown_and_the_others_keep_their_position(explore):
    page = explore(**parameters_of(View(MODEL, Settings(pruning_percent=50, importance="l1"))))
    shown = {control.key for control in page.selectbox}
    assert state.SETTING + "importance" in shown
    assert state.SETTING + "pattern" not in shown
    for remove in ("weights", "channels"):
        moved(page, "segmented_control", "remove", remove)
    assert setting(page, "selectbox", "importance").value == "l1"
    assert url_recipe(page)["steps"] == [{"technique": "channel_pruning", "pruning_ratio": 0.5, "importance": "l1"}]


HIDDEN = Settings(50, importance="l1", coding="huffman", activation_bits=None, epochs=2.0)


def test_closed_groups_draw_nothing_and_keep_their_settings(explore, dispatcher):
    page = explore(groups_open=False, **parameters_of(View(MODEL, HIDDEN)))
    keys = (key for key in controls(page) if key and key.startswith(state.SETTING))
    fields_drawn = {key.removeprefix(state.SETTING) for key in keys}
    axes = {"axis_left", "axis_right", "axis_gain", "scale"}
    assert fields_drawn == {"model", "pruning_percent", "weight_bits", "student_percent", "budget", *axes}
    moved(page, "slider", "pruning_percent", 60)
    back = replace(page.session_state["view"].settings, pruning_percent=50)
    assert recipe_of(subject_of(MODEL), back) == recipe_of(subject_of(MODEL), HIDDEN)
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
    moved(page, "slider", "student_percent", 50)
    assert url_recipe(page)["steps"] == [{"technique": "slimmable_student", "width_mult": 0.5}]
    assert "No training" in texts(page.caption)


def test_the_student_slider_goes_as_low_as_there_are_students(explore):
    page = explore()
    slider = setting(page, "slider", "student_percent")
    assert (slider.min, slider.max) == (25, 100)
    moved(page, "selectbox", "student", "same")
    moved(page, "slider", "student_percent", 10)
    assert url_recipe(page)["steps"][0]["width_mult"] == 0.1
    moved(page, "selectbox", "student", "slimmable")
    assert setting(page, "slider", "student_percent").value == 25
    assert url_recipe(page)["steps"] == [{"technique": "slimmable_student", "width_mult": 0.25}]


def test_another_model_drops_what_it_does_not_have(explore):
    page = explore(**parameters_of(View(MODEL, Settings(student_percent=50, teachers=("resnet8-mnist5k",)))))
    moved(page, "selectbox", "model", "mlp-digits")
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
    moved(page, "slider", "pruning_percent", 50)
    assert page.session_state["view"].curves == ("weight_sharing",)
