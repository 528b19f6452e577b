import numpy as np
import pytest

from compression.errors import InvalidRecipe
from compression.explain import presentation
from compression.explain.presentation import Assumptions
from compression.recipe.recipe import make_recipe
from compression.results import energy
from compression.results.predictions import answers
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"
FASTER = {"latency_ratio": 0.5, "latency_ratio_low": 0.45, "latency_ratio_high": 0.55}
SLOWER = {"latency_ratio": 1.5, "latency_ratio_low": 1.4, "latency_ratio_high": 1.6}
SAME = {"latency_ratio": 1.0, "latency_ratio_low": 0.98, "latency_ratio_high": 1.02}
KEPT = {"p_value": 0.6, "accuracy": 0.989, "accuracy_difference": -0.001}
LOST = {"p_value": 0.001, "accuracy": 0.96, "accuracy_difference": -0.03}


def result(**changes):
    steps = [{"technique": "quantization", "weight_bits": 4}]
    return fabricate(make_recipe(MODEL, steps), **({"stored_bytes": 170_000} | SAME | KEPT | changes))


class TestAssumptions:
    def test_usual_ones_need_no_words(self):
        assert presentation.parameters_of(Assumptions()) == {}
        assert presentation.assumptions_from({}) == Assumptions()

    def test_survive_a_link(self):
        other = Assumptions(3.5, 0.25, 2e9, 0.123456789, 0.0, 12.0, "dram")
        assert presentation.assumptions_from(presentation.parameters_of(other)) == other
        assert presentation.parameters_of(Assumptions(mbits=3.5)) == {"mbits": "3.5"}

    @pytest.mark.parametrize("text", ["fast", "nan", "inf", "-1", "0", "1e9"])
    def test_that_make_no_sense_are_refused(self, text):
        with pytest.raises(InvalidRecipe, match="mbits must be a number from 0.01 to 10000, but is"):
            presentation.assumptions_from({"mbits": text})

    def test_of_a_memory_that_does_not_exist_are_refused(self):
        with pytest.raises(InvalidRecipe, match="cache or dram, but is 'tape'"):
            presentation.assumptions_from({"memory": "tape"})


def test_big_numbers_are_size_time_and_accuracy():
    size, time, accuracy = presentation.big_numbers(result(**SLOWER))
    assert (size.value, size.before, size.tone) == ("10.0× smaller", "1.70 MB before, 170 KB after", "good")
    assert (time.value, time.before, time.tone) == (
        "1.50× slower",
        "0.200 ms before, 0.300 ms after (1.40–1.60×)",
        "bad",
    )
    assert (accuracy.value, accuracy.before) == (
        "98.9 %",
        "99.0 % before: no measurable difference, between −0.7 and +0.5 points",
    )
    assert accuracy.tone == "neutral"
    assert presentation.big_numbers(result())[1].value == "no measurable difference"


@pytest.mark.parametrize(
    ("changes", "tone"),
    [
        ({}, "neutral"),
        (LOST, "bad"),
        (LOST | {"accuracy_difference": 0.02}, "good"),
        (LOST | {"accuracy_difference": -0.5}, "bad"),
    ],
)
def test_the_accuracys_tone_is_what_became_of_it(changes, tone):
    assert presentation.big_numbers(result(**changes))[2].tone == tone


def test_beside_a_collapse_nothing_is_a_gain():
    lost = FASTER | LOST | {"accuracy_difference": -0.5}
    tones = [one.tone for one in presentation.big_numbers(result(**lost))]
    assert tones == ["neutral", "neutral", "bad"]


class TestMeanings:
    def test_are_arithmetic_on_the_assumptions(self):
        assumed = Assumptions(mbits=8, flash_mb=1, inferences=18_000_000, hour_price=2)
        one = result(**FASTER)
        assert presentation.download_seconds(one, assumed) == pytest.approx(0.17)
        assert presentation.fitting(one, assumed) == 5
        computing = presentation.meanings(one, assumed)[2]
        assert (computing.before, computing.after) == ("60.0 min, $2.00", "30.0 min, $1.00")
        assert presentation.joules(one, assumed) == pytest.approx(18_000_000 * energy.energy(one).joules)

    def test_a_file_as_large_as_the_flash_fits_once(self):
        assert presentation.fitting(result(stored_bytes=1_000_000), Assumptions()) == 1
        assert presentation.fitting(result(stored_bytes=1_000_001), Assumptions()) == 0

    def test_memory_changes_the_energy(self):
        one = result()
        far = presentation.joules(one, Assumptions(memory="dram"))
        assert far > 2 * presentation.joules(one, Assumptions())

    def test_are_said_with_what_they_rest_on(self):
        download, flash, compute, spent = presentation.meanings(result(), Assumptions(mbits=8))
        assert (download.before, download.after) == ("1.70 s", "0.170 s")
        assert "8 Mbit/s" in download.title
        assert (flash.before, flash.after) == ("0", "5")
        assert "no measurable difference in speed (0.98–1.02 of the time)" in compute.how
        assert compute.title == "Computing 1 billion images"
        assert spent.is_model
        assert "energy model" in spent.how
        assert [one.is_model for one in (download, flash, compute)] == [False] * 3

    def test_a_model_that_a_measurement_contradicts_says_so(self):
        greener = result(**SLOWER, weight_bytes=1000)
        assert presentation.meanings(greener, Assumptions())[3].against == (
            "measured, it went the other way: latency of one image 1.50× slower"
        )
        assert not presentation.meanings(result(**FASTER, weight_bytes=1000), Assumptions())[3].against

    @pytest.mark.parametrize("images", [1, 1e6, 1e9, 1e12])
    def test_a_price_is_left_out_where_neither_is_a_cent(self, images):
        found = presentation.meanings(result(), Assumptions(inferences=images))
        for one in found[2:]:
            assert ("$" in one.before) == ("less than a cent" not in one.how)
            assert "$0.00" not in one.before


@pytest.mark.parametrize(
    ("dollars", "words"),
    [(0, "$0"), (0.0043, "$0.0043"), (0.0123, "$0.012"), (0.43, "$0.43"), (1234.5, "$1,234.50")],
)
def test_money(dollars, words):
    assert presentation.money(dollars) == words


class TestRisks:
    labels = np.repeat(np.arange(2), 50).astype(np.uint8)

    def answers(self, wrong):
        predictions = self.labels.copy()
        predictions[wrong] ^= 1
        return answers(np.eye(2)[predictions], self.labels)

    def test_name_the_weakest_class_and_the_largest_loss(self):
        found = presentation.risks(result(), self.answers(range(60, 70)), self.answers([0, 60]), ("cat", "dog"))
        sure, worst, changed = found
        assert worst.value == "“dog”: 80.0 %"
        assert "before 98.0 % (89.5–99.6) of 50" in worst.text
        assert "“dog” lost most: −18.0 points (between −31.0 and −6.5 points; measurable)" in worst.text
        assert changed.text.endswith(
            "9 turned from right to wrong, 1 from wrong to right, 0 from one wrong answer to another."
        )
        assert sure.value == "97.7–99.7 %"

    def test_changed_predictions_add_up(self):
        labels = np.repeat(np.arange(3), 4).astype(np.uint8)
        before, after = labels.copy(), labels.copy()
        before[:2], after[:3] = 1, (2, 0, 1)  # wrong to another wrong, wrong to right, right to wrong
        both = (answers(np.eye(3)[one], labels) for one in (after, before))
        changed = presentation.risks(result(), *both, ("a", "b", "c"))[2]
        assert "1 turned from right to wrong, 1 from wrong to right, 1 from one wrong answer" in changed.text

    def test_without_answers_are_what_the_row_knows(self):
        assert [risk.title for risk in presentation.risks(result())] == [
            "How sure is the accuracy?",
            "Changed predictions",
        ]


def test_the_best_is_the_smallest_without_a_measurable_loss():
    original = fabricate(make_recipe(MODEL, []))
    lost = {"accuracy_difference_high": -0.02}
    small, broken = result(stored_bytes=100_000), result(stored_bytes=10, **LOST, **lost)
    assert presentation.best_of([original, result(), small, broken]) == small
    assert presentation.best_of([original, broken]) is None
