import dataclasses
import hashlib
import sys

import numpy as np
import pytest

from compression.engine import run
from compression.engine.build import load_network
from compression.engine.files import stored_file
from compression.engine.measure import evaluation
from compression.engine.measure.memory import runtime_costs
from compression.engine.network.form import count_costs
from compression.engine.run import run_recipe
from compression.errors import Cancelled
from compression.models.data import load_dataset
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from compression.results.record import RUNTIME_PARTS, STORED_PARTS
from compression.watch import Watch

MODEL = "mlp-digits"
SUBJECT = subject_of(MODEL)
PRUNE_AND_QUANTIZE = [
    {"technique": "channel_pruning", "pruning_ratio": 0.3},
    {"technique": "quantization", "weight_bits": 8, "activation_bits": 8},
]


def measured(steps, **settings):
    return run_recipe(SUBJECT, make_recipe(MODEL, steps), **settings)


@pytest.fixture(scope="module")
def baseline():
    return measured([])


@pytest.fixture(scope="module")
def variant(baseline):
    return measured(PRUNE_AND_QUANTIZE, baseline=baseline)


def test_sizes_are_those_of_the_bytes_and_the_runtime_file_is_the_decoded_stored_file(variant):
    result = variant.result
    assert (result.stored_bytes, result.onnx_bytes) == (len(variant.stored), len(variant.onnx))
    assert stored_file.decode(variant.stored).SerializeToString(deterministic=True) == variant.onnx
    assert result.zipped_bytes < result.onnx_bytes
    assert result.stored_bytes < result.baseline.stored_bytes
    assert result.theoretical_bytes < result.onnx_bytes


def test_accuracy_is_told_as_images_are_evaluated(variant, baseline, monkeypatch):
    monkeypatch.setattr(run, "TELL_S", 0)
    told = []
    again = measured(PRUNE_AND_QUANTIZE, baseline=baseline, preview=told.append)
    y = load_dataset("digits").test.y
    assert [known.n_test for known in told] == [*range(evaluation.BATCH, len(y), evaluation.BATCH), len(y)]
    for known in told:
        seen = slice(known.n_test)
        right, before = again.predictions[seen] == y[seen], baseline.predictions[seen] == y[seen]
        assert known.accuracy == right.mean() and known.n_planned == len(y)
        assert known.accuracy_difference == pytest.approx(right.mean() - before.mean())
        assert known.accuracy_difference_low <= known.accuracy_difference <= known.accuracy_difference_high
        assert known.stored_bytes == variant.result.stored_bytes
    widths = [known.accuracy_high - known.accuracy_low for known in (told[0], told[-1])]
    assert widths[1] < widths[0]


def test_accuracy_is_that_of_the_predictions_with_interval_and_paired_difference(variant, baseline):
    y = load_dataset("digits").test.y
    right, before = variant.predictions == y, baseline.predictions == y
    result = variant.result
    assert result.accuracy == right.mean()
    assert result.baseline.accuracy == before.mean()
    assert result.accuracy_difference == pytest.approx(right.mean() - before.mean())
    assert result.accuracy_difference_low <= result.accuracy_difference <= result.accuracy_difference_high
    assert result.accuracy_low < result.accuracy < result.accuracy_high
    assert result.changed_predictions == int((variant.predictions != baseline.predictions).sum())
    assert result.n_test == 500


def test_the_row_names_its_artifacts_machine_and_versions(variant):
    result = variant.result
    for name, content in variant.artifacts().items():
        assert result.artifacts[name] == hashlib.sha256(content).hexdigest()
    assert result.machine.cpu
    assert {"torch", "onnxruntime"} <= set(result.machine.versions)
    assert result.model_version == hashlib.sha256(_weights()).hexdigest()


def _weights():
    from sample_models.catalogue import find_model

    return find_model(MODEL).weights_path.read_bytes()


def test_counts_are_those_of_the_compressed_network(variant):
    assert variant.result.params < variant.result.baseline.params
    assert variant.result.macs < variant.result.baseline.macs
    assert variant.result.baseline.params == count_costs(load_network(SUBJECT)).params


def test_costs_of_running_are_those_of_the_runtime_file(variant):
    result = variant.result
    assert result.integer_macs == result.macs
    assert result.baseline.integer_macs == 0
    assert result.weight_bytes < 0.4 * result.baseline.weight_bytes
    assert result.peak_memory_bytes == result.weight_bytes + result.activation_bytes
    assert dataclasses.asdict(runtime_costs(variant.onnx)).items() <= result.model_dump().items()


def test_the_ledgers_sum_to_the_files(variant):
    result = variant.result
    assert sum(result.ledger.values()) == result.stored_bytes
    assert sum(result.runtime_ledger.values()) == result.onnx_bytes
    assert set(result.ledger) == set(STORED_PARTS)
    assert set(result.runtime_ledger) == set(RUNTIME_PARTS)
    assert result.ledger["codes"] > 0 and result.runtime_ledger["scales"] > 0


def test_the_file_is_coded_as_the_recipe_says_and_the_network_is_the_same(baseline):
    quantized = {"technique": "quantization", "weight_bits": 3}
    outputs = {
        coding: measured([quantized, {"technique": "entropy_coding", "coding": coding}], baseline=baseline)
        for coding in ("context", "huffman", "packed")
    }
    sizes = [len(outputs[coding].stored) for coding in ("context", "huffman", "packed")]
    assert sizes == sorted(set(sizes))
    assert len({output.onnx for output in outputs.values()}) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process its peak")
def test_the_process_peak_is_measured(variant):
    assert variant.result.process_peak_bytes > len(variant.onnx)
    assert variant.result.process_peak_bytes < variant.result.baseline.process_peak_bytes


def test_layers_made_sparse_are_timed_and_no_others(baseline, variant):
    pruned = measured([{"technique": "magnitude_pruning", "sparsity": 0.8}], baseline=baseline)
    assert {timing.batch_size for timing in pruned.result.sparse} == {1, 16}
    assert all(timing.sparsity > 0.3 for timing in pruned.result.sparse)
    assert variant.result.sparse == baseline.result.sparse == ()


def test_a_missing_baseline_is_measured_first(variant):
    alone = measured(PRUNE_AND_QUANTIZE)
    assert alone.stored == variant.stored
    np.testing.assert_array_equal(alone.predictions, variant.predictions)
    assert alone.result.baseline.stored_bytes == variant.result.baseline.stored_bytes


def test_the_baseline_differs_from_itself_by_nothing(baseline):
    result = baseline.result
    assert (result.accuracy_difference, result.changed_predictions, result.p_value) == (0, 0, 1)
    assert result.baseline.stored_bytes == result.stored_bytes
    assert not result.is_different


def test_a_ruined_network_is_measured_as_different(baseline):
    ruined = measured([{"technique": "magnitude_pruning", "sparsity": 0.99}], baseline=baseline)
    assert ruined.result.accuracy < 0.6
    assert ruined.result.is_different
    assert ruined.result.accuracy_difference_high < 0


def test_progress_rises_to_the_end():
    seen = []
    watch = Watch(lambda fraction, words: seen.append((fraction, words)))
    measured(PRUNE_AND_QUANTIZE, watch=watch)
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert 0.9 < fractions[-1] <= 1
    assert all(words for _, words in seen)


@pytest.mark.parametrize("after", [1, 3, 6])
def test_cancelling_stops_wherever_it_is(baseline, after):
    calls = 0

    def check():
        nonlocal calls
        calls += 1
        if calls > after:
            raise Cancelled("no longer wanted")

    with pytest.raises(Cancelled):
        measured(PRUNE_AND_QUANTIZE, baseline=baseline, watch=Watch(check=check))
