import numpy as np
import onnx
import pytest
import torch
from torch import nn

pytest.importorskip("torch_pruning")
pytest.importorskip("onnxscript")

from benchmarks import notebook as benchmark
from compression.models.data import load_dataset

DATA = load_dataset("digits")


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    notebook = benchmark.Notebook("mlp-digits", tmp_path_factory.mktemp("notebook"), runs=3)
    return {percent: list(notebook.points(percent)) for percent in (0, 50)}


class TestNotebook:
    def test_the_unchanged_network_is_no_point(self, points):
        assert [(point.percent, point.bits) for point in points[0]] == [(0, 8)]
        assert [(point.percent, point.bits) for point in points[50]] == [(50, 32), (50, 8)]

    def test_both_points_of_a_ratio_share_the_export(self, points):
        pruned, rounded = points[50]
        assert {"load", "prune", "recalibrate", "export"} <= set(pruned.stages)
        assert "export" not in rounded.stages and "quantize" in rounded.stages

    def test_every_point_has_been_measured(self, points):
        for point in (*points[0], *points[50]):
            assert {"sizes", "evaluate", "latency"} <= set(point.stages)
            assert 0 < point.zipped_bytes < point.onnx_bytes
            assert point.latency_ms > 0 and point.baseline_ms > 0
            assert point.seconds == sum(point.stages.values())

    def test_eight_bits_keep_the_accuracy_that_half_the_neurons_cost(self, points):
        assert points[0][0].accuracy > 0.9
        assert points[50][0].accuracy < points[0][0].accuracy

    def test_smaller_means_fewer_bytes(self, points):
        pruned, rounded = points[50]
        assert rounded.onnx_bytes < pruned.onnx_bytes


class TestPrune:
    def test_removes_the_share_of_least_magnitude(self):
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        scales = torch.tensor([5.0, 1, 6, 2, 7, 3, 8, 4])
        with torch.no_grad():
            model[0].weight.copy_(scales[:, None].expand(8, 4))
            model[2].weight.fill_(1)
        benchmark.prune(model, torch.zeros(1, 4), 0.5)
        assert model[0].weight[:, 0].tolist() == [5, 6, 7, 8]
        assert model[2].weight.shape == (3, 4)

    def test_rounds_when_told_to(self):
        model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        benchmark.prune(model, torch.zeros(1, 4), 0.4, round_to=4)
        assert model[0].out_features == 8


def test_recalibrate_takes_the_statistics_of_the_images():
    model = nn.Sequential(nn.BatchNorm2d(2)).eval()
    model[0].running_mean.fill_(100)
    images = torch.randn(256, 2, 3, 3) * 2 + torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1)
    benchmark.recalibrate(model, images)
    torch.testing.assert_close(model[0].running_mean, images.mean((0, 2, 3)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model[0].running_var, images.var((0, 2, 3)), rtol=0.02, atol=0)
    assert not model.training


def test_the_exported_file_takes_any_number_of_images_and_answers_as_torch_does(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 10)).eval()
    x = DATA.test.x[:5]
    benchmark.export(model, x[:1], tmp_path / "model.onnx")
    session = benchmark.open_session(tmp_path / "model.onnx")
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(session.run(None, {"x": x})[0], wanted, atol=1e-5)


def test_quantized_weights_have_a_scale_for_each_channel(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 10)).eval()
    source, target = tmp_path / "model.onnx", tmp_path / "int8.onnx"
    benchmark.export(model, DATA.test.x[:1], source)
    benchmark.quantize(source, target, DATA.train.head(64).x)
    written = onnx.load(target).graph
    scales = {tensor.name: tensor.dims for tensor in written.initializer if tensor.name.endswith("_scale")}
    assert [3] in scales.values()
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in written.node}


def test_calibration_sees_every_image_once():
    images = np.arange(300, dtype=np.float32).reshape(300, 1, 1, 1)
    reader, seen = benchmark.Reader(images, "x"), []
    while (batch := reader.get_next()) is not None:
        seen.append(batch["x"])
    np.testing.assert_array_equal(np.concatenate(seen), images)


def test_a_stage_entered_twice_adds_up(monkeypatch):
    clock = iter([1.0, 3.0, 10.0, 15.0])
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: next(clock))
    watch = benchmark.Stopwatch()
    for _ in range(2):
        with watch.stage("export"):
            pass
    assert watch.stages == {"export": 7.0}
