import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.errors import NotApplicable
from compression.models.subject import subject_of
from compression.recipe.budgets import trains
from compression.recipe.recipe import Recipe, make_recipe
from compression.search.space import KNOBS, Space
from tests.support import made_up_answers

WITH_STUDENTS, PLAIN = Space(subject_of("lenet5-mnist5k")), Space(subject_of("mlp-digits"))
positions = st.tuples(*(st.integers(0, size - 1) for size in WITH_STUDENTS.sizes))


@settings(max_examples=300, deadline=None)
@given(positions)
def test_every_position_is_a_recipe_and_back(position):
    here = WITH_STUDENTS.canonical(position)
    assert WITH_STUDENTS.canonical(here) == here
    recipe = WITH_STUDENTS.recipe(here)
    assert WITH_STUDENTS.position_of(recipe) == here


@settings(max_examples=200, deadline=None)
@given(positions, positions)
def test_different_positions_are_different_recipes(one, other):
    one, other = WITH_STUDENTS.canonical(one), WITH_STUDENTS.canonical(other)
    assert (WITH_STUDENTS.recipe(one) == WITH_STUDENTS.recipe(other)) == (one == other)


@settings(max_examples=100, deadline=None)
@given(positions)
def test_it_trains_where_the_budget_says_so(position):
    here = WITH_STUDENTS.canonical(position)
    assert trains(WITH_STUDENTS.recipe(here)) == (WITH_STUDENTS.values(here)["budget"] != "none")
    assert (WITH_STUDENTS.training_seconds(here) > 0) == trains(WITH_STUDENTS.recipe(here))


def test_where_all_knobs_do_nothing_is_the_uncompressed_model():
    origin = tuple([0] * len(PLAIN.knobs))
    assert PLAIN.recipe(origin) == Recipe(model="mlp-digits")
    effect = PLAIN.prior(origin)
    assert (effect.accuracy_change, effect.size_factor, effect.latency_factor) == (0, 1, 1)


def test_a_model_has_the_knobs_that_make_sense_for_it():
    assert {knob.name for knob in KNOBS} - set(PLAIN.names) == {"student", "separable", "share"}
    assert "separable" not in PLAIN.names  # it has no convolutions
    assert "student" in WITH_STUDENTS.names


@pytest.mark.parametrize(
    "steps",
    [
        [{"technique": "channel_pruning", "pruning_ratio": 0.55}],
        [{"technique": "channel_pruning", "pruning_ratio": 0.5, "importance": "taylor"}],
        [{"technique": "distillation", "width_mult": 0.5}],
        [{"technique": "fine_tuning", "epochs": 1}],
        [{"technique": "weight_sharing", "clusters": 15}],
    ],
)
def test_recipes_between_the_positions_have_none(steps):
    assert WITH_STUDENTS.position_of(make_recipe("lenet5-mnist5k", steps)) is None


def test_more_compression_is_expected_to_be_smaller_and_to_lose_more():
    mild, strong = (PLAIN.position({"zeros": zeros, "bits": bits}) for zeros, bits in ((50, 8), (95, 2)))
    assert PLAIN.prior(strong).size_factor < PLAIN.prior(mild).size_factor < 1
    assert PLAIN.prior(strong).accuracy_change < PLAIN.prior(mild).accuracy_change <= 0


WITH_TABLES = Space(subject_of("lenet5-mnist5k"), made_up_answers.tables())
at_tables = st.tuples(*(st.integers(0, size - 1) for size in WITH_TABLES.sizes))


@settings(max_examples=200, deadline=None)
@given(at_tables)
def test_with_tables_every_position_is_a_recipe_and_back_too(position):
    here = WITH_TABLES.canonical(position)
    assert WITH_TABLES.canonical(here) == here
    try:
        recipe = WITH_TABLES.recipe(here)
    except NotApplicable:
        assert WITH_TABLES.values(here)["share"] < 1  # no levels leave so little
        return
    assert WITH_TABLES.recipe(WITH_TABLES.position_of(recipe)) == recipe


def test_a_share_is_zeros_and_bits_of_each_layer():
    small, large = (WITH_TABLES.position({"share": share}) for share in (0.25, 0.5))
    recipe = WITH_TABLES.recipe(small)
    assert any(getattr(step, "levels", ()) for step in recipe.steps)
    assert WITH_TABLES.prior(small).size_factor == 0.25 < WITH_TABLES.prior(large).size_factor
    assert WITH_TABLES.prior(small).accuracy_change <= WITH_TABLES.prior(large).accuracy_change <= 0
    assert PLAIN.position_of(recipe) is None
