import math

import numpy as np
import pytest

from compression.charts.palette import BLUE, GREEN, NEUTRAL, ORANGE, contenders
from compression.explain import comparison, differences
from compression.explain.comparison import Pair
from compression.recipe.recipe import make_recipe
from compression.results.significance import PairedDifference, paired_difference
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"
BITS = {"technique": "quantization", "weight_bits": 4}
CHANNELS = {"technique": "channel_pruning", "pruning_ratio": 0.5}
SURE = PairedDifference(-0.02, -0.03, -0.01, 0.001)
UNSURE = PairedDifference(-0.001, -0.005, 0.003, 0.7)


def result(*steps, model=MODEL, **changes):
    return fabricate(make_recipe(model, list(steps)), **changes)


def cells(rows, title):
    return next(row.cells for row in rows if row.title == title)


def test_letters_in_order_and_every_hue_once():
    found = contenders([result(), result(CHANNELS), result(BITS), result(CHANNELS, BITS)])
    assert [contender.letter for contender in found] == ["A", "B", "C", "D"]
    assert [contender.colour for contender in found] == [NEUTRAL, BLUE, GREEN, ORANGE]


def test_speed_against_the_baseline_is_what_was_measured():
    ratios = {"latency_ratio": 0.5, "latency_ratio_low": 0.4, "latency_ratio_high": 0.6}
    fast, baseline = result(BITS, **ratios), result()
    assert differences.speed_between(fast, baseline) == differences.SpeedRatio(0.5, 0.4, 0.6, indirect=False)
    back = differences.speed_between(baseline, fast)
    assert (back.ratio, back.low, back.high) == pytest.approx((2, 1 / 0.6, 2.5))
    assert not back.indirect


def test_speed_between_two_results_is_indirect_and_less_certain():
    one = result(BITS, latency_ratio=0.5, latency_ratio_low=0.5 / 1.1, latency_ratio_high=0.55)
    two = result(CHANNELS, latency_ratio=1.0, latency_ratio_low=1 / 1.1, latency_ratio_high=1.1)
    speed = differences.speed_between(one, two)
    wider = math.exp(math.hypot(math.log(1.1), math.log(1.1)))
    assert speed.indirect
    assert (speed.ratio, speed.low, speed.high) == pytest.approx((0.5, 0.5 / wider, 0.5 * wider))


def test_speeds_of_different_models_are_not_compared():
    assert differences.speed_between(result(BITS), result(model="lenet300-mnist5k")) is None


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0.5, 0.4, 0.6), "2.0× faster (1.67–2.50×)"),
        ((1.5, 1.2, 1.8), "1.50× slower (1.20–1.80×)"),
        ((0.98, 0.95, 1.01), "no measurable difference in speed (0.95–1.01 of the time)"),
    ],
)
def test_speed_in_words_claims_no_more_than_the_interval(numbers, words):
    assert differences.SpeedRatio(*numbers, indirect=False).words == words


class TestGaps:
    def pair(self):
        """Two networks on a thousand images with their accuracies and files: five images apart, on twenty."""
        labels, files, rows = np.zeros(1000, np.uint8), {}, []
        for name, wrong in (("one", range(40)), ("two", range(8, 53))):
            predictions = labels.copy()
            predictions[list(wrong)] = 1
            files[name] = predictions.tobytes()
            artifacts = {"predictions": name}
            rows.append(result(BITS, accuracy=1 - len(wrong) / 1000, n_test=1000, artifacts=artifacts))
        return rows, files

    def test_are_narrower_on_the_same_images(self):
        rows, files = self.pair()
        low, high = differences.paired_gap(files.get)(*rows)
        wide = differences.accuracy_gap(*rows)
        assert wide[0] < low < 0.005 < high < wide[1]
        answered = [np.frombuffer(content, np.uint8) == 0 for content in files.values()]
        exact = paired_difference(*answered)
        assert (low, high) == pytest.approx((exact.low, exact.high))  # of two classes nothing is unknown

    def test_without_the_files_are_those_of_independent_images(self):
        rows, files = self.pair()
        for lost in ({}, {"one": files["one"]}, {"one": files["one"], "two": b"\0" * 7}):
            assert differences.paired_gap(lost.get)(*rows) == differences.accuracy_gap(*rows)


def test_accuracy_in_words_claims_no_more_than_the_test():
    assert differences.accuracy_words(SURE, 1000) == "−2.0 points (−3.0 to −1.0)"
    assert differences.accuracy_words(UNSURE, 1000) == "no measurable difference (−0.1 points, −0.5 to +0.3)"


def test_only_against_its_own_baseline_the_row_knows_the_difference():
    small, baseline = result(BITS, p_value=0.5), result()
    assert comparison.known_difference(small, baseline).p_value == 0.5
    assert comparison.known_difference(small, result(CHANNELS)) is None
    assert comparison.known_difference(small, result(model="lenet300-mnist5k")) is None


def test_the_table_has_exact_changes_and_says_better_or_worse():
    found = contenders([result(stored_bytes=1000, macs=100), result(BITS, stored_bytes=250, macs=150)])
    rows = comparison.table(found, {"B": Pair(SURE, 30)})
    first, second = cells(rows, "Stored file")
    assert (first.value, first.change) == ("1.00 KB", "")
    assert (second.value, second.change, second.tone) == ("250 bytes", "4.0× smaller", "better")
    assert cells(rows, "MACs of one image")[1].change.startswith("1.50× more")
    assert cells(rows, "MACs of one image")[1].tone == "worse"
    assert cells(rows, "Accuracy")[1].tone == "worse"
    assert cells(rows, "Changed predictions")[1].value == "30"
    assert cells(rows, "Changed predictions")[1].detail == "3.0 % of 1,000"


def test_what_is_not_measurable_is_neither_better_nor_worse():
    found = contenders([result(), result(BITS, latency_ratio_high=1.02)])
    rows = comparison.table(found, {"B": Pair(UNSURE, 1)})
    assert cells(rows, "Accuracy")[1].tone == "same"
    assert cells(rows, "Latency of one image")[1].tone == "same"


def test_a_process_peak_within_its_repeatability_is_the_same():
    found = contenders([result(process_peak_bytes=100), result(BITS, process_peak_bytes=104)])
    assert cells(comparison.table(found, {}), "Process peak")[1].change == "the same"
    found = contenders([result(process_peak_bytes=None), result(BITS)])
    assert [cell.change for cell in cells(comparison.table(found, {}), "Process peak")] == ["", ""]


def test_the_sentence_says_size_speed_and_accuracy():
    found = contenders([result(CHANNELS), result(BITS, stored_bytes=100)])
    words = comparison.sentence(found[1], found[0], Pair(UNSURE, 1))
    assert words.startswith("B instead of A: a ")
    assert "indirect" in words
    assert "accuracy: no measurable difference" in words


def test_the_sentence_about_different_models_says_that_speed_is_not_compared():
    found = contenders([result(), result(BITS, model="lenet300-mnist5k")])
    assert "speed: not compared" in comparison.sentence(found[1], found[0], Pair(None, None))


SLOWER = {"latency_ratio": 2.0, "latency_ratio_low": 1.9, "latency_ratio_high": 2.1}
SAME_SPEED = {"latency_ratio": 1.0, "latency_ratio_low": 0.98, "latency_ratio_high": 1.02}


@pytest.mark.parametrize(
    ("title", "less", "against"),
    [
        ("MACs of one image", {"macs": 100} | SLOWER, "latency of one image 2.0× slower"),
        ("Energy of one image, modelled", {"weight_bytes": 1000} | SLOWER, "latency of one image 2.0× slower"),
        ("Theoretical size", {"theoretical_bytes": 100, "stored_bytes": 3_400_000}, "stored file 2.0× larger"),
        ("Peak memory, computed", {"weight_bytes": 0, "process_peak_bytes": 8_000_000}, "process peak 2.0× more"),
    ],
)
def test_a_row_that_is_not_measured_says_where_a_measurement_goes_the_other_way(title, less, against):
    changed, baseline = result(CHANNELS, **less), result()
    change = cells(comparison.table(contenders([baseline, changed]), {}), title)[1].change
    assert change.endswith(f"; measured, it went the other way: {against}")
    agrees = result(CHANNELS, **(less | SAME_SPEED | {"stored_bytes": 1_700_000, "process_peak_bytes": 4_000_000}))
    assert "other way" not in cells(comparison.table(contenders([baseline, agrees]), {}), title)[1].change
