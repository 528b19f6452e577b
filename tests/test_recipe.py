import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compression import recipe as recipes
from compression.errors import InvalidRecipe
from compression.recipe import ChannelPruning, Distillation, MagnitudePruning, Recipe, make_recipe, parse_recipe

EXAMPLE = """{"model": "lenet5-mnist5k", "seed": 0,
 "steps": [{"technique": "channel_pruning", "pruning_ratio": 0.5},
           {"technique": "fine_tuning", "epochs": 2},
           {"technique": "quantization", "weight_bits": 4, "activation_bits": 8}]}"""


def test_the_documented_example_is_read():
    recipe = parse_recipe(EXAMPLE)
    assert [step.technique for step in recipe.steps] == ["channel_pruning", "fine_tuning", "quantization"]
    assert recipe.steps[0].pruning_ratio == 0.5
    assert not recipe.is_baseline


def test_the_id_depends_on_the_content_and_not_on_the_spelling():
    spelled_out = json.loads(EXAMPLE)
    spelled_out["steps"][2]["granularity"] = "channel"
    assert parse_recipe(json.dumps(spelled_out, indent=7)).recipe_id == parse_recipe(EXAMPLE).recipe_id
    spelled_out["steps"][2]["granularity"] = "tensor"
    assert parse_recipe(json.dumps(spelled_out)).recipe_id != parse_recipe(EXAMPLE).recipe_id


STEPS = st.one_of(
    st.builds(MagnitudePruning, sparsity=st.floats(0, 0.99), scope=st.sampled_from(["global", "layer"])),
    st.builds(ChannelPruning, pruning_ratio=st.floats(0, 0.95)),
    st.builds(Distillation, width_mult=st.floats(0.1, 1), temperature=st.floats(1, 20)),
)


@given(step=STEPS, seed=st.integers(0, 2**31 - 1))
def test_json_round_trip(step, seed):
    recipe = Recipe(model="m", steps=(step,), seed=seed)
    assert parse_recipe(recipe.to_json()) == recipe
    assert parse_recipe(recipe.to_short_json()) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Invalid JSON"),
        ("[]", "object"),
        ('{"steps": []}', "model.*required"),
        ('{"model": "m", "steps": [{"technique": "magic"}]}', "'magic'"),
        ('{"model": "m", "steps": [{"technique": "quantization", "weight_bits": 9}]}', "weight_bits.*9"),
        ('{"model": "m", "steps": [{"technique": "magnitude_pruning", "sparsity": 1.0}]}', "sparsity.*0.99.*1.0"),
        ('{"model": "m", "steps": [{"technique": "magnitude_pruning", "sparsity": "NaN"}]}', "sparsity"),
        ('{"model": "m", "steps": [{"technique": "fine_tuning", "epochs": 1, "speed": 2}]}', "speed.*not permitted"),
        ('{"model": "m", "seed": -1}', "seed.*-1"),
        ('{"model": "m", "extra": 1}', "extra"),
    ],
)
def test_bad_recipes_are_refused_naming_place_and_value(text, message):
    with pytest.raises(InvalidRecipe, match=message):
        parse_recipe(text)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (["channel_pruning", "distillation"], "put distillation first"),
        (["quantization", "channel_pruning"], "put it before quantization"),
        (["quantization", "magnitude_pruning"], "put it before quantization"),
        (["quantization", "quantization"], "grid already"),
        (["distillation", "distillation"], "one student"),
    ],
)
def test_illegal_orders_are_refused_with_the_reason(steps, reason):
    settings = {
        "channel_pruning": {"pruning_ratio": 0.5},
        "magnitude_pruning": {"sparsity": 0.5},
        "quantization": {"weight_bits": 8},
        "distillation": {"width_mult": 0.5},
    }
    with pytest.raises(InvalidRecipe, match=reason):
        make_recipe("m", [{"technique": name, **settings[name]} for name in steps])


def test_a_huge_recipe_is_refused_before_it_is_parsed():
    with pytest.raises(InvalidRecipe, match="100,000"):
        parse_recipe(" " * 100_001)


def test_limits_and_help_are_those_of_the_validation():
    assert recipes.limits(ChannelPruning, "pruning_ratio") == (0.0, 0.95)
    assert recipes.limits(Distillation, "width_mult") == (0.1, 1.0)
    for step_type in recipes.STEP_TYPES.values():
        for setting in set(step_type.model_fields) - {"technique"}:
            assert recipes.help_text(step_type, setting).endswith("."), (step_type, setting)


def test_a_sweep_file_is_a_list_of_recipes():
    sweep = recipes.parse_sweep('{"recipes": [{"model": "m"}, {"model": "n"}]}')
    assert [recipe.model for recipe in sweep] == ["m", "n"]
    with pytest.raises(InvalidRecipe, match="recipes"):
        recipes.parse_sweep('{"recipes": []}')
