import pytest

from compression.errors import InvalidRecipe
from compression.models.subject import subject_of
from compression.recipe import edit
from compression.recipe.recipe import MAX_STEPS, make_recipe
from compression.recipe.steps import STEP_TYPES, Distillation, EntropyCoding, FineTuning
from compression.recipe.words import KINDS

MODEL = "lenet5-mnist5k"
STEPS = [
    {"technique": "channel_pruning", "pruning_ratio": 0.5},
    {"technique": "fine_tuning", "epochs": 1},
    {"technique": "quantization", "weight_bits": 4},
]
RECIPE = make_recipe(MODEL, STEPS, seed=3)


def techniques(recipe):
    return [step.technique for step in recipe.steps]


def test_every_kind_of_step_has_a_place():
    assert set(KINDS) == set(STEP_TYPES.values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_step_starts_with_something(kind):
    recipe = edit.added(make_recipe(MODEL, []), kind)
    (step,) = recipe.steps
    assert type(step) is kind
    assert getattr(step, KINDS[kind].main) == KINDS[kind].start[KINDS[kind].main]
    assert KINDS[kind].about.endswith(".")


def test_a_slimmable_student_is_offered_where_there_is_one():
    assert len(edit.offered(subject_of(MODEL))) == len(edit.offered(subject_of("mlp-digits"))) + 1


def test_a_new_step_comes_as_late_as_it_makes_sense():
    assert techniques(edit.added(RECIPE, Distillation))[0] == "distillation"
    assert techniques(edit.added(RECIPE, FineTuning))[-1] == "fine_tuning"
    written = edit.added(RECIPE, EntropyCoding)
    assert techniques(edit.added(written, FineTuning))[-2:] == ["fine_tuning", "entropy_coding"]


def test_a_step_that_makes_no_sense_anywhere_is_refused():
    student = edit.added(RECIPE, Distillation)
    assert "one student is enough" in edit.refusal(lambda: edit.added(student, Distillation))
    assert edit.refusal(lambda: edit.added(RECIPE, FineTuning)) == ""


def test_there_is_an_end_to_adding():
    full = make_recipe(MODEL, [STEPS[1]] * MAX_STEPS)
    with pytest.raises(InvalidRecipe, match=f"at most {MAX_STEPS} steps"):
        edit.added(full, FineTuning)


@pytest.mark.parametrize(
    ("at", "by", "expected"),
    [
        (0, 1, ["fine_tuning", "channel_pruning", "quantization"]),
        (1, -1, ["fine_tuning", "channel_pruning", "quantization"]),
        (2, 5, ["channel_pruning", "fine_tuning", "quantization"]),
        (0, -1, ["channel_pruning", "fine_tuning", "quantization"]),
    ],
)
def test_moving(at, by, expected):
    assert techniques(edit.moved(RECIPE, at, by)) == expected


def test_moving_where_it_makes_no_sense_says_why():
    with pytest.raises(InvalidRecipe, match="put it before quantization"):
        edit.moved(RECIPE, 0, 2)


def test_seed_and_model_stay():
    for other in (
        edit.removed(RECIPE, 1),
        edit.changed(RECIPE, 0, pruning_ratio=0.3),
        edit.moved(RECIPE, 0, 1),
    ):
        assert (other.model, other.seed) == (MODEL, 3)


def test_a_changed_setting_is_validated():
    assert edit.changed(RECIPE, 2, weight_bits=3).steps[2].weight_bits == 3
    with pytest.raises(InvalidRecipe, match="weight_bits"):
        edit.changed(RECIPE, 2, weight_bits=9)


def test_prefixes_lead_from_the_baseline_to_the_recipe():
    first, *middle, last = edit.prefixes(RECIPE)
    assert (first, last) == (RECIPE.baseline(), RECIPE)
    assert [techniques(recipe) for recipe in middle] == [["channel_pruning"], ["channel_pruning", "fine_tuning"]]
    assert edit.prefixes(RECIPE.baseline()) == (RECIPE.baseline(),)
