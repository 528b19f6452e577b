import itertools

import pytest

from compression.models.subject import subject_of
from compression.recipe.budgets import LONGEST, SHORTEST_IMAGES, budgets_of, student_epochs, training_seconds, trains
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import Settings, recipe_of
from sample_models.catalogue import MODELS

FAMILIES = ("mobilenet_v3_small", "efficientnet_b0", "squeezenet")
MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)


def test_quick_takes_seconds_and_thorough_several_times_as_long():
    for model in MODELS:
        quick, thorough = (
            training_seconds(
                subject_of(model), recipe_of(subject_of(model), Settings(pruning_percent=50, budget=budget))
            )
            for budget in ("quick", "thorough")
        )
        assert 0 < quick <= 12
        assert 4 * quick <= thorough <= 12 * quick


def test_a_smaller_student_trains_faster():
    half, full = (training_seconds(SUBJECT, recipe_of(SUBJECT, Settings(student_percent=p))) for p in (30, 90))
    assert 0 < half < full


@pytest.mark.parametrize("student", FAMILIES)
@pytest.mark.parametrize("model", MODELS)
def test_another_family_keeps_to_the_time_of_the_budget(model, student):
    subject = subject_of(model)
    plan, images = budgets_of(subject), subject.data.train_images
    for budget, width in itertools.product(("quick", "thorough"), (0.25, 1.0)):
        settings = Settings(student=student, student_percent=round(100 * width), budget=budget)
        recipe = recipe_of(subject, settings)
        epochs = recipe.steps[0].epochs
        own = plan.quick_student if budget == "quick" else plan.thorough_student
        assert 0 < epochs <= own
        seen = epochs * images
        assert seen >= min(own * images, 0.95 * SHORTEST_IMAGES)
        if seen > 1.05 * SHORTEST_IMAGES:  # more than it must have: then it fits
            assert training_seconds(subject, recipe) <= 1.5 * LONGEST[budget]


def test_a_slow_student_gets_fewer_epochs_than_a_fast_one():
    slow, fast = (student_epochs(SUBJECT, "quick", student=name) for name in ("efficientnet_b0", "squeezenet"))
    small = student_epochs(SUBJECT, "quick", student="squeezenet", width_mult=0.25, depth_mult=0.5, resolution=14)
    assert slow < fast < small <= budgets_of(SUBJECT).quick_student
    assert student_epochs(SUBJECT, "none", student="squeezenet") == fast


def test_what_trains():
    assert not trains(make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 0}]))
    assert trains(make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 0.1}]))
