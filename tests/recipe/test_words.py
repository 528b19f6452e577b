import pytest

from compression.recipe.recipe import make_recipe
from compression.recipe.steps import STEP_TYPES, fields_of, limits, options
from compression.recipe.words import KINDS, kind_of, recipe_in_words


def test_a_pipeline_reads_as_one_line():
    recipe = make_recipe(
        "lenet5-mnist5k",
        [
            {"technique": "channel_pruning", "pruning_ratio": 0.5},
            {"technique": "fine_tuning", "epochs": 2},
            {"technique": "quantization", "weight_bits": 4, "activation_bits": 8},
        ],
    )
    assert recipe_in_words(recipe) == "prune 50 % of channels → fine-tune 2 epochs → 4-bit weights, 8-bit activations"
    assert recipe_in_words(recipe.baseline()) == "the original model"


def test_every_step_has_words():
    steps = [
        {"technique": "distillation", "width_mult": 0.5, "epochs": 1},
        {"technique": "magnitude_pruning", "sparsity": 0.9},
        {"technique": "quantization", "weight_bits": 16},
    ]
    words = recipe_in_words(make_recipe("m", steps))
    assert words == "distil a 50 % wide student, 1 epoch → zero 90 % of weights → 16-bit weights"


REQUIRED = {
    technique: {name: value for name, value in kind_of(kind).start.items() if kind.model_fields[name].is_required()}
    for technique, kind in STEP_TYPES.items()
}
NEEDS = {
    ("magnitude_pruning", "pattern"): {"pattern": "2:4", "sparsity": 0.5},
    ("second_order_pruning", "pattern"): {"pattern": "2:4", "sparsity": 0.5},
    ("quantization", "activations"): {"activations": "dynamic", "activation_bits": 8},
    ("weight_sharing", "scope"): {"scope": "global"},
    ("weight_sharing", "levels"): {"levels": [["conv1", 5]]},
    ("quantization", "levels"): {"levels": [["conv1", 5]]},
}
GIVEN = {"resolution": 16, "teachers": ["resnet8-mnist5k"], "levels": [["conv1", 0.25]]}
UNSAID = {("quantization", "float_format")}
"""Says nothing unless weights have 16 bits; tested by itself."""


def other(step_type, name):
    """A value of a setting that is not the usual one."""
    usual = step_type.model_fields[name].default
    if isinstance(usual, bool):
        return not usual
    values = [value for value in options(step_type, name) if value not in (usual, None)]
    return values[-1] if values else GIVEN.get(name) or sum(limits(step_type, name)) / 2


def phrase(technique, **settings):
    settings = {"technique": technique} | REQUIRED.get(technique, {}) | settings
    return recipe_in_words(make_recipe("m", [settings]))


def settings_of_all_steps():
    for technique, step_type in STEP_TYPES.items():
        for name in step_type.model_fields:
            if name not in ("technique", *REQUIRED.get(technique, ())) and (technique, name) not in UNSAID:
                yield technique, name


@pytest.mark.parametrize(("technique", "name"), settings_of_all_steps())
def test_every_setting_changes_the_words(technique, name):
    settings = NEEDS.get((technique, name)) or {name: other(STEP_TYPES[technique], name)}
    changed = phrase(technique, **settings)
    assert changed != phrase(technique)
    assert not {"None", "lambda", "{"} & set(changed.split())


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"technique": "magnitude_pruning", "sparsity": 0.5, "pattern": "2:4"}, "zero 2 of every 4 weights"),
        ({"technique": "magnitude_pruning", "sparsity": 0.995}, "zero 99.5 % of weights"),
        ({"technique": "magnitude_pruning", "sparsity": 0.9, "pattern": "blocks"}, "zero 90 % of weights in blocks"),
        (
            {"technique": "magnitude_pruning", "sparsity": 0.9, "epochs": 3, "regrowth": "gradient"},
            "zero 90 % of weights, gradually over 3 epochs, zeros regrow by gradient (RigL)",
        ),
        ({"technique": "second_order_pruning", "sparsity": 0.8}, "zero 80 % of weights by second-order effect"),
        (
            {"technique": "channel_pruning", "pruning_ratio": 0.5, "target": "latency", "importance": "taylor"},
            "prune channels for 50 % less latency, by Taylor",
        ),
        ({"technique": "quantization", "weight_bits": 16, "float_format": "bfloat16"}, "bfloat16 weights"),
        ({"technique": "quantization", "weight_bits": 3, "method": "adaround"}, "3-bit weights, rounded by AdaRound"),
        (
            {"technique": "quantization", "weight_bits": 8, "activation_bits": 8, "activations": "dynamic"},
            "8-bit weights, dynamic 8-bit activations",
        ),
        ({"technique": "weight_sharing", "clusters": 16}, "16 shared weight values"),
        ({"technique": "layer_tying", "blocks": 2}, "2 blocks share one set of weights"),
        (
            {"technique": "low_rank", "rank_ratio": 0.25, "convolutions": "spatial"},
            "25 % of full rank, rows and columns",
        ),
        ({"technique": "depthwise_separable"}, "depthwise-separable convolutions"),
        ({"technique": "slimmable_student", "width_mult": 0.5}, "50 % wide slimmable student"),
        (
            {
                "technique": "distillation",
                "width_mult": 0.5,
                "epochs": 2,
                "student": "squeezenet",
                "match": "attention",
            },
            "distil a 50 % wide SqueezeNet, 2 epochs, matching attention maps",
        ),
        ({"technique": "entropy_coding", "coding": "packed"}, "plain bits"),
    ],
)
def test_steps_in_words(step, words):
    assert recipe_in_words(make_recipe("m", [step])) == words


@pytest.mark.parametrize("technique", STEP_TYPES)
def test_every_value_of_a_setting_has_a_label(technique):
    """Without one its own name is shown, which no kind of step should need."""
    step_type = STEP_TYPES[technique]
    for name in fields_of(step_type):
        values = {value for value in options(step_type, name) if isinstance(value, str)}
        if values - {"float16", "bfloat16"}:
            assert set(KINDS[step_type].said[name]) == values
