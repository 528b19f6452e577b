import itertools
from dataclasses import fields, replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compression.models.subject import subject_of
from compression.recipe import budgets
from compression.recipe import settings as setting
from compression.recipe.budgets import BUDGETS
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import Settings, nearest_settings, placed, recipe_of, settings_of, with_step
from compression.recipe.steps import (
    ChannelPruning,
    DepthwiseSeparable,
    Distillation,
    LayerTying,
    LowRank,
    SlimmableStudent,
    is_share,
    limits,
)
from compression.recipe.words import kind_of
from sample_models.catalogue import MODELS

MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)
LENET5, RESNET8, MLP = map(subject_of, ("lenet5-mnist5k", "resnet8-mnist5k", "mlp-digits"))


def techniques(recipe):
    return [step.technique for step in recipe.steps]


def test_neutral_settings_are_the_baseline():
    assert recipe_of(SUBJECT, Settings()).is_baseline
    assert recipe_of(SUBJECT, Settings(budget="thorough")).is_baseline


def test_without_a_budget_nothing_but_the_student_trains():
    settings = Settings(pruning_percent=50, weight_bits=2, student_percent=50)
    recipe = recipe_of(SUBJECT, settings)
    assert techniques(recipe) == ["distillation", "channel_pruning", "quantization"]
    assert recipe.steps[0].epochs == budgets.student_passes(SUBJECT, "quick", width_mult=0.5)
    assert budgets.trains(recipe_of(SUBJECT, settings))
    assert not budgets.trains(recipe_of(SUBJECT, replace(settings, student_percent=100)))


def test_training_with_codes_only_where_rounding_hurts():
    assert "fine_tuning" not in techniques(recipe_of(SUBJECT, Settings(weight_bits=8, budget="quick")))
    assert "fine_tuning" in techniques(recipe_of(SUBJECT, Settings(weight_bits=4, budget="quick")))


@pytest.mark.parametrize(("bits", "activations"), [(16, None), (8, 8), (1, 8)])
def test_activations_are_quantized_where_integer_kernels_exist(bits, activations):
    (step,) = recipe_of(SUBJECT, Settings(weight_bits=bits)).steps
    assert step.activation_bits == activations


def test_single_weights_instead_of_channels():
    (step,) = recipe_of(SUBJECT, Settings(pruning_percent=90, remove="weights", scope="layer")).steps
    assert (step.technique, step.sparsity, step.scope) == ("magnitude_pruning", 0.9, "layer")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("budget", BUDGETS)
def test_recipes_lead_back_to_the_same_settings(model, budget):
    positions = itertools.product((0, 5, 55, 95), (32, 16, 8, 4, 1), (100, 50, 10), ("channels", "weights"))
    for pruning, bits, student, remove in positions:
        settings = Settings(pruning, bits, student, budget, remove)
        recipe = recipe_of(subject_of(model), settings)
        found = settings_of(subject_of(recipe.model), recipe, budget)
        assert found is not None
        assert found.budget == budget
        assert found.epochs is None
        assert recipe_of(subject_of(model), found) == recipe
        assert (found.pruning_percent, found.weight_bits, found.student_percent) == (pruning, bits, student)


@pytest.mark.parametrize(
    "steps",
    [
        [{"technique": "channel_pruning", "pruning_ratio": 0.333}],
        [{"technique": "fine_tuning", "epochs": 2}],
        [{"technique": "quantization", "weight_bits": 16, "activation_bits": 8}],
        [{"technique": "magnitude_pruning", "sparsity": 0.99}],
    ],
)
def test_recipes_beyond_the_sliders_are_recognised(steps):
    assert settings_of(SUBJECT, make_recipe(MODEL, steps)) is None


EVERYTHING = Settings(
    pruning_percent=50,
    weight_bits=4,
    student_percent=50,
    budget="quick",
    remove="weights",
    structure=(LayerTying(blocks=2), DepthwiseSeparable(share=0.5), LowRank(rank_ratio=0.5)),
    coding="huffman",
)


def test_everything_at_once_is_in_legal_order():
    assert techniques(recipe_of(SUBJECT, EVERYTHING)) == [
        "distillation",
        "layer_tying",
        "depthwise_separable",
        "low_rank",
        "magnitude_pruning",
        "fine_tuning",
        "quantization",
        "fine_tuning",
        "entropy_coding",
    ]


NUMBERS = {
    "pruning_percent": st.sampled_from(range(0, 100, 5)),
    "weight_bits": st.sampled_from(setting.BIT_WIDTHS),
    "student_percent": st.sampled_from(range(10, 105, 5)),
    "depth_percent": st.sampled_from(range(20, 105, 5)),
    "budget": st.sampled_from([*BUDGETS, "2 minutes"]),
    "resolution": st.none() | st.integers(4, 64),
    "activation_bits": st.none() | st.integers(4, 8),
    "teachers": st.sampled_from([(), ("lenet5-mnist5k",), ("lenet5-mnist5k", "resnet8-mnist5k")]),
    "epochs": st.none() | st.sampled_from([0.5, 7.0]),
    "match_weight": st.sampled_from([1.0, 50.0]),
    "temperature": st.sampled_from([1.0, 4.0, 7.5]),
    "recover_temperature": st.sampled_from([1.0, 4.0, 7.5]),
    **dict.fromkeys(("alpha", "recover_alpha", "entropy_penalty", "rate_weight"), st.sampled_from([0.0, 0.25, 1.0])),
    "seed": st.integers(0, 9),
}


def positions_of(field):
    kind = get_type_hints(Settings)[field.name]
    if field.name in NUMBERS:
        return NUMBERS[field.name]
    return st.booleans() if kind is bool else st.sampled_from(get_args(kind))


PLAIN = {field.name: positions_of(field) for field in fields(Settings) if field.name != "structure"}
STRUCTURE = st.builds(
    LowRank,
    rank_ratio=st.sampled_from([percent / 100 for percent in range(5, 105, 5)]),
    convolutions=st.sampled_from(["tucker", "spatial"]),
    round_to=st.sampled_from([1, 8]),
)
ANY_SETTINGS = st.builds(
    lambda settings, rank, share, blocks: with_step(
        placed(placed(settings, "depthwise_separable", share), "layer_tying", blocks), rank
    ),
    st.builds(Settings, **PLAIN),
    STRUCTURE,
    st.sampled_from((0, 25, 50, 75, 100)),
    st.integers(1, 8),
)


@given(settings=ANY_SETTINGS)
def test_whatever_the_controls_say_is_legal_and_leads_back_to_them(settings):
    recipe = recipe_of(SUBJECT, settings)
    found = settings_of(subject_of(recipe.model), recipe, settings.budget)
    assert found is not None
    assert recipe_of(SUBJECT, found) == recipe


def test_every_choice_of_the_controls_is_a_choice_of_the_recipe():
    hints = get_type_hints(Settings)
    for step_type, controls in setting._CONTROLS.items():
        legal = get_type_hints(step_type)
        for name, field in controls.plain.items():
            if get_origin(hints[name]) is Literal and name != "student":
                assert set(get_args(hints[name])) == set(get_args(legal[field])), (step_type, name)


def test_controls_start_where_the_steps_defaults_are():
    """But for activations: integer kernels need them, and the bit width slider is there to show what they gain."""
    for step_type, controls in setting._CONTROLS.items():
        for name in set(controls.plain) - {"weight_bits", "activation_bits"}:
            assert getattr(Settings(), name) == step_type.model_fields[controls.plain[name]].default, name


def test_a_pattern_fixes_the_zeros():
    for pattern, sparsity in (("2:4", 0.5), ("1:4", 0.75)):
        (step,) = recipe_of(SUBJECT, Settings(pruning_percent=5, remove="weights", pattern=pattern)).steps
        assert (step.pattern, step.sparsity) == (pattern, sparsity)
    assert Settings(pattern="2:4", remove="weights").removed == 0


def test_pruning_while_training_takes_the_place_of_fine_tuning():
    settings = Settings(pruning_percent=90, remove="weights", gradual=True, regrowth="gradient", budget="quick")
    (step,) = recipe_of(SUBJECT, settings).steps
    assert (step.epochs, step.regrowth) == (budgets.tuning_passes(SUBJECT, "quick", alpha=0.9), "gradient")
    assert budgets.trains(recipe_of(SUBJECT, settings))
    (step,) = recipe_of(SUBJECT, replace(settings, budget="none")).steps
    assert (step.epochs, step.regrowth) == (0, "none")
    assert not budgets.trains(recipe_of(SUBJECT, replace(settings, budget="none")))


@pytest.mark.parametrize(("bits", "clusters"), [(1, 2), (4, 16), (8, 256)])
def test_the_bit_width_of_a_codebook_is_its_number_of_values(bits, clusters):
    (step,) = recipe_of(SUBJECT, Settings(weight_bits=bits, codes="codebook", weighting="none")).steps
    assert (step.technique, step.clusters, step.weighting) == ("weight_sharing", clusters, "none")


def test_half_precision_is_the_same_with_a_codebook():
    (step,) = recipe_of(SUBJECT, Settings(weight_bits=16, codes="codebook", float_format="bfloat16")).steps
    assert (step.technique, step.weight_bits, step.float_format) == ("quantization", 16, "bfloat16")


def test_settings_without_effect_do_not_make_another_recipe():
    for base, changes in (
        (Settings(weight_bits=4), {"float_format": "bfloat16"}),
        (Settings(weight_bits=16), {"method": "adaround", "symmetric": False}),
        (Settings(pruning_percent=50), {"pattern": "blocks", "criterion": "second_order"}),
        (Settings(pruning_percent=50, remove="weights"), {"regrowth": "gradient", "gradual": True}),
        (Settings(student_percent=50), {"depth_percent": 50, "resolution": 16, "match_weight": 7.0}),
        (Settings(50, budget="quick", recover_alpha=0.0), {"recover_temperature": 2.0, "learn_scales": True}),
    ):
        assert recipe_of(SUBJECT, replace(base, **changes)) == recipe_of(SUBJECT, base)


def test_another_family_is_a_student_at_every_size_and_a_slimmable_one_needs_no_training():
    (other,) = recipe_of(SUBJECT, Settings(student="mobilenet_v3_small", depth_percent=60, resolution=16)).steps
    assert (other.student, other.width_mult, other.depth_mult, other.resolution) == ("mobilenet_v3_small", 1, 0.6, 16)
    assert recipe_of(SUBJECT, Settings(student="slimmable")).is_baseline
    narrow = recipe_of(SUBJECT, Settings(student="slimmable", student_percent=10))
    assert narrow.steps[0].width_mult == limits(SlimmableStudent, "width_mult")[0]
    assert budgets.training_seconds(SUBJECT, narrow) == 0


@pytest.mark.parametrize(
    "changes", [{"learn_scales": True}, {"activation_bits": 4}, {"entropy_penalty": 0.5}, {"weight_bits": 4}]
)
def test_training_with_codes_where_it_is_asked_for(changes):
    settings = replace(Settings(weight_bits=8, budget="quick"), **changes)
    recipe = recipe_of(SUBJECT, settings)
    assert techniques(recipe) == ["quantization", "fine_tuning"]
    assert recipe.steps[1].learn_scales == settings.learn_scales
    assert recipe.steps[1].entropy_penalty == settings.entropy_penalty
    assert "fine_tuning" not in techniques(recipe_of(SUBJECT, replace(settings, budget="none")))


def test_help_from_the_original_is_in_every_fine_tuning():
    settings = Settings(50, 4, budget="quick", recover_alpha=0.7, recover_temperature=2.0)
    tuned = [step for step in recipe_of(SUBJECT, settings).steps if step.technique == "fine_tuning"]
    assert [(step.alpha, step.temperature) for step in tuned] == [(0.7, 2.0)] * 2
    plain = recipe_of(SUBJECT, replace(settings, recover_alpha=0.0))
    assert sum(step.epochs for step in plain.steps if step.technique == "fine_tuning") > sum(s.epochs for s in tuned)


def test_what_a_model_does_not_have_is_left_out():
    asked = Settings(student="slimmable", teachers=("lenet300-mnist5k", "resnet20-fashion"))
    fitted = setting.fitted_to(asked, LENET5, before=RESNET8)
    assert (fitted.student, fitted.teachers) == ("slimmable", ("lenet300-mnist5k",))
    assert setting.fitted_to(asked, MLP, before=RESNET8).student == "same"


def test_students_need_no_training_where_the_model_brings_them_unless_it_is_asked_for():
    asked = replace(setting.neutral_settings(LENET5), student_percent=50)
    assert techniques(recipe_of(LENET5, asked)) == ["slimmable_student"]
    assert techniques(recipe_of(LENET5, replace(asked, student="same"))) == ["distillation"]
    assert setting.neutral_settings(MLP) == Settings()


def test_another_model_brings_its_usual_students():
    usual, chosen = Settings(), Settings(student="squeezenet")
    assert setting.fitted_to(usual, LENET5, before=MLP).student == "slimmable"
    assert setting.fitted_to(usual, RESNET8, before=LENET5).student == "same"
    assert setting.fitted_to(chosen, LENET5, before=MLP).student == "squeezenet"


def test_teachers_are_the_models_on_the_same_data():
    assert subject_of("resnet20-fashion").teachers == ("resnet20-fashion", "mobilenet-fashion")


def test_slider_ranges_are_the_legal_ones():
    assert limits(ChannelPruning, "pruning_ratio") == (0, setting.PRUNING[-1] / 100)
    assert limits(Distillation, "width_mult") == (setting.WIDTHS[0] / 100, 1)
    assert limits(Distillation, "depth_mult") == (setting.DEPTHS[0] / 100, 1)
    assert limits(SlimmableStudent, "width_mult") == (setting.SLIMMABLE_WIDTHS[0] / 100, 1)
    for step_type in (LayerTying, DepthwiseSeparable, LowRank):
        kind = kind_of(step_type)
        percent = 100 if is_share(step_type, kind.main) else 1
        assert limits(step_type, kind.main) == (min(kind.slider) / percent, max(kind.slider) / percent)


def test_a_technique_with_a_slider_of_its_own_is_off_at_its_first_position():
    settings = placed(placed(Settings(), "low_rank", 30), "layer_tying", 2)
    assert [step.technique for step in settings.structure] == ["layer_tying", "low_rank"]
    assert placed(placed(settings, "low_rank", 100), "layer_tying", 1) == Settings()
    spatial = with_step(settings, LowRank(rank_ratio=0.5, convolutions="spatial"))
    assert placed(spatial, "low_rank", 25).structure[1] == LowRank(rank_ratio=0.25, convolutions="spatial")


def test_other_sliders_of_techniques_are_put_on_the_nearest_position():
    recipe = make_recipe(MODEL, [{"technique": "low_rank", "rank_ratio": 0.33}])
    (step,) = nearest_settings(SUBJECT, recipe).structure
    assert step.rank_ratio == 0.35
    assert settings_of(SUBJECT, recipe) is None
