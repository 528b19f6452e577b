import importlib

import pytest
from rich.console import Console

import benchmarks.__main__ as program
from benchmarks import training
from benchmarks.goals import Goal, bench, markdown_of, table_of


@pytest.mark.parametrize(
    ("found", "more_is_better", "reached"),
    [(2.0, False, True), (1.9, False, True), (2.1, False, False), (2.0, True, True), (1.9, True, False)],
)
def test_a_goal_is_reached_on_the_right_side(found, more_is_better, reached):
    assert Goal("slider", "estimate", found, 2.0, "floors", more_is_better).is_reached == reached


def test_tables_say_what_was_found_and_what_for():
    goals = [Goal("slider", "estimate", 2.5, 2, "floors", note="300 ms"), Goal("sweep", "faster", 21, 20, "×", True)]
    lines = markdown_of(goals).splitlines()
    assert lines[2] == "| slider | estimate | 2.5 floors | ≤ 2 floors | no | 300 ms |"
    assert lines[3] == "| sweep | faster | 21 × | ≥ 20 × | yes |  |"
    console = Console(width=120, record=True)
    console.print(table_of(goals))
    assert "≤ 2 floors" in console.export_text()


class TestAllTogether:
    def test_every_part_can_be_benched(self):
        for part in program.PARTS:
            module = importlib.import_module(f"benchmarks.{part}")
            assert callable(module.bench), part

    def test_a_part_that_fails_does_not_lose_the_others(self, monkeypatch, tmp_path, capsys):
        def found(part):
            if part == "slider":
                raise TimeoutError("no browser")
            return [Goal(part, "something", 1, 2)], f"the table of {part}"

        monkeypatch.setattr(program, "bench_alone", found)
        out = tmp_path / "table.md"
        assert program.main(["sweep", "slider", "start", "--markdown", str(out)]) == 1
        printed = capsys.readouterr().out
        assert "slider failed: TimeoutError: no browser" in printed
        assert "| start | something | 1 | ≤ 2 | yes |  |" in out.read_text()
        assert program.conditions() in out.read_text()
        for text in (printed, out.read_text()):
            assert "the table of sweep" in text and "the table of start" in text

    def test_each_part_has_a_process_of_its_own(self):
        with pytest.raises(AttributeError, match="benchmarks.dashboard. has no attribute .bench."):
            program.bench_alone("dashboard")

    def test_what_a_part_prints_is_kept(self, monkeypatch):
        def measure():
            print("a table   ")
            return [Goal("sweep", "something", 1, 2)]

        monkeypatch.setattr("benchmarks.training.bench", measure)
        monkeypatch.setenv("COLUMNS", "80")
        (goal,), printed = bench("training")
        assert goal.part == "sweep" and printed == "a table"

    def test_goals_that_are_missed_are_no_failure(self, monkeypatch):
        monkeypatch.setattr(program, "bench_alone", lambda part: ([Goal(part, "something", 3, 2)], ""))
        assert program.main(["sweep"]) == 0

    def test_unknown_parts_are_refused_with_the_known_ones(self, capsys):
        with pytest.raises(SystemExit):
            program.main(["swipe"])
        assert "choose from sweep, slider" in capsys.readouterr().err


class TestTraining:
    SPEED = training.Speed("lenet5-mnist5k", (120.0, 100.0, 90.0), (100.0, 100.0, 100.0))

    @pytest.mark.parametrize(("sets", "goal"), [(("avx2",), 1.0), (("avx2", "avx512_bf16"), 2.0)])
    def test_what_is_asked_depends_on_the_processor(self, sets, goal):
        (found,) = training.goals([self.SPEED], [], sets)
        assert (found.found, found.goal) == (1.0, goal)

    def test_accuracies_are_compared_in_standard_errors(self):
        assert training.off_in_errors([98.0, 98.2], [98.1, 98.3]) == pytest.approx(0.1 / 0.02**0.5)
        assert training.off_in_errors([98.0, 98.0], [98.0, 98.0]) == 0
        assert training.off_in_errors([98.0, 98.0], [97.0, 97.0]) == float("inf")
