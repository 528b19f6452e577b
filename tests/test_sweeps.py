import itertools
from dataclasses import replace

import pytest

from compression import sweeps
from compression.recipe import ChannelPruning, Distillation, limits, make_recipe
from compression.sweeps import BUDGETS, CURVES, Settings, recipe_of, settings_of
from sample_models.catalogue import MODELS

MODEL = "lenet5-mnist5k"


def techniques(recipe):
    return [step.technique for step in recipe.steps]


def test_neutral_settings_are_the_baseline():
    assert recipe_of(MODEL, Settings()).is_baseline
    assert recipe_of(MODEL, Settings(budget="thorough")).is_baseline


def test_all_sliders_moved_give_the_whole_pipeline_in_legal_order():
    settings = Settings(pruning_percent=50, weight_bits=4, student_percent=50, budget="quick")
    assert techniques(recipe_of(MODEL, settings)) == [
        "distillation",
        "channel_pruning",
        "fine_tuning",
        "quantization",
        "fine_tuning",
    ]


def test_without_a_budget_nothing_but_the_student_trains():
    settings = Settings(pruning_percent=50, weight_bits=2, student_percent=50)
    recipe = recipe_of(MODEL, settings)
    assert techniques(recipe) == ["distillation", "channel_pruning", "quantization"]
    assert recipe.steps[0].epochs == sweeps.schooling(MODEL).quick_student
    assert settings.trains
    assert not replace(settings, student_percent=100).trains


def test_training_with_codes_only_where_rounding_hurts():
    assert "fine_tuning" not in techniques(recipe_of(MODEL, Settings(weight_bits=8, budget="quick")))
    assert "fine_tuning" in techniques(recipe_of(MODEL, Settings(weight_bits=4, budget="quick")))


@pytest.mark.parametrize(("bits", "activations"), [(16, None), (8, 8), (1, 8)])
def test_activations_are_quantized_where_integer_kernels_exist(bits, activations):
    (step,) = recipe_of(MODEL, Settings(weight_bits=bits)).steps
    assert step.activation_bits == activations


def test_single_weights_instead_of_channels():
    (step,) = recipe_of(MODEL, Settings(pruning_percent=90, remove="weights", scope="layer")).steps
    assert (step.technique, step.sparsity, step.scope) == ("magnitude_pruning", 0.9, "layer")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("budget", BUDGETS)
def test_recipes_lead_back_to_the_same_settings(model, budget):
    positions = itertools.product((0, 5, 55, 95), (32, 16, 8, 4, 1), (100, 50, 10), ("channels", "weights"))
    for pruning, bits, student, remove in positions:
        settings = Settings(pruning, bits, student, budget, remove)
        recipe = recipe_of(model, settings)
        found = settings_of(recipe, budget)
        assert found is not None
        assert found.budget == budget
        assert found.epochs is None
        assert recipe_of(model, found) == recipe
        assert (found.pruning_percent, found.weight_bits, found.student_percent) == (pruning, bits, student)


@pytest.mark.parametrize(
    "changes",
    [
        {"importance": "l1"},
        {"round_to": 8},
        {"recalibrate": False},
        {"activation_bits": None},
        {"granularity": "tensor"},
        {"symmetric": False},
        {"method": "nearest"},
        {"temperature": 2.5},
        {"alpha": 0.5},
        {"epochs": 7.0},
        {"seed": 3},
    ],
)
def test_advanced_settings_survive_the_way_through_a_recipe(changes):
    settings = replace(Settings(30, 4, 60, "quick"), **changes)
    assert settings_of(recipe_of(MODEL, settings), "quick") == settings


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
    assert settings_of(make_recipe(MODEL, steps)) is None


def test_slider_ranges_lie_within_the_legal_ones():
    low, high = limits(ChannelPruning, "pruning_ratio")
    assert low == 0
    assert high == sweeps.MAX_PRUNING / 100
    assert limits(Distillation, "width_mult") == (sweeps.MIN_STUDENT / 100, 1)


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_sweep_is_the_baseline_and_every_point_of_every_curve_once(budget):
    recipes = sweeps.sweep_recipes(MODEL, budget)
    points = [recipe for curve in sweeps.curve_recipes(MODEL, budget).values() for recipe in curve.values()]
    assert recipes[0].is_baseline
    assert set(recipes[1:]) == set(points)
    assert len(recipes) == len(set(recipes)) == len(points) + 1


def test_the_first_points_of_a_sweep_touch_every_swift_curve():
    first = sweeps.sweep_recipes(MODEL, "none")[1:4]
    assert {techniques(recipe)[0] for recipe in first} == {"channel_pruning", "magnitude_pruning", "quantization"}


def test_curves_run_from_mild_to_strong():
    curves = sweeps.curve_recipes(MODEL, "none")
    assert list(curves["channel_pruning"]) == sorted(curves["channel_pruning"])
    assert list(curves["quantization"]) == sorted(curves["quantization"], reverse=True)
    assert set(curves) == set(CURVES)


def test_quick_takes_seconds_and_thorough_several_times_as_long():
    for model in MODELS:
        quick, thorough = (
            sweeps.training_seconds(recipe_of(model, Settings(pruning_percent=50, budget=budget)))
            for budget in ("quick", "thorough")
        )
        assert 0 < quick <= 12
        assert 4 * quick <= thorough <= 12 * quick


def test_a_smaller_student_trains_faster():
    half, full = (sweeps.training_seconds(recipe_of(MODEL, Settings(student_percent=p))) for p in (30, 90))
    assert 0 < half < full


def test_the_control_of_a_student_differs_in_nothing_but_the_teacher():
    recipe = sweeps.recipe_of(MODEL, sweeps.Settings(student_percent=50, weight_bits=8))
    control = sweeps.control_of(recipe)
    assert control.steps[0].alpha == 0
    assert control.steps[0].model_copy(update={"alpha": recipe.steps[0].alpha}) == recipe.steps[0]
    assert control.steps[1:] == recipe.steps[1:]
    assert sweeps.control_of(control) is None
    assert sweeps.control_of(sweeps.recipe_of(MODEL, sweeps.Settings(pruning_percent=50))) is None


@pytest.mark.parametrize("budget", sweeps.BUDGETS)
def test_every_student_of_the_sweep_has_its_control_beside_it(budget):
    recipes = sweeps.sweep_recipes(MODEL, budget)
    for position, recipe in enumerate(recipes):
        control = sweeps.control_of(recipe)
        if control is not None:
            assert recipes[position + 1] == control
