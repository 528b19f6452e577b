import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from compression.engine.files import export
from compression.engine.measure import evaluation
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.errors import Cancelled, CorruptFile, Diverged
from compression.models.data import Split
from compression.watch import Watch
from tests.support.networks import images, network, quantized, run, with_quantizers


@pytest.fixture(scope="module")
def onnx_bytes():
    return export.to_onnx(network("mlp-digits")).SerializeToString(deterministic=True)


@pytest.fixture(scope="module")
def split():
    pictures = np.random.default_rng(0).integers(0, 17, (620, 1, 8, 8)).astype(np.uint8)
    return Split(pictures, np.zeros(620, np.int64), white=16, mean=0.3, std=0.4)


def scaling(factor):
    """A runtime file that multiplies its input by a number."""
    shape = ["N", 3, 1, 1]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"]), helper.make_node("Flatten", ["y"], ["logits"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_logits_of_all_batches_in_order(onnx_bytes, split):
    found = evaluation.logits_of(onnx_bytes, split)
    assert found.shape == (len(split), 10) and found.dtype == np.float32
    np.testing.assert_allclose(found, run(network("mlp-digits"), torch.from_numpy(split.x)).numpy(), atol=1e-4)


def test_predictions_are_the_largest_logits(onnx_bytes, split):
    seen = []
    classes = evaluation.predict(onnx_bytes, split, watch=Watch(report=lambda *done: seen.append(done)))
    assert classes.dtype == np.uint8
    assert np.array_equal(classes, evaluation.logits_of(onnx_bytes, split).argmax(1))
    assert [fraction for fraction, _ in seen] == pytest.approx([*(done / 620 for done in range(50, 620, 50)), 1.0])
    assert "620 of 620" in seen[-1][1]


def test_can_be_cancelled_between_batches(onnx_bytes, split):
    calls = []

    def check():
        calls.append(None)
        if len(calls) == 2:
            raise Cancelled("no longer wanted")

    with pytest.raises(Cancelled):
        evaluation.predict(onnx_bytes, split, watch=Watch(check=check))


@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_outputs_that_are_no_numbers_are_an_error(factor):
    ones = Split(np.ones((2, 3, 1, 1), np.uint8), np.zeros(2, np.int64), white=1, mean=0, std=1)
    assert evaluation.logits_of(scaling(2.0), ones).tolist() == [[2, 2, 2]] * 2
    with pytest.raises(Diverged, match="not finite"):
        evaluation.logits_of(scaling(factor), ones)


@pytest.mark.parametrize("data", [b"", b"garbage", scaling(1.0)[:-9]])
def test_a_file_that_is_no_network_is_an_error(data):
    with pytest.raises(CorruptFile, match="cannot load"):
        evaluation.open_session(data)


@pytest.mark.parametrize(("instruction_sets", "expected"), [(("avx2",), "1"), (("avx2", "avx_vnni"), None)])
def test_integer_kernels_are_exact_where_they_would_overflow(instruction_sets, expected, onnx_bytes, monkeypatch):
    machine = evaluation.describe_machine().model_copy(update={"instruction_sets": instruction_sets})
    monkeypatch.setattr(evaluation, "describe_machine", lambda: machine)
    options = evaluation.open_session(onnx_bytes).get_session_options()
    if expected:
        assert options.get_session_config_entry("session.x64quantprecision") == expected
    else:
        with pytest.raises(RuntimeError):
            options.get_session_config_entry("session.x64quantprecision")


@pytest.mark.parametrize("instruction_sets", [("avx2",), ("avx2", "avx_vnni")])
def test_layers_that_share_a_zero_point_load_on_every_processor(instruction_sets, monkeypatch):
    machine = evaluation.describe_machine().model_copy(update={"instruction_sets": instruction_sets})
    monkeypatch.setattr(evaluation, "describe_machine", lambda: machine)
    model = with_quantizers(quantized(fold_batch_norm(network("resnet8-mnist5k")), 8))
    content = export.to_onnx(model).SerializeToString(deterministic=True)
    x = images(model, 20)
    (found,) = evaluation.open_session(content, 1).run(None, {"x": x.numpy()})
    # The test machine may not have those kernels: sums are then off by a step of the grid now and then.
    assert np.mean(found.argmax(1) == run(model, x).numpy().argmax(1)) >= 0.9


def test_the_graph_that_really_runs_can_be_saved_and_run_as_it_is(onnx_bytes, tmp_path):
    x = images(network("mlp-digits"), 20).numpy()
    path = tmp_path / "optimized.onnx"
    session = evaluation.open_session(onnx_bytes, 1, save_as=path)
    (expected,) = session.run(None, {"x": x})
    saved = path.read_bytes()
    kinds = {node.op_type for node in onnx.load_from_string(saved).graph.node}
    assert "Relu" in {node.op_type for node in onnx.load_from_string(onnx_bytes).graph.node} - kinds
    (found,) = evaluation.open_session(saved, 1, optimize=False).run(None, {"x": x})
    np.testing.assert_array_equal(found, expected)
