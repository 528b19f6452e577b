import itertools
import json
from dataclasses import replace

import pytest

from compression.errors import InvalidRecipe
from compression.models.subject import speed_path, subject_of
from compression.recipe.budgets import (
    LONGEST,
    MOST_PASSES,
    SECONDS,
    SHORTEST_IMAGES,
    in_minutes,
    parse_budget,
    passes_of,
    seconds_of,
    steps_of,
    student_passes,
    training_seconds,
    trains,
    tuning_passes,
)
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import Settings, neutral_settings, recipe_of, settings_of
from sample_models.catalogue import MODELS

FAMILIES = ("mobilenet_v3_small", "efficientnet_b0", "squeezenet")
MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)
SETTINGS = {
    "pruned": Settings(pruning_percent=50),
    "pruned and rounded": Settings(pruning_percent=50, weight_bits=3),
    "plainly trained": Settings(pruning_percent=50, recover_alpha=0.0),
    "gradual": Settings(pruning_percent=80, remove="weights", gradual=True),
    "student": Settings(student_percent=30),
    "all at once": Settings(student_percent=50, pruning_percent=30, weight_bits=2),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("model", MODELS)
def test_a_budget_is_a_time_whatever_the_model_and_however_many_steps_share_it(model, name):
    subject = subject_of(model)
    for budget in ("quick", "thorough", "1 minute"):
        settings = Settings(**{**vars(SETTINGS[name]), "budget": budget})
        recipe = recipe_of(subject, settings)
        seconds = training_seconds(subject, recipe)
        assert seconds <= 1.1 * seconds_of(budget)
        most = min(LONGEST, MOST_PASSES.get(budget, LONGEST))
        if not any(getattr(step, "epochs", 0) == most for step in recipe.steps):
            assert seconds >= 0.9 * seconds_of(budget)


def test_quick_is_seconds_and_thorough_minutes():
    assert SECONDS == {"none": 0.0, "quick": 15.0, "thorough": 300.0}


def test_passes_follow_from_the_speed_that_this_machine_was_measured_at(fresh_home):
    before = subject_of(MODEL)
    path = speed_path(MODEL)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"images_per_second": before.images_per_second / 10}))
    after = subject_of(MODEL)
    assert after.images_per_second == before.images_per_second / 10
    slow, fast = (tuning_passes(subject, "quick", alpha=0) for subject in (after, before))
    assert slow == pytest.approx(fast / 10, rel=0.05)
    path.write_text("{}")
    assert subject_of(MODEL).images_per_second == MODELS[MODEL].images_per_second


def test_minutes_are_a_budget_and_the_controls_find_it_again():
    assert parse_budget("2.5 minutes") == in_minutes(2.5)
    assert seconds_of("2.5 minutes") == 150
    settings = replace(neutral_settings(SUBJECT), pruning_percent=50, budget="2.5 minutes")
    recipe = recipe_of(SUBJECT, settings)
    assert settings_of(SUBJECT, recipe, "2.5 minutes") == settings
    assert recipe.steps[1].epochs > tuning_passes(SUBJECT, "quick", alpha=0.9)


@pytest.mark.parametrize("text", ["", "fast", "2 hours", "nan minutes", "inf minutes", "0 minutes", "1 minuten"])
def test_what_is_no_budget_is_refused_with_those_that_are(text):
    with pytest.raises(InvalidRecipe, match="none, quick, thorough or a time"):
        parse_budget(text)


@pytest.mark.parametrize("images", [969, 3244, 57488, 40])
def test_any_number_of_steps_can_be_said_in_passes(images):
    for steps in (1, 7, 20, 33, 101, 1234, 5000):
        assert steps_of(passes_of(steps, images), images) == steps
    assert passes_of(steps_of(0.05, 57488), 57488) == 0.05


def test_a_smaller_student_trains_more_passes_in_the_same_time():
    half, full = (student_passes(SUBJECT, "thorough", width_mult=width) for width in (0.3, 0.9))
    assert half > full
    assert student_passes(SUBJECT, "quick", teachers=3) < student_passes(SUBJECT, "quick")


@pytest.mark.parametrize("student", FAMILIES)
@pytest.mark.parametrize("model", MODELS)
def test_another_family_keeps_to_the_time_of_the_budget(model, student):
    subject = subject_of(model)
    images = subject.data.train_images
    for budget, width in itertools.product(("quick", "thorough"), (0.25, 1.0)):
        settings = Settings(student=student, student_percent=round(100 * width), budget=budget)
        recipe = recipe_of(subject, settings)
        seen = recipe.steps[0].epochs * images
        assert seen >= min(LONGEST * images, 0.95 * SHORTEST_IMAGES)
        if seen > 1.05 * SHORTEST_IMAGES:  # more than it must have: then it fits
            assert training_seconds(subject, recipe) <= 1.1 * seconds_of(budget)


def test_a_slow_student_gets_fewer_epochs_than_a_fast_one():
    slow, fast = (student_passes(SUBJECT, "thorough", student=name) for name in ("efficientnet_b0", "squeezenet"))
    small = student_passes(SUBJECT, "thorough", student="squeezenet", width_mult=0.25, depth_mult=0.5, resolution=14)
    assert slow < fast < small
    assert student_passes(SUBJECT, "none", student="squeezenet") == student_passes(
        SUBJECT, "quick", student="squeezenet"
    )


def test_what_trains():
    assert not trains(make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 0}]))
    assert trains(make_recipe(MODEL, [{"technique": "fine_tuning", "epochs": 0.1}]))
