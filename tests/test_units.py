import pytest

from compression import units
from compression.recipe.recipe import make_recipe
from compression.recipe.steps import STEP_TYPES
from compression.recipe.words import recipe_in_words


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (71_234, "71.2 KB"),
        (999_499, "999 KB"),
        (999_600, "1.00 MB"),
        (2.5e9, "2.50 GB"),
    ],
)
def test_size_has_three_digits_and_a_unit(n_bytes, words):
    assert units.size(n_bytes) == words


@pytest.mark.parametrize(("number", "words"), [(0, "0"), (950, "950"), (431_080, "431 k"), (2_293_000, "2.29 M")])
def test_counts_are_short(number, words):
    assert units.count(number) == words


def test_milliseconds_keep_three_digits_below_one():
    assert units.milliseconds(0.04321) == "0.0432 ms"
    assert units.milliseconds(12.345) == "12.3 ms"


@pytest.mark.parametrize(
    ("joules", "words"),
    [(0, "0 nJ"), (4.6e-12, "0.00460 nJ"), (1.7e-4, "170 µJ"), (9.999e-4, "1.00 mJ"), (2, "2.00 J"), (2500, "2.50 kJ")],
)
def test_energy_has_three_digits_and_a_unit(joules, words):
    assert units.energy(joules) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [(8.39e-6, "8.39 µg"), (0.0223, "22.3 mg"), (0.9999, "1.00 g"), (12.34, "12.3 g"), (1234, "1.23 kg")],
)
def test_grams(amount, words):
    assert units.grams(amount) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0123, "12.3 ms"), (2, "2.00 s"), (180, "3.00 min"), (7200, "2.00 h"), (864_000, "10.0 days")],
)
def test_long_times(seconds, words):
    assert units.long_time(seconds) == words


class TestTwoAmountsThatAreCompared:
    def test_have_one_unit(self):
        assert (units.energy(13.3, 0.735), units.energy(0.735, 13.3)) == ("13.3 J", "0.735 J")
        assert (units.grams(1.5, 0.4), units.grams(0.4, 1.5)) == ("1.50 g", "0.400 g")

    def test_have_the_unit_of_the_smaller_where_the_other_is_too_large_for_it(self):
        assert (units.long_time(0.57, 0.0395), units.long_time(0.0395, 0.57)) == ("570 ms", "39.5 ms")
        assert (units.energy(2e-3, 5e-5), units.energy(5e-5, 2e-3)) == ("2,000 µJ", "50.0 µJ")

    def test_have_each_its_own_where_they_are_far_apart(self):
        assert (units.long_time(7200, 0.05), units.long_time(0.05, 7200)) == ("2.00 h", "50.0 ms")

    def test_nothing_beside_something(self):
        assert (units.long_time(0, 5), units.long_time(5, 0)) == ("0 ms", "5.00 s")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (6100, 1000, "6.1× smaller"),
        (1000, 1200, "1.20× larger"),
        (100_000, 100_300, "same size"),
        (50_000, 1000, "50× smaller"),
    ],
)
def test_size_change_names_its_direction(old, new, words):
    assert units.size_change(old, new) == words


@pytest.mark.parametrize(("fraction", "words"), [(-0.041, "−4.1"), (0.003, "+0.3"), (0.0001, "±0.0")])
def test_points_are_signed(fraction, words):
    assert units.points(fraction) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (4, "4 s"), (300, "5 min"), (7200, "2.0 h")])
def test_duration(seconds, words):
    assert units.duration(seconds) == words


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
    assert recipe_in_words(recipe.baseline()) == "the model as it is"


def test_every_step_has_words():
    steps = [
        {"technique": "distillation", "width_mult": 0.5, "epochs": 1},
        {"technique": "magnitude_pruning", "sparsity": 0.9},
        {"technique": "quantization", "weight_bits": 16},
    ]
    words = recipe_in_words(make_recipe("m", steps))
    assert words == "distil a 50 % wide student, 1 epoch → zero 90 % of weights → 16-bit weights"


REQUIRED = {
    "magnitude_pruning": {"sparsity": 0.5},
    "second_order_pruning": {"sparsity": 0.5},
    "channel_pruning": {"pruning_ratio": 0.5},
    "low_rank": {"rank_ratio": 0.5},
    "layer_tying": {"blocks": 2},
    "weight_sharing": {"clusters": 16},
    "quantization": {"weight_bits": 8},
    "distillation": {"width_mult": 0.5},
    "slimmable_student": {"width_mult": 0.5},
    "fine_tuning": {"epochs": 1},
}
OTHER = {
    "importance": "taylor", "ratios": "sensitivity", "target": "macs", "round_to": 8, "recalibrate": False,
    "scope": "layer", "pattern": "2:4", "epochs": 3, "regrowth": "gradient", "learning_rate": 0.1,
    "convolutions": "spatial", "ranks": "uniform", "share": 0.5, "weighting": "none", "activation_bits": 8,
    "granularity": "tensor", "symmetric": False, "method": "mse", "equalize": True, "mixed_precision": True,
    "student": "squeezenet", "depth_mult": 0.5, "resolution": 16, "teachers": ["resnet8-mnist5k"], "loss": "dkd",
    "match": "hint", "match_weight": 10, "temperature": 2, "alpha": 0.5, "learn_scales": True, "entropy_penalty": 0.1,
    "coding": "huffman", "rate_weight": 0.1,
}  # fmt: skip
NEEDS = {
    ("quantization", "activations"): {"activations": "dynamic", "activation_bits": 8},
    ("weight_sharing", "scope"): {"scope": "global"},
}
UNSAID = {("quantization", "float_format")}
"""Says nothing unless weights have 16 bits; tested by itself."""


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
    changed = phrase(technique, **NEEDS.get((technique, name), {name: OTHER.get(name)}))
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
