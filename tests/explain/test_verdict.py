from typing import get_args

import pytest

from compression.explain import verdict
from compression.kernels import KERNEL_CHANNELS
from compression.models.subject import subject_of
from compression.results.record import SparseTiming
from compression.search.estimate import Estimate, Known
from tests.support.made_up_results import MACHINE, fabricate, preview
from tests.support.verdicts import CHANNELS, COLLAPSED, SAME_SPEED, TONES, WEIGHTS, recipe, result

MLP = subject_of("mlp-digits")
LOST_A_LITTLE = {"accuracy": 0.965, "p_value": 0.01}


@pytest.mark.parametrize(("made", "tone", "title"), TONES)
def test_one_rule_gives_the_tone(made, tone, title):
    judged = verdict.judge(result(**made))
    assert (judged.tone, judged.title) == (tone, title)


def test_all_tones_are_reached():
    assert {tone for _, tone, _ in TONES} == set(get_args(verdict.Tone))


def test_the_good_case_reads_as_promised():
    judged = verdict.judge(result(ratio=(0.714, 0.70, 0.73)))
    assert judged.text == (
        "6.1× smaller, 1.40× faster (1.37–1.43×), accuracy 97.2 → 96.9 %: no measurable difference on 1,000 images "
        "(between −0.9 and +0.3 points)."
    )
    assert judged.reasons == ()


def test_a_collapse_is_said_first_and_loudly():
    judged = verdict.judge(result(**COLLAPSED))
    assert judged.text.startswith("Accuracy collapsed: 97.2 → 34.0 % on 1,000 images (between −63.8 and −62.6 points)")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"accuracy": 0.931, "p_value": 0.001}, "accuracy 97.2 → 93.1 %: a measurable loss on 1,000 images"),
        ({"accuracy": 0.931, "p_value": 0.001}, "(between −4.7 and −3.5 points)"),
        ({"accuracy": 0.985, "p_value": 0.01}, "a measurable gain on 1,000 images (between +0.7 and +1.9 points)"),
        ({"accuracy": 0.85, "p_value": 0.06}, "no measurable difference on 1,000 images (between −12.8 and −11.6"),
        ({"accuracy": 0.972, "p_value": 1.0, "changed_predictions": 0}, "every prediction the same"),
        ({"n_test": 10_000}, "97.20 → 96.90 %"),
        ({"ratio": (0.5, 0.49, 0.51)}, "2.0× faster (1.96–2.04×)"),
        ({"ratio": (0.97, 0.93, 1.01)}, "no measurable difference in speed (0.93–1.01 of the time)"),
        ({"ratio": (1.3, 1.2, 1.4)}, "1.30× slower (1.20–1.40×)"),
        ({"ratio": (0.998, 0.997, 0.999)}, "1.00× faster (1.001–1.003×)"),
        ({"size": 1200, "was": 1000}, "1.20× larger"),
        ({"memory": 1.5}, "1.43× faster (1.39–1.47×), 1.50× more memory, accuracy"),
        ({"memory": 0.5, "size": 6100, "ratio": SAME_SPEED}, "2.0× less memory, accuracy"),
        ({"size": 5600, "ratio": SAME_SPEED}, "What is won is less than 10 %, too little to change for."),
        ({"off": 0.02}, "Whether it loses a whole point cannot be told on 1,000 images."),
        ({"steps": ()}, "Accuracy 96.9 % on 1,000 images, 1.00 KB, "),
    ],
)
def test_no_more_is_claimed_than_was_measured(made, words):
    assert words in verdict.judge(result(**made)).text


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            {"accuracy": 0.965, "p_value": 0.01, "ratio": (2.2, 2.1, 2.3)},
            "6.1× smaller but 2.2× slower (2.10–2.30×), and 7",
        ),
        (
            {"accuracy": 0.965, "p_value": 0.01},
            "7 more mistakes in every 1,000 images (between 1 and 13): 96.5 % right",
        ),
        ({"accuracy": 0.9715, "off": 0.0002, "p_value": 0.01, "n_test": 10_000}, "0.5 more mistakes in every 1,000"),
        (
            COLLAPSED,
            "Only 34.0 % right instead of 97.2 %, 632 more mistakes in every 1,000 images (between 626 and 638). ",
        ),
        ({"ratio": (0.5, 0.4, 0.6)}, "6.1× smaller and 2.0× faster (1.67–2.50×), with no measurable difference"),
        ({"size": 6100, "ratio": (1.2, 1.1, 1.3)}, "Same size and 1.20× slower"),
        ({"size": 6100, "ratio": SAME_SPEED, "memory": 0.5}, "Same size, in 2.0× less memory, with no measurable"),
        ({"accuracy": 0.985, "p_value": 0.01}, "and it even gets more right: 98.5 % right instead of 97.2 %"),
    ],
)
def test_people_who_decide_are_told_in_plain_words(made, words):
    plain = verdict.judge(result(**made)).plain
    assert words in plain
    assert plain.count("but") <= 1
    assert "between" in plain


BITS = {"technique": "quantization", "weight_bits": 3}


class TestWhatIsMeasuredBesides:
    def mine(self, **more):
        return result(**{"size": 3000, "accuracy": 0.965, "off": 0.002, "ratio": (0.5, 0.49, 0.51)} | more)

    def other(self, **more):
        return result(**{"size": 1000, "accuracy": 0.97, "ratio": (0.5, 0.49, 0.51), "steps": (BITS,)} | more)

    def test_what_beats_it_on_all_counts_is_named_and_it_is_not_worth_it(self):
        judged = verdict.judge(self.mine(), [self.mine(), self.other()])
        assert (judged.tone, judged.title) == ("mixed", "Something else is better")
        for words in (judged.text, judged.plain):
            assert words.endswith("Smaller and at least as accurate: 3-bit weights.")
        (rival,) = judged.rivals
        assert rival.about == (
            "1.00 KB instead of 3.00 KB, no measurable difference in speed (0.97–1.03 of the time), 97.0 % right "
            "instead of 96.5 % (between −1.1 and +2.1 points)"
        )

    def test_what_is_better_in_part_is_named_and_it_stays_worth_it(self):
        slower = self.other(ratio=(0.9, 0.88, 0.92))
        judged = verdict.judge(self.mine(), [slower])
        assert (judged.tone, judged.title) == ("good", "Worth it")
        assert judged.text.endswith("Smaller and at least as accurate: 3-bit weights (but slower).")
        assert not judged.rivals[0].beats

    @pytest.mark.parametrize(
        "more",
        [
            {"accuracy": 0.964},
            {"size": 2900},
            {"size": 3000},
            {"size": 4000},
            {"steps": ()},
        ],
    )
    def test_nothing_else_speaks_against_it(self, more):
        judged = verdict.judge(self.mine(), [self.other(**more)])
        assert judged.rivals == ()
        assert judged.title == "Worth it"

    def test_memory_and_a_time_that_is_perhaps_longer_count_too(self):
        for more in ({"memory": 1.2}, {"ratio": (0.6, 0.3, 0.9)}):
            (rival,) = verdict.judge(self.mine(), [self.other(**more)]).rivals
            assert not rival.beats

    def test_nobody_is_sent_to_a_collapse(self):
        mine = self.mine(**COLLAPSED)
        assert verdict.judge(mine, [self.other(accuracy=0.35, p_value=0.0)]).rivals == ()

    def test_a_collapse_stays_one_whatever_else_there_is(self):
        judged = verdict.judge(self.mine(**COLLAPSED), [self.other()])
        assert judged.title == "The accuracy collapses"


def test_a_larger_file_is_explained():
    assert any("did not shrink" in reason for reason in verdict.judge(result(size=1200, was=1000)).reasons)


def test_an_estimate_says_that_it_is_one():
    guess = verdict.guess("4-bit weights", Estimate(0.95, 100_000, 0.1), Known(MLP, 0.99, 800_000, 0.2))
    assert guess == "Estimated: about 8.0× smaller, accuracy 95.0 %. Measuring 4-bit weights now …"
    ranged = Estimate(0.95, 100_000, 0.1, accuracy_range=(0.9, 0.962))
    assert "accuracy 90.0 to 96.2 %" in verdict.guess("4-bit weights", ranged, Known(MLP, 0.99, 800_000, 0.2))
    same = verdict.guess("the model", Estimate(0.99, 800_000, 0.2), Known(MLP, 0.99, 800_000, 0.2))
    assert same.startswith("Estimated: about the same size, ")


def test_what_is_known_before_the_latency_is_said_without_judging():
    known, baseline = preview(recipe(CHANNELS)), fabricate(recipe(CHANNELS)).baseline
    words = verdict.so_far(known, baseline)
    assert f"accuracy {100 * baseline.accuracy:.1f} → {100 * known.accuracy:.1f} % on 1,000 images (between −" in words
    assert words.endswith(" points). Its latency is being measured.")
    assert words.startswith(f"{baseline.stored_bytes / known.stored_bytes:.1f}× smaller")


def test_while_images_are_evaluated_it_is_said_how_many_and_how_sure_it_is():
    known = preview(recipe(CHANNELS)).model_copy(
        update={
            "accuracy": 0.92,
            "n_test": 300,
            "accuracy_difference": -0.03,
            "accuracy_difference_low": -0.055,
            "accuracy_difference_high": -0.01,
        }
    )
    words = verdict.so_far(known, fabricate(recipe(CHANNELS)).baseline)
    assert "accuracy 95.0 → 92.0 % on 300 of 1,000 images (between −5.5 and −1.0 points)" in words
    assert words.endswith("More images are being evaluated.")


def test_an_estimate_without_numbers_says_so():
    assert "no numbers yet" in verdict.guess("4-bit weights", Estimate(None, None, None), Known(MLP))


STUDENT = {"technique": "distillation", "width_mult": 0.5}


@pytest.mark.parametrize(
    ("taught", "plain", "words"),
    [
        (
            0.97,
            0.90,
            "The teacher helped: 97.0 % with, 90.0 % without, by as much training (between +4.9",
        ),
        (0.90, 0.97, "The teacher cost accuracy here"),
        (0.961, 0.958, "Whether the teacher helped cannot be told"),
    ],
)
def test_a_student_is_compared_with_plain_training(taught, plain, words):
    rows = [
        result(accuracy=accuracy, accuracy_low=accuracy - 0.01, accuracy_high=accuracy + 0.01, steps=(STUDENT,))
        for accuracy in (taught, plain)
    ]
    sentence = verdict.control_sentence(*rows)
    assert words in sentence
    assert f"{100 * plain:.1f} % without, by as much training" in sentence


def test_slower_after_channel_pruning_points_to_rounding():
    slower = verdict.judge(result(ratio=(1.3, 1.2, 1.4), steps=({**CHANNELS, "round_to": 1},)))
    assert any(f"multiples of {KERNEL_CHANNELS}" in reason for reason in slower.reasons)
    rounded = verdict.judge(result(ratio=(1.3, 1.2, 1.4), steps=(CHANNELS,)))  # to what is fast
    assert not any("multiples of" in reason for reason in rounded.reasons)


def reasons(*steps, **more):
    return " ".join(verdict.judge(result(steps=steps, **({"ratio": SAME_SPEED} | more))).reasons)


def timing(dense_ms, sparse_ms):
    return SparseTiming(
        layer="hidden", rows=500, columns=800, sparsity=0.9, batch_size=1, dense_ms=dense_ms, sparse_ms=sparse_ms
    )


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([WEIGHTS], "ONNX Runtime multiplies by them"),
        ([{"technique": "second_order_pruning", "sparsity": 0.9}], "ONNX Runtime multiplies by them"),
        ([{"technique": "quantization", "weight_bits": 8}], "8-bit activations"),
        ([{**WEIGHTS, "pattern": "blocks"}], "Blocks of zeros save no time"),
        ([{**WEIGHTS, "pattern": "2:4", "sparsity": 0.5}], "no kernel on CPUs"),
        ([{"technique": "second_order_pruning", "sparsity": 0.75, "pattern": "1:4"}], "no kernel on CPUs"),
        ([{"technique": "weight_sharing", "clusters": 16}], "Shared values become floats again"),
        ([{"technique": "quantization", "weight_bits": 16}], "16-bit weights become 32-bit floats"),
        ([{"technique": "layer_tying", "blocks": 2}], "each of them still runs"),
        ([{"technique": "low_rank", "rank_ratio": 0.9}], "no fewer operations"),
        ([{"technique": "entropy_coding", "coding": "packed"}], "undone before the network runs"),
        ([{"technique": "slimmable_student", "width_mult": 0.5}], "starting each layer takes most of the time"),
    ],
)
def test_every_technique_that_saves_no_time_says_why(steps, words):
    assert words in reasons(*steps)
    assert words not in reasons(*steps, ratio=(0.5, 0.49, 0.51))


def test_thin_layers_with_fewer_operations_are_explained_otherwise():
    low_rank = {"technique": "low_rank", "rank_ratio": 0.25}
    assert "pass more numbers through memory" in reasons(low_rank, macs=1000)


@pytest.mark.parametrize(
    ("sparse_ms", "words"),
    [(0.5, "2.0× faster (measured apart"), (2.0, "even make the largest layer (hidden) 2.0× slower")],
)
def test_what_skipping_zeros_would_be_worth_is_told_where_it_was_measured(sparse_ms, words):
    assert words in reasons(WEIGHTS, sparse=(timing(1.0, sparse_ms),))
    assert "measured apart" not in reasons(WEIGHTS, sparse=())


@pytest.mark.parametrize(
    ("settings", "integer_share", "words"),
    [
        ({}, 0.5, "Integer kernels carry out 50 % of the operations"),
        ({}, 1.0, "Converting to integers and back"),
        ({"weight_bits": 4}, 1.0, "4-bit weights are smaller in the file, not faster"),
        ({"activations": "dynamic"}, 1.0, "anew for each image"),
    ],
)
def test_integers_that_save_no_time_are_explained(settings, integer_share, words):
    step = {"technique": "quantization", "weight_bits": 8, "activation_bits": 8} | settings
    able = MACHINE.model_copy(update={"instruction_sets": ("avx2", "avx512_vnni")})
    assert words in reasons(step, macs=1000, integer_macs=int(1000 * integer_share), machine=able)


def test_a_cpu_that_cannot_multiply_integers_fast_is_the_cause():
    said = reasons({"technique": "quantization", "weight_bits": 4, "activation_bits": 8}, macs=1000, integer_macs=1000)
    assert "This CPU (Test CPU) has no instructions for 8-bit products" in said
    assert "Converting" not in said


@pytest.mark.parametrize(
    ("coding", "words"), [("packed", "as much room as a rare one"), ("huffman", "a whole bit"), ("context", "")]
)
def test_codings_without_arithmetic_are_explained(coding, words):
    said = reasons(WEIGHTS, {"technique": "entropy_coding", "coding": coding}, ratio=(0.5, 0.49, 0.51))
    assert words in said
    assert ("arithmetic coding" in said) == bool(words)


def test_a_student_of_another_family_has_more_layers():
    student = {**STUDENT, "student": "efficientnet_b0"}
    slower = reasons(student, ratio=(2.0, 1.9, 2.1), size=2000, was=1000, params=10**7)
    assert "EfficientNet-B0 has many more layers" in slower
    assert "this network has 10.0 M weights" in slower


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            [CHANNELS, {"technique": "fine_tuning", "epochs": 1, "learn_scales": True}],
            "learning the scales helped",
        ),
        ([{"technique": "fine_tuning", "epochs": 1, "learn_scales": True}], "learning the scales helped"),
        ([{**WEIGHTS, "epochs": 3}], "pruning little by little helped"),
        (
            [STUDENT, {"technique": "fine_tuning", "epochs": 1, "entropy_penalty": 0.1}],
            "the teacher and the entropy penalty helped",
        ),
    ],
)
def test_a_control_says_what_it_is_without(steps, words):
    rows = [result(steps=steps, accuracy=0.96, accuracy_low=0.95, accuracy_high=0.97) for _ in range(2)]
    assert f"Whether {words} cannot be told" in verdict.control_sentence(*rows)


def test_a_smaller_file_than_the_controls_is_mentioned():
    step = {"technique": "fine_tuning", "epochs": 1, "entropy_penalty": 0.1}
    smaller, plain = result(steps=(step,), size=1000), result(steps=(step,), size=2000)
    assert "in 1.00 KB instead of 2.00 KB" in verdict.control_sentence(smaller, plain)
    assert "instead of" not in verdict.control_sentence(plain, plain)
