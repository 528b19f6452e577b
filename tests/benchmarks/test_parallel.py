import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from benchmarks import parallel as benchmark
from benchmarks.parallel import Round
from compression.recipe.budgets import trains

MODEL = "lenet5-mnist5k"


@dataclass(frozen=True)
class Job:
    started_at: datetime
    finished_at: datetime


def round_of(one, two):
    return Round({1: one, 2: two})


def text_of(table):
    console = benchmark.Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_sweep_takes_from_the_first_start_to_the_last_end():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    spans = [(3, 9), (0, 4), (1, 12.5)]
    jobs = [Job(start + timedelta(seconds=begin), start + timedelta(seconds=end)) for begin, end in spans]
    assert benchmark.seconds_of(jobs) == 12.5


def test_every_point_of_the_sweep_trains():
    recipes = [benchmark.training(MODEL, percent, benchmark.EPOCHS) for percent in benchmark.PERCENTS]
    assert len({recipe.recipe_id for recipe in recipes}) == len(benchmark.PERCENTS)
    assert all(trains(recipe) for recipe in recipes)


def test_the_goal_is_about_the_speedup():
    (faster,) = benchmark.goals([round_of(19, 10)])
    assert faster.found == 1.9 and faster.is_reached


def test_the_speedup_is_the_median_of_pairs():
    assert benchmark.speedup([round_of(20, 10), round_of(30, 10), round_of(10, 10)]) == 2


def test_tables_say_what_is_reached():
    sweep = text_of(benchmark.sweep_table([round_of(19.0, 10.0)]))
    assert all(word in sweep for word in (" 19.0 ", " 10.0 ", " 1.90 ", "goal 1.8: reached"))
    assert "missed" in text_of(benchmark.sweep_table([round_of(17.0, 10.0)]))


def test_rounds_begin_in_turns(monkeypatch):
    turns = []
    monkeypatch.setattr(benchmark, "sweep_seconds", lambda model, workers, percents, epochs: turns.append(workers) or 1)
    for number in range(3):
        benchmark.measure_round(number, MODEL)
    assert turns == [1, 2, 2, 1, 1, 2]


def test_the_sweep_is_given_to_as_many_workers_that_have_trained_before(monkeypatch):
    start, said = datetime(2026, 1, 1, tzinfo=UTC), []

    def measured(dispatcher, recipes, group, background):
        said.append((dispatcher, [recipe.steps[0].pruning_ratio for recipe in recipes], background))
        return [Job(start, start + timedelta(seconds=5))]

    monkeypatch.setattr(benchmark, "dispatcher_of", lambda workers: contextlib.nullcontext(f"{workers} workers"))
    monkeypatch.setattr(benchmark, "warm_up", lambda *arguments: said.append(arguments))
    monkeypatch.setattr(benchmark, "completed", measured)
    assert benchmark.sweep_seconds(MODEL, 2, (20, 90), epochs=0.5) == 5
    assert said == [("2 workers", MODEL, 2, 0.5), ("2 workers", [0.2, 0.9], True)]


def test_what_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "measure_round", lambda number, model: round_of(20 + number, 10))
    benchmark.main(["--model", MODEL, "--rounds", "3"])
    printed = capsys.readouterr().out
    assert f"{MODEL}, 8 points, 3 rounds" in printed and " 2.10 " in printed


def test_a_training_that_does_not_last_is_told():
    class Dispatcher:
        def submit(self, recipes, **options):
            pass

        def cancel(self, group):
            pass

        def jobs(self, group):
            return [SimpleNamespace(state=self.states.pop(0), progress=0.5, error=None)]

    dispatcher = Dispatcher()
    dispatcher.states = [benchmark.JobState.FAILED] * 2
    with pytest.raises(RuntimeError, match="too early .failed."):
        benchmark._train(dispatcher, MODEL, 1)
