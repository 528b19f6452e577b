import pytest

from compression import wording
from compression.recipe import make_recipe


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
    assert wording.size(n_bytes) == words


@pytest.mark.parametrize(("number", "words"), [(0, "0"), (950, "950"), (431_080, "431 k"), (2_293_000, "2.29 M")])
def test_counts_are_short(number, words):
    assert wording.count(number) == words


def test_milliseconds_keep_three_digits_below_one():
    assert wording.milliseconds(0.04321) == "0.0432 ms"
    assert wording.milliseconds(12.345) == "12.3 ms"


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
    assert wording.size_change(old, new) == words


@pytest.mark.parametrize(("fraction", "words"), [(-0.041, "−4.1"), (0.003, "+0.3"), (0.0001, "±0.0")])
def test_points_are_signed(fraction, words):
    assert wording.points(fraction) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (4, "4 s"), (300, "5 min"), (7200, "2.0 h")])
def test_duration(seconds, words):
    assert wording.duration(seconds) == words


def test_a_pipeline_reads_as_one_line():
    recipe = make_recipe(
        "lenet5-mnist5k",
        [
            {"technique": "channel_pruning", "pruning_ratio": 0.5},
            {"technique": "fine_tuning", "epochs": 2},
            {"technique": "quantization", "weight_bits": 4, "activation_bits": 8},
        ],
    )
    assert (
        wording.recipe_in_words(recipe)
        == "prune 50 % of channels → fine-tune 2 epochs → 4-bit weights, 8-bit activations"
    )
    assert wording.recipe_in_words(recipe.baseline()) == "the model as it is"


def test_every_step_has_words():
    steps = [
        {"technique": "distillation", "width_mult": 0.5, "epochs": 1},
        {"technique": "magnitude_pruning", "sparsity": 0.9},
        {"technique": "quantization", "weight_bits": 16},
    ]
    words = wording.recipe_in_words(make_recipe("m", steps))
    assert words == "distil a 50 % wide student, 1 epoch → zero 90 % of weights → 16-bit weights"
