import json
import os
import sys
from types import SimpleNamespace

import pytest

pytest.importorskip("torch_pruning")
pytest.importorskip("onnxscript")

from benchmarks import points, stages
from benchmarks import sweep as benchmark
from benchmarks.notebook import Point
from benchmarks.points import Setting, Sweep
from benchmarks.stages import Floor
from benchmarks.sweep import Round
from compression import environment
from compression.models.data import load_dataset

MODEL = "mlp-digits"
SETTINGS = [Setting(50, 32), Setting(50, 8)]


@pytest.fixture(scope="module")
def untouched():
    """What the tests' own home folder holds before."""
    return files_at_home()


@pytest.fixture(scope="module")
def alone(tmp_path_factory, untouched):
    return points.in_process(MODEL, SETTINGS, tmp_path_factory.mktemp("sweep") / "home")


def files_at_home():
    """Name, size and time of change of every file of results."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in environment.home().glob("results*")}


class TestPoints:
    def test_nineteen(self):
        settings = points.settings_of(benchmark.PERCENTS)
        assert len(set(settings)) == 19
        assert (0, 32) not in settings and (0, 8) in settings

    def test_recipes_are_what_the_settings_say(self):
        steps = points.recipe_of(MODEL, Setting(30, 8)).steps
        assert [step.technique for step in steps] == ["channel_pruning", "quantization"]
        assert (steps[0].pruning_ratio, steps[1].weight_bits, steps[1].activation_bits) == (0.3, 8, 8)
        assert [step.technique for step in points.recipe_of(MODEL, Setting(0, 8)).steps] == ["quantization"]

    def test_warming_up_measures_no_point_of_the_sweep(self):
        sweep = {points.recipe_of(MODEL, setting).steps for setting in points.settings_of(benchmark.PERCENTS)}
        warm = points.warm_up_recipes(MODEL, 3)
        assert len({recipe.recipe_id for recipe in warm}) == 3
        assert not sweep & {recipe.steps for recipe in warm}


class TestInProcess:
    def test_every_point_has_a_result_and_its_runtime_file(self, alone):
        assert list(alone.results) == SETTINGS
        for setting, result in alone.results.items():
            assert result.recipe_id == points.recipe_of(MODEL, setting).recipe_id
            assert len(alone.files[setting]) == result.onnx_bytes
        assert alone.files[50, 8] != alone.files[50, 32] != alone.baseline_file

    def test_no_point_was_in_the_store_before(self, alone):
        for taken in alone.stages.values():
            assert all(taken[stage] > 0 for stage in ("build", "export", "encode", "decode", "evaluate", "latency"))

    def test_stages_fit_into_the_point(self, alone):
        for setting in SETTINGS:
            assert 0 < sum(alone.stages[setting].values()) <= alone.seconds[setting]

    def test_leaves_no_trace_in_the_home_folder(self, alone, untouched):
        assert os.environ["COMPRESSION_HOME"] == str(environment.home())
        assert files_at_home() == untouched


@pytest.mark.timeout(200)
def test_by_dispatcher(tmp_path):
    sweep = points.by_dispatcher(MODEL, SETTINGS, tmp_path / "home")
    assert [sweep.results[setting].recipe_id for setting in SETTINGS] == [
        points.recipe_of(MODEL, setting).recipe_id for setting in SETTINGS
    ]
    assert all(len(sweep.files[setting]) == sweep.results[setting].onnx_bytes for setting in SETTINGS)
    assert 0 < max(sweep.seconds.values()) <= sweep.total


@pytest.mark.parametrize(
    ("state", "problem", "words"), [("failed", None, "no memory"), ("waiting", "no workers", "no workers")]
)
def test_what_cannot_be_measured_ends_the_benchmark(state, problem, words):
    recipe = points.recipe_of(MODEL, SETTINGS[0])
    job = SimpleNamespace(recipe=recipe, state=points.JobState(state), error="no memory")
    dispatcher = SimpleNamespace(
        submit=lambda recipes, **options: None, jobs=lambda group: [job], problem=problem, is_ready=False
    )
    with pytest.raises(RuntimeError, match=words):
        points.completed(dispatcher, [recipe], "sweep", True)


class TestStopwatch:
    @pytest.fixture
    def module(self, monkeypatch):
        """A module whose `outer` takes 5 s by a fake clock, 2 of them in its `inner`, which takes 2."""
        module = SimpleNamespace(now=0.0)

        def inner():
            module.now += 2
            return "in"

        def outer():
            module.now += 3
            return f"out {module.inner()}"

        module.inner, module.outer = inner, outer
        monkeypatch.setitem(sys.modules, "timed_module", module)
        monkeypatch.setattr(points.time, "perf_counter", lambda: module.now)
        return module

    def test_the_outer_stage_counts(self, module):
        with stages.stopwatch({"a": ["timed_module:outer"], "b": ["timed_module:inner"]}) as seconds:
            assert module.outer() == "out in"
            module.inner()
        assert seconds == {"a": 5, "b": 2}

    def test_everything_is_as_before_afterwards(self, module):
        before = module.outer
        with stages.stopwatch({"a": ["timed_module:outer"]}) as seconds:
            assert module.outer is not before
        module.outer()
        assert module.outer is before and seconds == {"a": 0}

    def test_its_stages_are_functions_that_exist(self):
        for places in stages.STAGES.values():
            for place in places:
                owner, name = stages._owner(place)
                assert callable(getattr(owner, name))


def test_the_floor_runs_every_image_and_every_timed_run(alone, monkeypatch):
    images, runs = [], []

    class Session:
        def get_inputs(self):
            return [SimpleNamespace(name="x")]

        def run(self, names, feeds):
            images.append(len(feeds["x"]))

    dataset = load_dataset("digits")
    monkeypatch.setattr(stages.evaluation, "open_session", lambda file: Session())
    monkeypatch.setattr(stages.latency, "prepare", lambda file, image: lambda: runs.append(file))
    monkeypatch.setattr(stages.latency, "warm_up", lambda run: None)
    floor = stages.floor_of(alone.files[50, 8], alone.baseline_file, dataset, runs=20)
    assert sum(images[1:]) == len(dataset.test)
    a_turn = stages.latency.IN_A_ROW
    assert [runs.count(file) for file in set(runs)] == [20 + 20 // a_turn] * 2
    assert floor.seconds == floor.evaluate + floor.latency


@pytest.fixture
def rounds(alone):
    """Two rounds with made-up times: the notebook 10 and 20 s a point, ours 1 s, the floor half a second."""

    def sweep(seconds):
        taken = dict.fromkeys(stages.STAGES, 0.0) | {"evaluate": 0.3, "latency": 0.4, "encode": 0.1}
        return Sweep(
            alone.results,
            alone.files,
            alone.baseline_file,
            dict.fromkeys(SETTINGS, seconds),
            2 * seconds,
            dict.fromkeys(SETTINGS, taken),
        )

    def point(setting, seconds):
        return Point(*setting, 0.5, 2000, 1000, 1.0, 2.0, {"export": seconds})

    floor = dict.fromkeys(SETTINGS, Floor(0.2, 0.3))
    return [
        Round({setting: point(setting, seconds) for setting in SETTINGS}, sweep(1.0), sweep(2.0), floor)
        for seconds in (10.0, 20.0)
    ]


class TestTables:
    def test_paces(self, rounds):
        found = {pace.name: pace for pace in benchmark.paces(rounds)}
        assert list(found) == ["notebook", "ours", "ours, one process", "floor"]
        assert found["ours"].to_notebook == 15 and found["ours"].to_floor == 2
        assert found["ours, one process"].to_notebook == 7.5
        assert found["notebook"].average == 15 and found["floor"].typical == 0.5

    def test_without_worker_processes(self, rounds):
        left = [Round(r.notebook, None, r.alone, r.floor) for r in rounds]
        assert [pace.name for pace in benchmark.paces(left)] == ["notebook", "ours, one process", "floor"]
        assert left[0].best is left[0].alone

    def test_overhead_is_what_the_floor_does_not_explain(self, rounds):
        found = {stage: (seconds, bare) for stage, seconds, bare in benchmark.overhead(rounds)}
        assert found["evaluate"] == (0.3, 0.2) and found["latency"] == (0.4, 0.3) and found["encode"] == (0.1, 0)
        assert found["the rest"] == (pytest.approx(2.0 - 0.8), 0)

    def test_points_side_by_side(self, rounds):
        lines = benchmark.point_table(rounds)
        cells = [list(column.cells) for column in lines.columns]
        ours = rounds[0].ours.results[50, 8]
        assert cells[2][1] == f"50.0 / {100 * ours.accuracy:.1f}"
        assert cells[4][1] == f"2,000 / {ours.onnx_bytes:,}"
        assert cells[7] == ["15.00 / 1.00"] * 2

    def test_goals(self, rounds):
        faster, floors, worse = benchmark.goals(rounds)
        assert (faster.found, floors.found) == (15, 2) and not faster.is_reached and not floors.is_reached
        below = sum(result.accuracy < 0.5 for result in rounds[0].ours.results.values())
        assert worse.found == below and worse.is_reached == (below == 0)

    def test_json_has_everything_but_the_files(self, rounds):
        first = json.loads(json.dumps(benchmark.as_json(rounds)))[0]
        assert [point["stages"] for point in first["notebook"]] == [{"export": 10.0}] * 2
        assert [point["percent"] for point in first["ours"]["points"]] == [50, 50]
        assert first["floor"] == [[50, 32, 0.2, 0.3], [50, 8, 0.2, 0.3]]
