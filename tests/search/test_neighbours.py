from dataclasses import replace

import pytest

from compression.models.subject import subject_of
from compression.recipe.budgets import trains
from compression.recipe.settings import BIT_WIDTHS, SLIMMABLE_WIDTHS, Settings, recipe_of
from compression.search.neighbours import SLIDERS, Move, move_between, neighbours, positions

MODEL = "lenet5-mnist5k"  # with a slimmable network
SUBJECT = subject_of(MODEL)
HERE = Settings(pruning_percent=50, weight_bits=4, student="slimmable")


def recipes(*changes, of=HERE):
    return tuple(recipe_of(SUBJECT, replace(of, **change)) for change in changes)


def test_one_step_up_and_down_each_slider_in_use():
    expected = recipes({"pruning_percent": 55}, {"pruning_percent": 45}, {"weight_bits": 3}, {"weight_bits": 5})
    assert neighbours(SUBJECT, HERE) == expected


@pytest.mark.parametrize(("direction", "first", "second"), [(1, 3, 5), (-1, 5, 3)])
def test_a_person_goes_on_where_they_go(direction, first, second):
    found = neighbours(SUBJECT, HERE, Move("weight_bits", direction))
    assert found[:2] == recipes({"weight_bits": first}, {"weight_bits": second})
    assert len(found) == 4


def test_neutral_sliders_are_left_alone_unless_moved():
    settings = Settings(student="slimmable")
    assert neighbours(SUBJECT, settings) == ()
    back = neighbours(SUBJECT, settings, Move("student_percent", 1))
    assert back == recipes({"student_percent": 95}, of=settings)


def test_sliders_end():
    at_ends = replace(HERE, pruning_percent=95, weight_bits=1, student_percent=SLIMMABLE_WIDTHS[0])
    expected = recipes(
        {"pruning_percent": 90}, {"weight_bits": 2}, {"student_percent": SLIMMABLE_WIDTHS[0] + 5}, of=at_ends
    )
    assert neighbours(SUBJECT, at_ends) == expected


def test_nothing_that_trains():
    assert neighbours(SUBJECT, replace(HERE, budget="quick")) == ()
    students = replace(HERE, student="same", weight_bits=32)
    found = neighbours(SUBJECT, students, Move("student_percent", -1))
    assert found == recipes({"pruning_percent": 55}, {"pruning_percent": 45}, of=students)
    assert not any(trains(recipe) for recipe in found)


def test_positions_that_change_nothing_are_no_neighbours():
    pattern = Settings(pruning_percent=50, remove="weights", pattern="2:4", student="slimmable")
    assert neighbours(SUBJECT, pattern) == ()


def test_off_the_grid_there_is_no_step():
    assert neighbours(SUBJECT, replace(HERE, pruning_percent=33, weight_bits=32)) == ()


@pytest.mark.parametrize(
    ("change", "move"),
    [
        ({"pruning_percent": 90}, Move("pruning_percent", 1)),
        ({"weight_bits": 32}, Move("weight_bits", -1)),
        ({"weight_bits": 2}, Move("weight_bits", 1)),
        ({}, None),
        ({"pruning_percent": 90, "weight_bits": 2}, None),
        ({"pruning_percent": 90, "importance": "l1"}, None),
        ({"importance": "l1"}, None),
    ],
)
def test_the_last_move(change, move):
    assert move_between(HERE, replace(HERE, **change)) == move


@pytest.mark.parametrize("slider", SLIDERS)
def test_every_position_is_a_recipe(slider):
    for student in ("same", "slimmable"):
        settings = replace(HERE, student=student)
        for place in positions(slider, settings):
            recipe_of(SUBJECT, replace(settings, **{slider: place}))
    assert positions("weight_bits", HERE) == BIT_WIDTHS
