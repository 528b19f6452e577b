from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from compression.engine import laboratory
from compression.engine.files import stored_file
from compression.inquiries.verification import VerificationInquiry


def verified(bench, **changes):
    variant = replace(bench.bench.variant, **changes)
    return laboratory.answer(VerificationInquiry(recipe=bench.recipe), replace(bench.bench, variant=variant))


def changed(content):
    """The network with other weights in its last layer."""
    model = onnx.load_model_from_string(content)
    tensor = max(
        (one for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT),
        key=lambda t: np.prod(t.dims),
    )
    tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    return model


def test_what_the_engine_measured_is_sound(bench):
    found = verified(bench)
    assert found.is_sound
    assert found.decodes_alike
    assert found.is_valid_onnx
    assert found.n_test == 500
    assert found.accuracy == pytest.approx(bench.bench.variant.result.accuracy, abs=found.ties / 500)
    assert found.onnx_sha256 == bench.bench.variant.result.artifacts["onnx"]
    assert found.stored_sha256 == bench.bench.variant.result.artifacts["stored"]


def test_a_stored_file_of_another_network_is_not(bench):
    other = stored_file.encode(changed(bench.bench.variant.onnx))
    found = verified(bench, stored=other)
    assert not found.decodes_alike
    assert not found.is_sound


def test_a_runtime_file_that_answers_otherwise_is_not(bench):
    other = changed(bench.bench.variant.onnx)
    found = verified(bench, onnx=other.SerializeToString(deterministic=True), stored=stored_file.encode(other))
    assert found.decodes_alike
    assert found.different > found.ties
    assert not found.is_sound


def test_kept_predictions_that_do_not_fit_are_found(bench):
    wrong = bench.bench.variant.predictions.copy()
    wrong[:3] = (wrong[:3] + 1) % 10
    found = verified(bench, predictions=wrong)
    assert found.different >= 3
    assert not found.is_sound
