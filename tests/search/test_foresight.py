from dataclasses import replace

import pytest

from compression.models.subject import subject_of
from compression.recipe.settings import Settings, recipe_of
from compression.search.curves import CURVES, curve_recipes
from compression.search.estimate import Known, estimate
from compression.search.foresight import foresee
from compression.search.neighbours import SLIDERS, positions
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"
SUBJECT = subject_of(MODEL)
HERE = Settings(pruning_percent=50, weight_bits=4, student="slimmable")
KNOWN = Known(SUBJECT, accuracy=0.99, stored_bytes=1_700_000, latency_ms=0.2)


@pytest.fixture(scope="module")
def measured():
    curves = curve_recipes(SUBJECT, "none", CURVES)
    return {curve: {at: fabricate(recipe) for at, recipe in recipes.items()} for curve, recipes in curves.items()}


@pytest.mark.parametrize("slider", SLIDERS)
def test_every_position_of_a_slider_is_what_the_page_shows_there(slider, measured):
    row = foresee(HERE, {}, KNOWN, measured)[slider]
    settings = [replace(HERE, **{slider: position}) for position in positions(slider, HERE)]
    assert settings[row.at] == HERE
    assert [place.recipe_id for place in row.places] == [recipe_of(SUBJECT, there).recipe_id for there in settings]
    assert [place.guess for place in row.places] == [estimate(there, KNOWN, measured) for there in settings]


def test_what_is_measured_is_known():
    there = fabricate(recipe_of(SUBJECT, replace(HERE, weight_bits=3)))
    elsewhere = fabricate(recipe_of(SUBJECT, replace(HERE, weight_bits=3, pruning_percent=5)))
    rows = foresee(HERE, {result.recipe_id: result for result in (there, elsewhere)}, KNOWN, {})
    found = [place.result for row in rows.values() for place in row.places if place.result]
    assert found == [there]
    assert rows["weight_bits"].places[rows["weight_bits"].at + 1].result == there


def test_a_slider_between_its_positions_has_no_row_to_stand_in():
    assert foresee(replace(HERE, pruning_percent=37), {}, KNOWN, {}) == {}
