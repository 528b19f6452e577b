import itertools

import pytest

from compression.recipe.budgets import LONGEST, SHORTEST_IMAGES, schooling, student_epochs, training_seconds, trains
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import Settings, recipe_of
from sample_models.catalogue import MODELS

FAMILIES = ("mobilenet_v3_small", "efficientnet_b0", "squeezenet")
MODEL = "lenet5-mnist5k"


def test_quick_takes_seconds_and_thorough_several_times_as_long():
    for model in MODELS:
        quick, thorough = (
            training_seconds(recipe_of(model, Settings(pruning_percent=50, budget=budget)))
            for budget in ("quick", "thorough")
        )
        assert 0 < quick <= 12
        assert 4 * quick <= thorough <= 12 * quick


def test_a_smaller_student_trains_faster():
    half, full = (training_seconds(recipe_of(MODEL, Settings(student_percent=p))) for p in (30, 90))
    assert 0 < half < full


@pytest.mark.parametrize("student", FAMILIES)
@pytest.mark.parametrize("model", MODELS)
def test_another_family_keeps_to_the_time_of_the_budget(model, student):
    plan = schooling(model)
    for budget, width in itertools.product(("quick", "thorough"), (0.25, 1.0)):
        settings = Settings(student=student, student_percent=round(100 * width), budget=budget)
        recipe = recipe_of(model, settings)
        epochs = recipe.steps[0].epochs
        own = plan.quick_student if budget == "quick" else plan.thorough_student
        assert 0 < epochs <= own
        seen = epochs * plan.train_images
        assert seen >= min(own * plan.train_images, 0.95 * SHORTEST_IMAGES)
        if seen > 1.05 * SHORTEST_IMAGES:  # more than it must have: then it fits
            assert training_seconds(recipe) <= 1.5 * LONGEST[budget]


def test_a_slow_student_gets_fewer_epochs_than_a_fast_one():
    slow, fast = (student_epochs(MODEL, "quick", student=name) for name in ("efficientnet_b0", "squeezenet"))
    small = student_epochs(MODEL, "quick", student="squeezenet", width_mult=0.25, depth_mult=0.5, resolution=14)
    assert slow < fast < small <= schooling(MODEL).quick_student
    assert student_epochs(MODEL, "none", student="squeezenet") == fast


def test_what_trains():
    assert not trains(make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 0}]))
    assert trains(make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 0.1}]))
