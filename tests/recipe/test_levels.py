"""Levels of single layers in recipes: what is legal, ids, words and sliders."""

import json

import pytest

from compression.errors import InvalidRecipe
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe, parse_recipe
from compression.recipe.settings import nearest_settings, recipe_of, settings_of
from compression.recipe.steps import STEP_TYPES, ByLayer, fields_of
from compression.recipe.words import kind_of, levels_in_words, recipe_in_words

MAIN = {name: kind_of(kind).start for name, kind in STEP_TYPES.items() if issubclass(kind, ByLayer)}
LEVELS = dict.fromkeys(MAIN, (("b", 0.3), ("a", 0.6))) | dict.fromkeys(
    ("weight_sharing", "quantization"), (("b", 3.0), ("a", 8.0))
)
IDS = {
    "low_rank": "760175b71ffbc57f",
    "channel_pruning": "24ff24dc7b2b2f92",
    "magnitude_pruning": "b038dfc04659be60",
    "second_order_pruning": "d26bd12a73f56339",
    "weight_sharing": "6e22c4273001c6e9",
    "quantization": "453939cdb6d9633d",
}
"""Of recipes with the first setting of a new step, before there were levels."""


def one_step(technique, **settings):
    return make_recipe("m", [{"technique": technique, **MAIN[technique], **settings}])


def test_these_techniques_have_levels():
    assert set(MAIN) == set(LEVELS) == set(IDS)


@pytest.mark.parametrize("technique", MAIN)
class TestOfEveryTechnique:
    def test_ids_of_recipes_without_levels_are_what_they_were(self, technique):
        for recipe in (one_step(technique), one_step(technique, levels=[])):
            assert recipe.recipe_id == IDS[technique]
            for written in (recipe.to_json(), recipe.to_short_json(), recipe.model_dump_json()):
                assert "levels" not in written

    def test_levels_make_another_recipe_that_can_be_read_again(self, technique):
        recipe = one_step(technique, levels=LEVELS[technique])
        assert recipe.recipe_id != IDS[technique]
        for written in (recipe.to_json(), recipe.to_short_json(), json.dumps(recipe.model_dump(mode="json"))):
            assert parse_recipe(written) == recipe
            assert parse_recipe(written).recipe_id == recipe.recipe_id

    def test_equal_allocations_are_equal_recipes_in_any_order(self, technique):
        one, other = (one_step(technique, levels=order) for order in (LEVELS[technique], LEVELS[technique][::-1]))
        assert one == other
        assert one.recipe_id == other.recipe_id
        assert [name for name, _ in one.steps[0].levels] == ["a", "b"]

    def test_words_say_that_some_layers_are_otherwise(self, technique):
        words = recipe_in_words(one_step(technique, levels=LEVELS[technique]))
        assert words == f"{recipe_in_words(one_step(technique))}, 2 layers otherwise"

    def test_no_control_says_levels(self, technique):
        assert "levels" not in fields_of(STEP_TYPES[technique])
        subject = subject_of("lenet5-mnist5k")
        plain, levelled = (
            Recipe(model=subject.name, steps=one_step(technique, **some).steps)
            for some in ({}, {"levels": LEVELS[technique]})
        )
        assert settings_of(subject, levelled) is None
        nearest = nearest_settings(subject, levelled)
        assert recipe_of(subject, nearest).steps[0] == recipe_of(subject, nearest_settings(subject, plain)).steps[0]
        assert "levels" not in recipe_of(subject, nearest).to_json()

    @pytest.mark.parametrize(
        ("levels", "words"),
        [
            ([["a", 1], ["a", 1]], "'a' has 2 levels|the level of 'a' is 1, but clusters"),
            ([["", 1]], "at least 1 character"),
            ([["a" * 201, 1]], "at most 200 characters"),
            ([["a", -1]], "the level of 'a' is -1, but .* of single layers goes from"),
            ([["a", 300]], "the level of 'a' is 300, but .* of single layers goes from"),
            ([["a", "much"]], "levels.0.1: .*number.*'much'"),
            ([["a"]], "levels"),
            ([[str(n), 8] for n in range(501)], "at most 500"),
        ],
    )
    def test_what_is_no_level_is_refused(self, technique, levels, words):
        with pytest.raises(InvalidRecipe, match=words):
            one_step(technique, levels=levels)


@pytest.mark.parametrize(
    ("technique", "legal", "illegal"),
    [
        ("low_rank", (0.05, 1), (0.04, 1.01)),
        ("channel_pruning", (0, 0.95), (0.96,)),
        ("magnitude_pruning", (0, 0.999), (1,)),
        ("second_order_pruning", (0, 0.999), (1,)),
        ("weight_sharing", (2, 256), (1, 257, 2.5)),
        ("quantization", (1, 8), (0, 9, 16, 3.5)),
    ],
)
def test_levels_have_the_range_of_the_main_setting(technique, legal, illegal):
    assert one_step(technique, levels=[["a", legal[0]], ["b", legal[1]]])
    for level in illegal:
        with pytest.raises(InvalidRecipe, match=f"the level of 'a' is {level:g}, but .* goes from {legal[0]:g} to"):
            one_step(technique, levels=[["a", level]])


@pytest.mark.parametrize(
    ("technique", "settings", "words"),
    [
        ("channel_pruning", {"target": "macs"}, "target macs; set that to channels, or leave levels out"),
        ("channel_pruning", {"target": "latency"}, "target latency"),
        ("channel_pruning", {"ratios": "sensitivity"}, "ratios sensitivity; set that to uniform"),
        ("magnitude_pruning", {"pattern": "2:4", "sparsity": 0.5}, "pattern 2:4; set that to weights or blocks"),
        ("magnitude_pruning", {"epochs": 1}, "epochs 1.0; set that to 0"),
        ("second_order_pruning", {"pattern": "1:4", "sparsity": 0.75}, "pattern 1:4"),
        ("weight_sharing", {"scope": "global"}, "scope global; set that to layer"),
        ("quantization", {"mixed_precision": True}, "mixed_precision True; set that to False"),
        ("quantization", {"weight_bits": 16}, "weight_bits 16; set that to 1 to 8"),
    ],
)
def test_what_decides_itself_about_layers_does_not_go_with_levels(technique, settings, words):
    assert one_step(technique, **settings)
    with pytest.raises(InvalidRecipe, match=f"levels for single layers do not go with {words}"):
        one_step(technique, **settings, levels=LEVELS[technique])


@pytest.mark.parametrize(
    ("technique", "levels", "words"),
    [
        ("quantization", [("a", 4), ("b", 1)], "Levels of 2 layers: a 4 bits, b 1 bit"),
        ("weight_sharing", [("a", 16)], "Levels of 1 layer: a 16 shared values"),
        ("low_rank", [("a", 0.25)], "Levels of 1 layer: a 25 %"),
        ("magnitude_pruning", [("a", 0.875)], "Levels of 1 layer: a 87.5 %"),
        (
            "channel_pruning",
            [(f"conv{n}", n / 10) for n in range(9)],
            "Levels of 9 layers: conv0 0 %, conv1 10 %, conv2 20 %, conv3 30 %, conv4 40 %, conv5 50 % and 3 more",
        ),
    ],
)
def test_levels_in_words(technique, levels, words):
    (step,) = one_step(technique, levels=levels).steps
    assert levels_in_words(step) == words


def test_steps_without_levels_have_no_words_for_them():
    for step in make_recipe("m", [{"technique": "fine_tuning", "epochs": 1}]).steps + one_step("low_rank").steps:
        assert levels_in_words(step) == ""
