import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compression.errors import InvalidRecipe
from compression.recipe.recipe import Recipe, make_recipe, parse_recipe, parse_sweep
from compression.recipe.steps import (
    STEP_TYPES,
    ChannelPruning,
    Distillation,
    EntropyCoding,
    LowRank,
    MagnitudePruning,
    WeightSharing,
    help_text,
    limits,
)
from compression.recipe.words import kind_of

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


MAIN = {technique: kind_of(step_type).start for technique, step_type in STEP_TYPES.items()}
"""What a new step of every technique starts with."""

STEPS = st.one_of(
    st.builds(MagnitudePruning, sparsity=st.floats(0, 0.99), scope=st.sampled_from(["global", "layer"])),
    st.builds(ChannelPruning, pruning_ratio=st.floats(0, 0.95)),
    st.builds(Distillation, width_mult=st.floats(0.1, 1), temperature=st.floats(1, 20)),
    st.builds(Distillation, width_mult=st.just(0.5), teachers=st.sampled_from([(), ("a",), ("a", "b")])),
    st.builds(LowRank, rank_ratio=st.floats(0.05, 1), ranks=st.sampled_from(["uniform", "error"])),
    st.builds(WeightSharing, clusters=st.integers(2, 256)),
    st.builds(EntropyCoding, rate_weight=st.floats(0, 1)),
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
        ('{"model": "m", "steps": [{"technique": "weight_sharing", "clusters": 1}]}', "clusters.*2, but got 1"),
        ('{"model": "m", "steps": [{"technique": "low_rank", "rank_ratio": 0}]}', "rank_ratio.*0.05, but got 0"),
        ('{"model": "m", "steps": [{"technique": "layer_tying"}]}', "blocks.*required"),
        ('{"model": "m", "steps": [{"technique": "entropy_coding", "coding": "zip"}]}', "coding.*'zip'"),
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
        (["channel_pruning", "distillation"], "put the student first"),
        (["quantization", "channel_pruning"], "put it before quantization"),
        (["quantization", "magnitude_pruning"], "put it before quantization"),
        (["quantization", "quantization"], "grid already"),
        (["distillation", "distillation"], "one student"),
        (["distillation", "slimmable_student"], "one student"),
        (["low_rank", "slimmable_student"], "put the student first"),
        (["quantization", "second_order_pruning"], "put it before quantization"),
        (["quantization", "low_rank"], "put it before quantization"),
        (["weight_sharing", "channel_pruning"], "put it before weight sharing"),
        (["magnitude_pruning", "low_rank"], "zeros would be lost; put it first"),
        (["second_order_pruning", "depthwise_separable"], "zeros would be lost; put it first"),
        (["magnitude_pruning", "layer_tying"], "zeros would be lost; put it first"),
        (["quantization", "weight_sharing"], "grid already"),
        (["weight_sharing", "quantization"], "leave one of the two out"),
        (["weight_sharing", "weight_sharing"], "share values already"),
        (["entropy_coding", "fine_tuning"], "comes after entropy_coding, which must be last"),
        (["entropy_coding", "entropy_coding"], "must be last"),
    ],
)
def test_illegal_orders_are_refused_with_the_reason(steps, reason):
    with pytest.raises(InvalidRecipe, match=reason):
        make_recipe("m", [{"technique": name, **MAIN[name]} for name in steps])


def test_all_techniques_together_have_a_legal_order():
    order = [name for name in STEP_TYPES if name not in ("slimmable_student", "weight_sharing")]
    assert [step.technique for step in make_recipe("m", [{"technique": n, **MAIN[n]} for n in order]).steps] == order


@pytest.mark.parametrize("technique", MAIN)
def test_every_setting_but_the_main_one_has_a_default(technique):
    (step,) = make_recipe("m", [{"technique": technique, **MAIN[technique]}]).steps
    assert type(step) is STEP_TYPES[technique]
    assert parse_recipe(Recipe(model="m", steps=(step,)).to_short_json()).steps == (step,)


@pytest.mark.parametrize("technique", ["magnitude_pruning", "second_order_pruning"])
@pytest.mark.parametrize(("pattern", "sparsity"), [("2:4", 0.5), ("1:4", 0.75)])
def test_a_pattern_has_one_sparsity_or_none(technique, pattern, sparsity):
    for legal in (0, sparsity):
        (step,) = make_recipe("m", [{"technique": technique, "sparsity": legal, "pattern": pattern}]).steps
        assert step.sparsity == legal
    with pytest.raises(InvalidRecipe, match=f"the pattern {pattern} has sparsity {sparsity}"):
        make_recipe("m", [{"technique": technique, "sparsity": 0.6, "pattern": pattern}])


def test_a_huge_recipe_is_refused_before_it_is_parsed():
    with pytest.raises(InvalidRecipe, match="100,000"):
        parse_recipe(" " * 100_001)


def test_limits_and_help_are_those_of_the_validation():
    assert limits(ChannelPruning, "pruning_ratio") == (0.0, 0.95)
    assert limits(Distillation, "width_mult") == (0.1, 1.0)
    for step_type in STEP_TYPES.values():
        for setting in set(step_type.model_fields) - {"technique"}:
            assert help_text(step_type, setting).endswith("."), (step_type, setting)


def test_a_sweep_file_is_a_list_of_recipes():
    sweep = parse_sweep('{"recipes": [{"model": "m"}, {"model": "n"}]}')
    assert [recipe.model for recipe in sweep] == ["m", "n"]
    with pytest.raises(InvalidRecipe, match="recipes"):
        parse_sweep('{"recipes": []}')
