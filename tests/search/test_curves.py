import pytest

from compression.models.subject import subject_of
from compression.recipe.budgets import BUDGETS
from compression.recipe.recipe import MAX_STEPS, make_recipe
from compression.recipe.settings import Settings, placed, recipe_of
from compression.search import curves, estimate
from compression.search.curves import CURVES, DEFAULT_CURVES
from compression.search.priors import Effect
from sample_models.catalogue import MODELS

MODEL = "lenet5-mnist5k"


def techniques(recipe):
    return [step.technique for step in recipe.steps]


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_sweep_is_the_baseline_and_every_point_of_every_curve_once(budget):
    recipes = curves.sweep_recipes(subject_of(MODEL), budget)
    points = [recipe for curve in curves.curve_recipes(subject_of(MODEL), budget).values() for recipe in curve.values()]
    assert recipes[0].is_baseline
    assert set(recipes[1:]) == set(points)
    assert len(recipes) == len(set(recipes)) == len(points) + 1


def test_the_first_points_of_a_sweep_touch_every_swift_curve():
    first = curves.sweep_recipes(subject_of(MODEL), "none")[1:4]
    assert {techniques(recipe)[0] for recipe in first} == {"channel_pruning", "magnitude_pruning", "quantization"}


def test_curves_run_from_mild_to_strong():
    drawn = curves.curve_recipes(subject_of(MODEL), "none", CURVES)
    for curve in ("channel_pruning", "second_order_pruning", "depthwise_separable"):
        assert list(drawn[curve]) == sorted(drawn[curve])
    for curve in ("quantization", "weight_sharing", "low_rank", "distillation"):
        assert list(drawn[curve]) == sorted(drawn[curve], reverse=True)


def test_only_what_is_shown_is_measured():
    assert set(curves.curve_recipes(subject_of(MODEL), "none")) == set(DEFAULT_CURVES)
    (baseline, *points) = curves.sweep_recipes(subject_of(MODEL), "none", ("low_rank",))
    assert baseline.is_baseline
    assert {techniques(recipe)[0] for recipe in points} == {"low_rank"}
    assert curves.sweep_recipes(subject_of(MODEL), "none", ()) == (baseline,)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("budget", BUDGETS)
def test_a_curve_moves_one_slider_and_trains_only_with_a_budget(curve, budget):
    techniques_of = {"student_control": "distillation"}
    for position, recipe in curves.curve_points(subject_of(MODEL), budget, curve).items():
        assert techniques(recipe)[0] == techniques_of.get(curve, curve), position
        if budget == "none" and not CURVES[curve].always_trains:
            assert len(recipe.steps) == 1


def test_a_curve_is_offered_only_where_it_makes_sense(monkeypatch, tmp_path):
    assert "depthwise_separable" in curves.curves_for(subject_of("resnet8-mnist5k"))
    for model in ("mlp-digits", "lenet300-mnist5k", "mobilenet-fashion"):
        assert "depthwise_separable" not in curves.curves_for(subject_of(model))
    monkeypatch.setattr("sample_models.catalogue.WEIGHTS", tmp_path)
    assert not any("slimmable_student" in curves.curves_for(subject_of(model)) for model in MODELS)
    (tmp_path / "slimmable-lenet5-mnist5k.safetensors").touch()
    assert "slimmable_student" in curves.curves_for(subject_of("lenet5-mnist5k"))
    assert "slimmable_student" not in curves.curves_for(subject_of("mlp-digits"))


def test_a_curve_of_which_little_is_said_is_drawn_grey_and_guessed_to_change_nothing(monkeypatch):
    bare = curves.Curve("layer_tying", "layer_tying", (2, 4))
    monkeypatch.setitem(CURVES, bare.name, bare)
    assert (bare.words, bare.colour) == ("Layer tying", curves.NEUTRAL)
    points = curves.curve_recipes(subject_of(MODEL), "none", [bare.name])[bare.name]
    assert {at: techniques(recipe) for at, recipe in points.items()} == {2: ["layer_tying"], 4: ["layer_tying"]}
    assert bare.name in dict(estimate._moved(placed(Settings(), "layer_tying", 3)))
    assert bare.effect(3, "none") == Effect()
    assert bare.name not in DEFAULT_CURVES


def test_the_control_of_a_student_differs_in_nothing_but_the_teacher():
    recipe = recipe_of(subject_of(MODEL), Settings(student_percent=50, weight_bits=8))
    control = curves.control_of(recipe)
    assert control.steps[0].alpha == 0
    assert control.steps[0].model_copy(update={"alpha": recipe.steps[0].alpha}) == recipe.steps[0]
    assert control.steps[1:] == recipe.steps[1:]
    assert curves.control_of(control) is None
    assert curves.control_of(recipe_of(subject_of(MODEL), Settings(pruning_percent=50))) is None


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_student_of_the_sweep_has_its_control_beside_it(budget):
    recipes = curves.sweep_recipes(subject_of(MODEL), budget)
    for position, recipe in enumerate(recipes):
        control = curves.control_of(recipe)
        if control is not None:
            assert recipes[position + 1] == control


@pytest.mark.parametrize(
    ("step", "plain"),
    [
        (
            {"technique": "distillation", "width_mult": 0.5, "loss": "dkd", "match": "hint", "teachers": [MODEL]},
            [{"technique": "distillation", "width_mult": 0.5, "alpha": 0}],
        ),
        (
            {"technique": "distillation", "width_mult": 0.5, "student": "squeezenet", "alpha": 0, "match": "relation"},
            [{"technique": "distillation", "width_mult": 0.5, "student": "squeezenet", "alpha": 0}],
        ),
        (
            {"technique": "fine_tuning", "epochs": 3, "alpha": 0.9, "entropy_penalty": 0.1, "learn_scales": True},
            [{"technique": "fine_tuning", "epochs": 3}],
        ),
        (
            {"technique": "magnitude_pruning", "sparsity": 0.9, "epochs": 2, "learning_rate": 0.02},
            [
                {"technique": "magnitude_pruning", "sparsity": 0.9, "learning_rate": 0.02},
                {"technique": "fine_tuning", "epochs": 2, "learning_rate": 0.02},
            ],
        ),
    ],
)
def test_a_control_keeps_shapes_and_budget_and_trains_on_labels_alone(step, plain):
    around = [{"technique": "quantization", "weight_bits": 4}]
    control = curves.control_of(make_recipe(MODEL, [step, *around], seed=7))
    assert control == make_recipe(MODEL, [*plain, *around], seed=7)
    assert curves.control_of(control) is None


@pytest.mark.parametrize(
    "steps", [[], [{"technique": "fine_tuning", "epochs": 3}], [{"technique": "magnitude_pruning", "sparsity": 0.9}]]
)
def test_plain_recipes_have_no_control(steps):
    assert curves.control_of(make_recipe(MODEL, steps)) is None


def test_a_recipe_too_long_for_its_control_has_none():
    gradual = {"technique": "magnitude_pruning", "sparsity": 0.5, "epochs": 1}
    steps = [gradual, *[{"technique": "fine_tuning", "epochs": 1}] * (MAX_STEPS - 1)]
    assert curves.control_of(make_recipe(MODEL, steps)) is None
    assert curves.control_of(make_recipe(MODEL, steps[:-1])) is not None
