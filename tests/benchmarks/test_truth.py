import numpy as np
import pytest

from benchmarks import truth
from compression.results.timing import Ratio
from tests.support.made_up_results import timing


def test_settings_come_from_all_models_in_turns():
    found = truth.files(["mlp-digits"], 4)
    assert len(found) == len({file.name for file in found}) == 4
    assert all(file.content != file.baseline and file.shape == (1, 8, 8) for file in found)


def test_a_pass_times_every_file_and_keeps_it():
    every = truth.files(["mlp-digits"], 2)
    found = dict(truth._time_all(every, 0))
    assert set(found) == {file.name for file in every}


class TestHeld:
    def test_counts_what_is_inside_and_what_is_apart(self):
        found = {"a": [timing(0.5), timing(0.5)], "b": [timing(0.4), timing(0.6)]}
        exact = truth.held(found, lambda one: Ratio(one.ratios[0], one.ratios[0], one.ratios[0] + 1e-9))
        assert (exact.covered, exact.apart) == (0.5, 0.5)
        wide = truth.held(found, lambda one: Ratio(one.ratios[0], 0.3, 0.9))
        assert (wide.covered, wide.apart) == (1.0, 0.0)
        assert wide.width == pytest.approx(0.6 / 0.5)

    def test_rounds_alone_know_nothing_of_other_moments(self):
        random = np.random.default_rng(0)
        rounds = [timing(0.5).model_copy(update={"ratios": tuple(0.5 + 0.01 * random.random(10))}) for _ in range(3)]
        narrow, wide = (truth.held({"a": rounds}, way).width for way in (truth.of_rounds_alone, truth.ours))
        assert narrow < 0.5 * wide


def test_plain_onnx_runtime_times_the_files_in_a_process_of_its_own():
    ((file, ratio),) = truth.outside(truth.files(["mlp-digits"], 1))
    assert 0 < ratio.low <= ratio.at <= ratio.high
    text = truth.report({file.name: [timing(ratio.at), timing(ratio.at)]}, [(file, ratio)])
    assert "1 of 1 agree" in text and "| as results have it | 100.0 % | 0.0 % |" in text
