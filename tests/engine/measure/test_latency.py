import gc
import itertools
import math

import numpy as np
import pytest
import torch

from compression.engine.files import export
from compression.engine.measure import latency
from compression.engine.run import run_recipe
from compression.errors import Cancelled
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe, make_recipe
from compression.results.significance import trimmed_mean
from compression.watch import Watch
from tests.support.networks import network


def serialized(model):
    return export.to_onnx(model).SerializeToString(deterministic=True)


@pytest.fixture(scope="module")
def onnx_bytes():
    return serialized(network("mlp-digits"))


@pytest.fixture
def fake_runs(monkeypatch):
    """Loaded files are called by their first byte; each run takes seconds on a fake clock, which are not many."""
    clock, log, drawn = [0], [], np.random.default_rng(0)

    def prepare(data, image):
        log.append(f"load {data.decode()}")
        duration = {"a": 2, "b": 8, "n": 1, "v": drawn.integers(2, 9)}[data.decode()]

        def run():
            clock[0] += duration * 10**9
            log.append(data.decode())

        return run

    monkeypatch.setattr(latency, "prepare", prepare)
    monkeypatch.setattr(latency, "optimized", lambda data: data)
    monkeypatch.setattr(latency, "_nothing", lambda shape: b"n")
    monkeypatch.setattr(latency, "ROUND_SECONDS", math.inf)
    monkeypatch.setattr(latency.time, "perf_counter_ns", lambda: clock[0])
    return log


class TestRatios:
    def test_each_file_against_the_baseline(self, fake_runs):
        assert latency.measure_ratios([b"a", b"b", b"a"], b"b", (1, 8, 8)) == [0.25, 1, 0.25]

    def test_all_take_turns_as_often_and_in_changing_order(self, fake_runs):
        latency.measure_ratios([b"a"], b"b", (1, 8, 8))
        assert fake_runs.count("a") == fake_runs.count("b")
        assert fake_runs.count("a") == 2 * 40 + latency.SEARCH_ROUNDS * latency.WARM_UP_RUNS
        timed = "".join(entry for entry in fake_runs if len(entry) == 1)
        assert timed.count("aabbaa") and timed.count("bbaabb")

    def test_it_can_be_cancelled(self, fake_runs):
        def check():
            if len(fake_runs) > 60:
                raise Cancelled("no longer wanted")

        with pytest.raises(Cancelled):
            latency.measure_ratios([b"a"], b"b", (1, 8, 8), watch=Watch(check=check))


class TestLatency:
    def test_times_in_milliseconds_and_their_ratio(self, fake_runs):
        found = latency.measure_latency(b"a", b"b", (1, 8, 8), runs=20, seconds=math.inf)
        assert (found.p50_ms, found.p95_ms, found.baseline_p50_ms, found.call_ms) == (2000, 2000, 8000, 1000)
        assert found.ratios == (0.25,) * latency.ROUNDS

    def test_each_file_runs_as_often_and_never_cold(self, fake_runs):
        latency.measure_latency(b"a", b"b", (1, 8, 8), runs=40, seconds=math.inf)
        runs = [entry for entry in fake_runs if len(entry) == 1]
        once_cold = latency.ROUNDS * -(-40 // latency.ROUNDS // latency.IN_A_ROW)
        assert (
            runs.count("a")
            == runs.count("b")
            == runs.count("n")
            == 40 + once_cold + latency.ROUNDS * latency.WARM_UP_RUNS
        )
        assert fake_runs.count("load a") == fake_runs.count("load b") == latency.ROUNDS

    def test_the_order_changes(self, fake_runs):
        latency.measure_latency(b"a", b"b", (1, 8, 8), runs=200, seconds=math.inf)
        loads = [entry for entry in fake_runs if len(entry) > 1]
        there = ["load a", "load b", "load n"]
        assert loads == [*there, *there[::-1]] * (latency.ROUNDS // 2)
        turn = 1 + latency.IN_A_ROW
        runs = "".join(entry for entry in fake_runs if len(entry) == 1)
        assert all(first * turn + second * turn in runs for first, second in itertools.permutations("abn", 2))

    @pytest.mark.parametrize("runs", [1, 3, 30, 200])
    def test_never_fewer_runs_than_asked_for(self, runs, fake_runs):
        latency.measure_latency(b"a", b"b", (1, 8, 8), runs=runs, seconds=math.inf)
        rounds = min(runs, latency.ROUNDS)
        cold = fake_runs.count("a") - rounds * latency.WARM_UP_RUNS - runs
        assert cold >= runs / latency.IN_A_ROW

    def test_rounds_go_on_until_they_agree(self, fake_runs):
        agree = latency.measure_latency(b"a", b"b", (1, 8, 8), seconds=math.inf)
        assert (len(agree.ratios), agree.runs) == (latency.ROUNDS, latency.RUNS)
        found = latency.measure_latency(b"v", b"b", (1, 8, 8), narrow=0.5, seconds=math.inf)
        assert latency.ROUNDS < len(found.ratios) < latency.MOST_ROUNDS
        assert found.runs == len(found.ratios) * latency.RUNS // latency.ROUNDS
        assert 2 * trimmed_mean(np.log(found.ratios))[1] <= 0.5 < 2 * trimmed_mean(np.log(found.ratios[:-1]))[1]
        varied = latency.measure_latency(b"v", b"b", (1, 8, 8), seconds=math.inf)
        assert len(varied.ratios) == latency.MOST_ROUNDS

    def test_slow_networks_get_few_rounds_of_few_runs(self, fake_runs, monkeypatch):
        monkeypatch.setattr(latency, "ROUND_SECONDS", 1)
        said = []
        watch = Watch(report=lambda fraction, words: said.append(words))
        found = latency.measure_latency(b"a", b"b", (1, 8, 8), watch=watch)
        assert len(found.ratios) == len(said) == latency.FEWEST_ROUNDS
        assert found.runs == latency.FEWEST_ROUNDS * latency.IN_A_ROW
        assert said[-1] == "measuring latency: 24 to 26 % of the original's so far"

    def test_runs_must_be_positive(self):
        with pytest.raises(ValueError, match="runs=0"):
            latency.measure_latency(b"a", b"b", (1, 8, 8), runs=0)

    def test_reports_and_can_be_cancelled(self, fake_runs):
        seen = []
        watch = Watch(report=lambda *said: seen.append(said[0]))
        latency.measure_latency(b"a", b"b", (1, 8, 8), runs=16, seconds=math.inf, watch=watch)
        assert seen == sorted(seen) and seen[0] >= 0 and seen[-1] < 1

        def check():
            if len(seen) > 20:
                raise Cancelled("no longer wanted")
            seen.append(None)

        with pytest.raises(Cancelled):
            latency.measure_latency(b"a", b"b", (1, 8, 8), runs=16, watch=Watch(check=check))

    def test_real_networks(self, onnx_bytes):
        found = latency.measure_latency(onnx_bytes, onnx_bytes, (1, 8, 8), runs=16, narrow=math.inf)
        assert 0 < found.p50_ms <= found.p95_ms and found.baseline_p50_ms > 0
        assert len(found.ratios) == latency.ROUNDS and min(found.ratios) > 0
        assert 0 < found.call_ms < found.p50_ms
        assert 0 <= found.load <= 1

    def test_one_image_one_thread(self, onnx_bytes, monkeypatch):
        opened = []
        real = latency.open_session
        monkeypatch.setattr(
            latency, "open_session", lambda *given, **named: opened.append(given) or real(*given, **named)
        )
        image = np.zeros((1, 1, 8, 8), np.float32)
        latency.prepare(onnx_bytes, image)()
        assert opened == [(onnx_bytes, 1)]

    def test_garbage_collection_comes_back(self, fake_runs):
        latency.measure_latency(b"a", b"b", (1, 8, 8), runs=1)
        assert gc.isenabled()
        with latency._no_garbage_collection():
            assert not gc.isenabled()


class TestGraphs:
    def test_values_do_not_matter(self):
        """Rounded to a codebook or thinned out, the same operations run on the same shapes."""
        model = network("lenet5-mnist5k")
        key = latency.graph_key(serialized(model))
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_((weight.abs() > 0.01) * 0.5)
        assert latency.graph_key(serialized(model)) == key

    def test_shapes_and_kernels_do(self):
        whole = Recipe(model="lenet5-mnist5k")
        steps = (
            [{"technique": "channel_pruning", "pruning_ratio": 0.5}],
            [{"technique": "quantization", "weight_bits": 8, "activation_bits": 8}],
        )
        recipes = (whole, *(make_recipe(whole.model, each) for each in steps))
        keys = [latency.graph_key(run_recipe(subject_of(whole.model), recipe).onnx) for recipe in recipes]
        assert len(set(keys)) == 3
