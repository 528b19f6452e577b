import numpy as np
import pytest
import torch
from scipy import sparse

from compression.engine.measure import sparse as measured
from compression.engine.measure.evaluation import open_session
from compression.engine.measure.sparse import Product, products
from compression.engine.network.tracing import trace
from compression.errors import NotApplicable
from compression.watch import Watch
from tests.support.networks import network, pruned


def product(rows=6, columns=10, positions=1):
    weight = np.random.default_rng(0).standard_normal((rows, columns)).astype(np.float32)
    return Product("layer", weight, positions)


class TestProducts:
    def test_a_layers_product_is_what_the_layer_computes(self):
        model = network("lenet5-mnist5k")
        found = {made.layer: made for made in products(model)}
        layer = model.get_submodule("conv2")
        x = torch.randn(1, 20, 12, 12)
        columns = torch.nn.functional.unfold(x, layer.kernel_size)[0]
        expected = layer(x)[0].flatten(1) - layer.bias[:, None]
        assert found["conv2"].columns == columns.shape[1]
        np.testing.assert_allclose(found["conv2"].weight @ columns.numpy(), expected.detach(), rtol=1e-4, atol=1e-4)

    def test_largest_first_and_without_depthwise_layers(self):
        sizes = [made.weight.size for made in products(network("mobilenet-fashion"))]
        assert sizes == sorted(sizes, reverse=True)
        depthwise = [
            name
            for name, module in network("mobilenet-fashion").named_modules()
            if isinstance(module, torch.nn.Conv2d) and module.groups > 1
        ]
        assert depthwise
        assert not set(depthwise) & {made.layer for made in products(network("mobilenet-fashion"))}

    def test_pruning_zeroes_the_smallest(self):
        whole = product()
        half = whole.pruned(0.5)
        assert half.sparsity == 0.5
        assert np.abs(whole.weight[half.weight == 0]).max() < np.abs(half.weight[half.weight != 0]).min()
        assert whole.sparsity == 0


def test_both_ways_compute_the_same():
    made = product().pruned(0.7)
    x = np.random.default_rng(1).standard_normal((5, 10)).astype(np.float32)
    session = open_session(measured._matmul(made.weight).SerializeToString(), 1)
    (dense,) = session.run(None, {"x": x})
    np.testing.assert_allclose(dense.T, sparse.csr_array(made.weight) @ x.T, rtol=1e-5, atol=1e-6)
    _, run_sparse = measured.prepare(made, 5)
    assert run_sparse().shape == dense.T.shape


class FakeClock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def run(self, seconds):
        def step():
            self.now += seconds

        return step


@pytest.fixture
def clock(monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(measured.time, "perf_counter", clock)
    return clock


class TestTiming:
    def test_medians_of_runs_in_turn(self, clock):
        order = []

        def dense():
            order.append("dense")
            clock.now += 0.25

        def zeros():
            order.append("sparse")
            clock.now += 1.0 if len(order) < 10 else 0.5

        found = measured.time_in_turn((dense, zeros), 100.0)
        assert found == (0.25, 0.5)
        assert order == ["dense", "sparse"] * (len(order) // 2)

    @pytest.mark.parametrize(("seconds", "pairs"), [(0.0, 5), (10.0, 10), (1e9, 100)])
    def test_ends_with_the_time_but_not_before_enough_pairs(self, seconds, pairs, clock):
        runs = []

        def dense():
            runs.append(None)
            clock.now += 0.75

        measured.time_in_turn((dense, clock.run(0.25)), seconds)
        assert len(runs) == pairs + measured.WARM_UP_RUNS

    def test_each_product_at_each_batch_size(self, monkeypatch, clock):
        columns = []

        def prepare(made, count):
            columns.append((made.layer, count))
            return clock.run(0.002), clock.run(0.001)

        monkeypatch.setattr(measured, "prepare", prepare)
        chosen = [product(positions=4).pruned(0.5), product()]
        rows = list(measured.measure_products(chosen, 0.15))
        assert columns == [("layer", 4), ("layer", 64), ("layer", 1), ("layer", 16)]
        assert [(row.batch_size, row.sparsity) for row in rows] == [(1, 0.5), (16, 0.5), (1, 0), (16, 0)]
        assert rows[0].dense_ms == pytest.approx(2)
        assert rows[0].sparse_ms == pytest.approx(1)
        assert (rows[0].rows, rows[0].columns) == (6, 10)


class TestMeasureSparse:
    def test_nothing_to_measure_in_a_dense_network(self):
        assert measured.measure_sparse(network("mlp-digits")) == ()

    def test_sparse_layers_largest_first(self):
        rows = measured.measure_sparse(pruned(network("lenet5-mnist5k"), 0.8))
        assert [row.layer for row in rows[::2]] == ["hidden", "conv2", "classifier"]
        assert {row.batch_size for row in rows} == {1, 16}
        assert all(row.sparsity == pytest.approx(0.8, abs=0.05) for row in rows)
        assert all(row.dense_ms > 0 and row.sparse_ms > 0 for row in rows)

    def test_waits_for_other_measurements(self, monkeypatch):
        taken = []
        real = measured.machine_lock
        monkeypatch.setattr(measured, "machine_lock", lambda *given: taken.append(given) or real(*given))
        measured.measure_sparse(pruned(network("mlp-digits"), 0.8))
        measured.measure_sparse(network("mlp-digits"))
        assert len(taken) == 1


class TestSparsityCurve:
    def test_every_sparsity_of_the_largest_layers(self, monkeypatch, clock):
        seen = []
        monkeypatch.setattr(measured, "prepare", lambda *given: (clock.run(0.002), clock.run(0.001)))
        watch = Watch(report=lambda *said: seen.append(said))
        rows = measured.sparsity_curve(network("lenet5-mnist5k"), 0.1, watch=watch)
        assert {row.layer for row in rows} == {"hidden", "conv2", "classifier"}
        assert len(rows) == 3 * 2 * len(measured.SPARSITIES)
        assert sorted({round(row.sparsity, 2) for row in rows}) == list(measured.SPARSITIES)
        assert [fraction for fraction, _ in seen] == sorted(fraction for fraction, _ in seen)

    def test_a_network_without_matrices_is_refused(self):
        relu = trace(torch.nn.Sequential(torch.nn.ReLU()), (1, 2, 2))
        with pytest.raises(NotApplicable, match="another model"):
            measured.sparsity_curve(relu, 0.1)
