import json
import typing
from collections import Counter

import numpy as np
import pytest

from benchmarks import techniques as benchmark
from benchmarks.variants import TRIED
from compression.errors import Diverged, NotApplicable
from compression.models.subject import subject_of
from compression.recipe.steps import STEP_TYPES
from sample_models.catalogue import MODELS
from tests.support.made_up_results import fabricate

ALL = tuple(dict.fromkeys(variant.technique for variant in benchmark.VARIANTS))
NOT_TABLED = {"learning_rate", "match_weight", "temperature", "levels"}
"""How training goes: the table compares what is trained. And levels, which name the layers of one network."""
MANY = {"weight_bits", "activation_bits", "round_to"}
"""Numbers of which the table shows some."""


def every_step():
    return [
        step
        for cell in benchmark.cells(tuple(MODELS), ALL, benchmark.BUDGETS)
        if cell.recipe
        for step in cell.recipe.steps
    ]


class Output:
    """What the table reads of a `RunOutput`."""

    def __init__(self, recipe):
        self.result = fabricate(recipe)
        self.predictions = np.zeros(len(subject_of(recipe.model).data.load().test), np.uint8)


@pytest.fixture
def dispatcher(monkeypatch):
    """Runs nothing; `failing` and `pointless` techniques raise. Lists what was asked for."""
    import compression.engine.run

    class Dispatcher:
        failing = pointless = ""
        asked: typing.ClassVar[list] = []

        def run(self, subject, recipe, *, baseline=None):
            self.asked.append(recipe)
            names = [step.technique for step in recipe.steps]
            if self.failing in names:
                raise Diverged("no numbers")
            if self.pointless in names:
                raise NotApplicable("there is nothing to do")
            assert recipe.is_baseline or baseline.result.recipe_id == recipe.baseline().recipe_id
            return Output(recipe)

    dispatcher = Dispatcher()
    dispatcher.asked = []
    monkeypatch.setattr(compression.engine.run, "run_recipe", dispatcher.run)
    return dispatcher


class TestVariants:
    def test_every_technique_is_there_by_itself(self):
        assert set(STEP_TYPES) <= set(ALL)

    def test_names_are_unique(self):
        names = [(variant.technique, variant.name) for variant in benchmark.VARIANTS]
        assert len(names) == len(set(names))

    @pytest.mark.parametrize("technique", sorted({variant.technique for variant in TRIED} & set(STEP_TYPES)))
    def test_every_setting_is_tried_with_every_choice(self, technique):
        steps = [step for step in every_step() if step.technique == technique]
        for name, field in STEP_TYPES[technique].model_fields.items():
            if name in NOT_TABLED or name == "technique":
                continue
            tried = {getattr(step, name) for step in steps}
            is_choice = "Literal" in str(field.annotation) and name not in MANY
            choices = set(typing.get_args(field.annotation)) if is_choice else set()
            assert choices <= tried, f"{technique}.{name}"
            assert len(tried) > 1 or not field.is_required(), f"{technique}.{name}"
            assert tried - {field.default} or technique == "slimmable_student", f"{technique}.{name}"

    def test_all_bits_meet_all_methods(self):
        tried = {(step.weight_bits, step.method) for step in every_step() if step.technique == "quantization"}
        methods = ("nearest", "mse", "gptq", "adaround")
        assert {(bits, method) for bits in (8, 4, 3, 2, 1) for method in methods} <= tried

    def test_without_a_budget_nothing_trains(self):
        for cell in benchmark.cells(tuple(MODELS), ALL, ("none",)):
            steps = cell.recipe.steps if cell.recipe else ()
            assert not any(getattr(step, "epochs", 0) for step in steps)
            assert not any(step.technique in ("fine_tuning", "distillation") for step in steps)

    def test_with_a_budget_every_cell_trains_but_students_that_need_not(self):
        for cell in benchmark.cells(("lenet5-mnist5k",), ALL, ("quick",)):
            assert any(getattr(step, "epochs", 0) for step in cell.recipe.steps), cell.variant

    def test_an_ensemble_needs_other_models(self):
        by_model = {
            cell.model: cell
            for cell in benchmark.cells(("mlp-digits", "lenet5-mnist5k"), ("distillation",), ("quick",), "ensemble")
        }
        assert by_model["mlp-digits"].recipe is None
        assert "no other sample model" in by_model["mlp-digits"].problem
        assert by_model["lenet5-mnist5k"].recipe.steps[0].teachers[0] == "lenet5-mnist5k"
        assert len(by_model["lenet5-mnist5k"].recipe.steps[0].teachers) == 3


class TestFilling:
    def cells(self, *techniques, budgets=("none",)):
        return benchmark.cells(("mlp-digits",), techniques, budgets)

    def test_each_cell_once_and_the_baseline_once(self, dispatcher, tmp_path):
        wanted = self.cells("low_rank", "layer_tying")
        rows = benchmark.fill(wanted, tmp_path / "rows.jsonl")
        assert [recipe.is_baseline for recipe in dispatcher.asked].count(True) == 1
        assert len(dispatcher.asked) == len(wanted) + 1
        assert [row["status"] for row in rows] == ["measured"] * len(wanted)

    def test_what_is_there_is_not_measured_again_unless_fresh(self, dispatcher, tmp_path):
        path = tmp_path / "rows.jsonl"
        wanted = self.cells("low_rank")
        benchmark.fill(wanted[:3], path)
        with open(path, "a") as file:
            file.write('{"key": ["interr')
        dispatcher.asked.clear()
        assert len(benchmark.fill(wanted, path)) == len(wanted)
        assert len(dispatcher.asked) == len(wanted) - 3 + 1
        dispatcher.asked.clear()
        benchmark.fill(wanted, path, fresh=True)
        assert len(dispatcher.asked) == len(wanted) + 1

    def test_failures_are_tried_again(self, dispatcher, tmp_path):
        wanted = self.cells("low_rank")[:1]
        dispatcher.failing = "low_rank"
        (row,) = benchmark.fill(wanted, tmp_path / "rows.jsonl")
        assert (row["status"], row["reason"]) == ("failed", "Diverged: no numbers")
        dispatcher.failing = ""
        (row,) = benchmark.fill(wanted, tmp_path / "rows.jsonl")
        assert row["status"] == "measured"

    def test_reasons_are_kept(self, dispatcher, tmp_path):
        dispatcher.pointless = "low_rank"
        rows = benchmark.fill(self.cells("low_rank", "distillation"), tmp_path / "rows.jsonl")
        assert {row["reason"] for row in rows} == {"there is nothing to do", "trains by nature"}
        dispatcher.asked.clear()
        benchmark.fill(self.cells("low_rank", "distillation"), tmp_path / "rows.jsonl")
        assert dispatcher.asked == []


class TestTable:
    def test_shows_accuracy_sizes_ratio_and_seconds(self, dispatcher, tmp_path):
        wanted = benchmark.cells(("mlp-digits",), ("channel_pruning",), ("none",), "30%, any")
        baseline, line = benchmark.table_of(benchmark.fill(wanted, tmp_path / "rows.jsonl"))
        assert baseline[:3] == ("baseline", "", "mlp-digits")
        assert len(line) == len(baseline) == len(benchmark.COLUMNS)
        expected = fabricate(wanted[0].recipe)
        accuracy, low, high = (100 * getattr(expected, f"accuracy{end}") for end in ("", "_low", "_high"))
        assert line[4] == f"{accuracy:.1f} % [{low:.1f}, {high:.1f}]"
        assert line[9].startswith(f"{expected.latency_ratio:.2f} [")
        assert line[10] == "0.5"

    def test_failed_and_pointless_cells_say_so_and_the_exit_code_tells(self, dispatcher, tmp_path, capsys):
        given = ["--models", "mlp-digits", "--budget", "none", "--json", str(tmp_path / "rows.jsonl")]
        dispatcher.failing, dispatcher.pointless = "low_rank", "layer_tying"
        assert benchmark.main([*given, "--techniques", "low_rank", "layer_tying"]) == 1
        printed = capsys.readouterr().out
        assert "FAILED: Diverged: no numbers" in printed
        assert "not applicable: there is nothing to do" in printed
        dispatcher.failing = ""
        report = tmp_path / "table.md"
        assert benchmark.main([*given, "--techniques", "low_rank", "--markdown", str(report)]) == 0
        lines = report.read_text().splitlines()
        assert "0 failed" in lines[2] and "## mlp-digits" in lines
        table = [line for line in lines if line.startswith("|")]
        assert {line.count("|") for line in table} == {len(benchmark.COLUMNS)}
        assert table[2].startswith("| baseline |")
        assert all(line.startswith("| low_rank |") for line in table[3:]) and len(table) > 5

    def test_reasons_stand_below_the_table_once(self, dispatcher, tmp_path):
        wanted = benchmark.cells(("mlp-digits",), ("low_rank", "layer_tying"), ("none", "quick"))
        dispatcher.pointless = "layer_tying"
        lines = benchmark.markdown(benchmark.fill(wanted, tmp_path / "rows.jsonl")).splitlines()
        (said,) = [line for line in lines if line.startswith("- Not")]
        assert said == "- Not applicable: layer_tying, 2 blocks; layer_tying, 3 blocks. there is nothing to do"

    def test_listing_measures_nothing(self, dispatcher, tmp_path, capsys):
        assert benchmark.main(["--list", "--models", "mlp-digits", "--json", str(tmp_path / "rows.jsonl")]) == 0
        assert "zero 50 % of weights" in capsys.readouterr().out
        assert dispatcher.asked == []
        assert not (tmp_path / "rows.jsonl").exists()


def test_rows_are_json_lines(dispatcher, tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    benchmark.fill(benchmark.cells(("mlp-digits",), ("low_rank",), ("none",)), path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(row["result"]["ledger"] for row in rows)


def row(budget, right, variant="90% of weights"):
    trained = [] if budget == "none" else [{"kept": "untrained" if budget == "thorough" else "average"}]
    result = {"n_test": len(right), "accuracy": float(np.mean(right)), "trainings": trained}
    bits = np.packbits(np.asarray(right, bool)).tobytes().hex()
    known = {"model": "resnet8-mnist5k", "technique": "magnitude_pruning", "variant": variant, "status": "measured"}
    return known | {"budget": budget, "result": result, "right": bits}


def test_more_budget_is_compared_on_the_same_images():
    n = np.arange(1001)
    rows = [row("none", n < 900), row("quick", n < 950), row("thorough", n < 850)]
    steps = benchmark.budget_steps(rows)
    assert [(step.less, step.more, step.is_worse) for step in steps] == [
        ("none", "quick", False),
        ("none", "thorough", True),
        ("quick", "thorough", True),
    ]
    assert steps[0].gained.difference == pytest.approx(50 / 1001)
    words = benchmark.budget_words(steps)
    assert "quick against none: 1 settings, better in 1, worse in 0 beyond the paired interval; +5.00" in words[0]
    assert "magnitude_pruning, 90% of weights (-9.99 points)" in words[2]
    (line,) = benchmark.budget_table([*reversed(rows), row("none", n < 5, variant="alone")])
    assert line[:5] == ("resnet8-mnist5k", "magnitude_pruning, 90% of weights", "89.9", "94.9", "84.9 (kept)")
    assert [cell.split(" [")[0] for cell in line[5:]] == ["+5.00", "−9.99"]


def test_a_sample_is_the_same_for_the_same_seed_and_can_be_spread_over_models():
    def settings(seed, **how):
        models = ("mlp-digits", "lenet5-mnist5k", "resnet8-mnist5k")
        found = benchmark.drawn(benchmark.cells(models, ALL, ["none", "quick"]), 20, seed, **how)
        return [(cell.model, cell.variant.technique, cell.variant.name) for cell in found if cell.budget == "quick"]

    assert settings(15) == settings(15) != settings(16)
    assert len(settings(15)) == len(set(settings(15))) == 60
    spread = settings(15, spread=True)
    assert {setting[1:] for setting in spread} == {setting[1:] for setting in settings(15)}
    assert sorted(Counter(model for model, *_ in spread).values()) == [6, 7, 7]
