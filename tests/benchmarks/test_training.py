import numpy as np
import pytest
import torch

from benchmarks import training as benchmark
from benchmarks.training import Accuracies, Speed
from compression.engine.network.tracing import trace
from compression.models.data import SampleData, load_dataset
from compression.recipe.recipe import Recipe
from sample_models.catalogue import find_model


class TestSpeed:
    def test_the_ratio_is_the_median_of_pairs(self):
        assert Speed("m", (10.0, 30.0, 90.0), (10.0, 10.0, 10.0)).ratio == 3
        assert Speed("m", (10.0, 20.0, 1000.0), (10.0, 10.0, 10.0)).ratio == 2

    def test_both_loops_train_on_the_same_number_of_images(self):
        entry = find_model("mlp-digits")
        dataset = load_dataset(entry.dataset)
        for loop in (benchmark.ours, benchmark.plain):
            model, seen = trace(entry.load(), dataset.input_shape), []
            before = [parameter.clone() for parameter in model.parameters()]
            model.register_forward_hook(lambda module, given, answer, seen=seen: seen.append(len(given[0])))
            loop(model, dataset, 15)
            assert seen == [benchmark.BATCH_SIZE] * 15
            assert not model.training
            changes = zip(model.parameters(), before, strict=True)
            assert all(not torch.equal(parameter, old) for parameter, old in changes)

    def test_the_loops_take_turns_in_processes_of_their_own(self):
        (speed,) = benchmark.compare_speed(["mlp-digits"], rounds=3, steps=2)
        assert len(speed.ours) == len(speed.plain) == 3
        assert min(*speed.ours, *speed.plain) > 0

    def test_who_begins_changes_and_the_first_turn_does_not_count(self, monkeypatch):
        turns = []

        class Process:
            def __init__(self, loop):
                self.loop = loop

            def __enter__(self):
                return lambda name, steps: turns.append(self.loop.__name__) or float(len(turns))

            def __exit__(self, *problem):
                return None

        monkeypatch.setattr(benchmark, "process_of", Process)
        (speed,) = benchmark.compare_speed(["m"], rounds=2)
        assert turns == ["ours", "plain", "plain", "ours", "ours", "plain"]
        assert speed == Speed("m", (4.0, 5.0), (3.0, 6.0))


class TestAccuracy:
    def test_counts_right_validation_images(self):
        dataset = load_dataset("digits")
        labels = torch.nn.functional.one_hot(torch.tensor(np.array(dataset.validation.y)))
        labels[:20] = labels[:20].roll(1, dims=1)
        assert benchmark.validation_percent(lambda x: labels, dataset) == pytest.approx(90)

    def test_every_mode_gets_every_seed(self):
        cuts = {("mlp-digits", "half"): {"technique": "magnitude_pruning", "sparsity": 0.5}}
        (row,) = benchmark.compare_accuracy(cuts, seeds=2)
        assert (row.model, row.cut) == ("mlp-digits", "half")
        assert list(row.after) == ["plain", "chosen", "bfloat16"]
        assert all(len(values) == 2 for values in row.after.values())
        assert row.after["plain"] == row.after["chosen"]  # an epoch of digits is too short to be measured
        assert 80 < row.before <= 100

    def test_all_cuts_are_recipes(self):
        for (model, _), step in (benchmark.CUTS | benchmark.FORMATS).items():
            recipe = Recipe.model_validate({"model": model, "steps": [step, benchmark.FINE_TUNING]})
            assert recipe.steps[0].technique == step["technique"]


def text_of(table):
    console = benchmark.Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_tables_show_medians_and_spreads():
    text = text_of(benchmark.speed_table([Speed("m", (3000.0, 1000.0, 2000.0), (1000.0, 500.0, 800.0))]))
    assert all(word in text for word in (" 800 ", " 2,000 ", " 2.50 "))
    text = text_of(benchmark.accuracy_table([Accuracies("m", "c", 90.0, {"plain": [97.0, 99.0], "chosen": [98.0]})]))
    assert all(word in text for word in ("90.00", "98.00 ± 1.41", "98.00 ± nan"))


def test_models_without_data_are_left_out_and_said(monkeypatch, capsys):
    monkeypatch.setattr(SampleData, "is_local", property(lambda facts: facts.name != "fashion-mnist"))
    monkeypatch.setattr(
        benchmark, "compare_speed", lambda models, rounds, steps: [Speed(name, (2.0,), (1.0,)) for name in models]
    )
    given = ["--models", "lenet5-mnist5k", "mobilenet-fashion", "--seeds", "0", "--rounds", "1"]
    assert benchmark.main(given) == 0
    printed = capsys.readouterr().out
    assert "mobilenet-fashion is left out" in printed
    assert "lenet5-mnist5k" in printed and "2.00" in printed
