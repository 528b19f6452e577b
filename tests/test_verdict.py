import pytest
from fake_engine import fabricate

from compression import verdict
from compression.estimate import Estimate, Known
from compression.recipe import make_recipe


def recipe(*steps):
    return make_recipe("lenet5-mnist5k", list(steps))


CHANNELS = {"technique": "channel_pruning", "pruning_ratio": 0.5}
WEIGHTS = {"technique": "magnitude_pruning", "sparsity": 0.9}


def result(
    accuracy=0.969, before=0.972, p_value=0.5, ratio=(0.7, 0.68, 0.72), size=1000, was=6100, steps=(CHANNELS,), **more
):
    row = fabricate(recipe(*steps))
    baseline = row.baseline.model_copy(update={"accuracy": before, "stored_bytes": was})
    names = ("latency_ratio", "latency_ratio_low", "latency_ratio_high")
    return row.model_copy(
        update={
            "baseline": baseline,
            "accuracy": accuracy,
            "accuracy_difference": accuracy - before,
            "accuracy_difference_low": accuracy - before - 0.013,
            "accuracy_difference_high": accuracy - before + 0.013,
            "p_value": p_value,
            "stored_bytes": size,
            **dict(zip(names, ratio, strict=True)),
            **more,
        }
    )


def test_the_good_case_reads_as_promised():
    judged = verdict.judge(result(ratio=(0.714, 0.70, 0.73)))
    assert judged.text == (
        "6.1× smaller, 1.40× faster, accuracy 97.2 → 96.9 %: no measurable difference on 1,000 images."
    )
    assert judged.tone == "good"
    assert judged.reasons == ()


def test_a_collapse_is_said_first_and_loudly():
    judged = verdict.judge(result(accuracy=0.34, p_value=0.0))
    assert judged.text.startswith("Accuracy collapsed: 97.2 → 34.0 % on 1,000 images")
    assert judged.tone == "bad"


def test_a_measurable_loss_comes_with_its_interval():
    judged = verdict.judge(result(accuracy=0.931, p_value=0.001))
    assert "accuracy 97.2 → 93.1 %: a measurable loss on 1,000 images" in judged.text
    assert "−4.1 points, 95 % interval −5.4 to −2.8" in judged.text
    assert judged.tone == "mixed"


def test_a_measurable_gain_is_one():
    judged = verdict.judge(result(accuracy=0.985, p_value=0.01))
    assert "a measurable gain" in judged.text
    assert judged.tone == "good"


def test_a_loss_that_the_test_does_not_find_is_not_claimed():
    assert "no measurable difference" in verdict.judge(result(accuracy=0.85, p_value=0.06)).text


def test_unchanged_predictions_are_said_to_be_so():
    assert "every prediction the same" in verdict.judge(result(accuracy=0.972, changed_predictions=0, p_value=1.0)).text


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        ((0.5, 0.49, 0.51), "2.0× faster"),
        ((0.97, 0.93, 1.01), "no measurable change in speed"),
        ((1.3, 1.2, 1.4), "1.30× slower"),
    ],
)
def test_speed_is_claimed_only_beyond_the_interval(ratio, words):
    assert words in verdict.judge(result(ratio=ratio)).text


def test_a_larger_file_is_called_larger_and_explained():
    judged = verdict.judge(result(size=1200, was=1000))
    assert "1.20× larger" in judged.text
    assert judged.tone == "mixed"
    assert any("did not shrink" in reason for reason in judged.reasons)


def test_zeros_that_save_no_time_are_explained():
    judged = verdict.judge(result(steps=(WEIGHTS,), ratio=(1.0, 0.98, 1.02)))
    assert any("multiplies by them" in reason for reason in judged.reasons)


def test_float_activations_are_explained():
    step = {"technique": "quantization", "weight_bits": 8}
    judged = verdict.judge(result(steps=(step,), ratio=(1.0, 0.98, 1.02)))
    assert any("8-bit activations" in reason for reason in judged.reasons)


def test_slower_is_not_good():
    assert verdict.judge(result(ratio=(1.3, 1.2, 1.4))).tone == "mixed"


def test_ten_thousand_images_earn_a_second_decimal():
    assert "97.20 → 96.90 %" in verdict.judge(result(n_test=10_000)).text


def test_the_baseline_is_no_achievement():
    judged = verdict.judge(fabricate(recipe()))
    assert judged.tone == "neutral"
    assert "The model as it is" in judged.text


def test_an_estimate_says_that_it_is_one():
    guess = verdict.guess("4-bit weights", Estimate(0.95, 100_000, 0.1), Known(0.99, 800_000, 0.2))
    assert guess.text == "Estimated: about 8.0× smaller, accuracy near 95 %. Measuring 4-bit weights now …"


def test_an_estimate_without_numbers_says_so():
    assert "no numbers yet" in verdict.guess("4-bit weights", Estimate(None, None, None), Known()).text


STUDENT = {"technique": "distillation", "width_mult": 0.5}


@pytest.mark.parametrize(
    ("taught", "plain", "words"),
    [(0.97, 0.90, "The teacher helped: 97.0 %"), (0.90, 0.97, "did harm"), (0.961, 0.958, "cannot be told")],
)
def test_a_student_is_compared_with_plain_training(taught, plain, words):
    rows = [
        result(accuracy=accuracy, accuracy_low=accuracy - 0.01, accuracy_high=accuracy + 0.01, steps=(STUDENT,))
        for accuracy in (taught, plain)
    ]
    sentence = verdict.control_sentence(*rows)
    assert words in sentence
    assert f"{100 * plain:.1f} % by plain training" in sentence


def test_slower_after_channel_pruning_points_to_rounding():
    slower = verdict.judge(result(ratio=(1.3, 1.2, 1.4), steps=(CHANNELS,)))
    assert any("multiples of 8" in reason for reason in slower.reasons)
    rounded = verdict.judge(result(ratio=(1.3, 1.2, 1.4), steps=({**CHANNELS, "round_to": 8},)))
    assert not any("multiples of 8" in reason for reason in rounded.reasons)
