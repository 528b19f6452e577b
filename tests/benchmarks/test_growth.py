import math

import pytest

from benchmarks import growth as benchmark
from benchmarks.growth import Cost
from compression.models.subject import subject_of
from compression.results.conditions import conditions
from compression.store.store import Store


@pytest.fixture(autouse=True)
def _steps_are_not_repeated(monkeypatch):
    """What they cost is no test's subject."""
    monkeypatch.setattr(benchmark, "ENOUGH_S", 0)


def made_up(law):
    return {size: {"step": Cost(law(size), 1000)} for size in (10, 100, 1000, 10_000)}


class TestExponents:
    @pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
    def test_of_a_power_law(self, exponent):
        sizes = [1, 10, 100]
        assert benchmark.slope(sizes, [3 * size**exponent for size in sizes]) == pytest.approx(exponent)

    def test_constant_costs_hide_the_growth_at_small_sizes_only(self):
        growth = benchmark.growth_of(made_up(lambda n: 5 + n / 50), "step")
        assert growth.overall < growth.at_the_end

    @pytest.mark.parametrize(
        ("law", "is_worse"),
        [(lambda n: n, False), (lambda n: n * math.log(n), False), (lambda n: n**1.5, True), (lambda n: n**2, True)],
    )
    def test_marks_what_is_worse_than_n_log_n(self, law, is_worse):
        assert benchmark.growth_of(made_up(law), "step").is_worse is is_worse

    def test_the_table_says_so(self):
        table = benchmark.table_of("points", made_up(lambda n: n**2))
        cells = [list(column.cells) for column in table.columns]
        assert cells[0] == ["step"] and cells[-3:] == [["2.00"], ["2.00"], ["worse than n log n"]]


class TestMeter:
    def test_gives_what_the_step_gave_and_repeats_it(self, monkeypatch):
        monkeypatch.setattr(benchmark, "ENOUGH_S", 60)
        calls = []
        meter = benchmark.Meter(repeats=3)
        assert meter("append", lambda: calls.append(1) or len(calls)) == 1
        assert len(calls) == 3
        assert meter.costs["append"].seconds >= 0

    def test_knows_the_highest_memory_even_if_it_was_given_back(self):
        if benchmark._start_of_peak() is None:
            pytest.skip("this system does not tell")
        meter = benchmark.Meter(repeats=1)
        meter("much", lambda: len(bytearray(b"x") * 50_000_000))
        meter("little", lambda: 1)
        assert 45e6 < meter.costs["much"].peak_bytes < 80e6
        assert meter.costs["little"].peak_bytes < 5e6


def test_networks_of_ten_thousand_to_twenty_five_million_parameters():
    sizes = [sum(p.numel() for p in benchmark.residual_network(width).parameters()) for width in benchmark.WIDTHS]
    assert sizes == sorted(sizes)
    assert 8_000 < sizes[0] < 20_000 and 24e6 < sizes[-1] < 27e6


def test_models():
    ((size, costs),) = benchmark.grow_models((2,)).items()
    assert size == sum(p.numel() for p in benchmark.residual_network(2).parameters())
    files = {f"{step}, {kind}" for step in ("export", "encode", "decode") for kind in ("float", "8 bits")}
    assert set(costs) == files | {"trace", "evaluate", "latency", "process peak"}


def test_images():
    rows = benchmark.grow_images((10, 20), "lenet300-mnist5k")
    assert list(rows) == [10, 20]
    assert set(rows[10]) == {"evaluate", "interval", "paired difference"}


def test_points():
    drawn = benchmark.grow_points((3, 40))
    assert list(drawn) == [3, 40]
    assert set(benchmark.REDRAW) <= set(drawn[3])


class TestResults:
    def test_every_row_is_one_that_explore_would_find(self, tmp_path):
        store = Store(f"sqlite:///{tmp_path}/results.sqlite")
        benchmark.fill(store, benchmark.results_like("mlp-digits", 60))
        found = store.results("mlp-digits")
        assert len({result.recipe_id for result in found}) == 60
        assert (
            found[0].recipe["steps"] == []
            and found[0].model_version == conditions(subject_of("mlp-digits")).model_version
        )

    def test_a_redraw_is_the_query_and_all_that_is_drawn(self):
        drawn = {name: Cost(0.1, 10) for name in benchmark.REDRAW} | {"CSV": Cost(9, 9)}
        redraw = benchmark._redraw(Cost(1.0, 500), drawn)["redraw"]
        assert redraw == Cost(pytest.approx(1 + 0.1 * len(benchmark.REDRAW)), 500)

    def test_rows(self):
        rows = benchmark.grow_results((5,))
        assert {"revision", "a sweep's results", "all results, again", "redraw"} <= set(rows[5])


class TestGoals:
    @staticmethod
    def found(law, redraw_s=0.5):
        points = {size: {"step": Cost(law(size), None)} for size in (10, 100, 1000)}
        results = {size: {"redraw": Cost(redraw_s, None)} for size in (100, 1000, benchmark.REDRAWN)}
        return {"points": points, "results": results}

    def test_steps_that_grow_too_fast_are_counted_and_the_steepest_is_named(self):
        steps, _ = benchmark.goals(self.found(lambda n: n**2))
        assert (steps.found, steps.is_reached) == (1, False)
        assert "points: step, n^2.00" in steps.note
        assert benchmark.goals(self.found(lambda n: n))[0].is_reached

    @pytest.mark.parametrize(("seconds", "is_reached"), [(0.9, True), (1.1, False)])
    def test_a_redraw_with_many_results_is_quick(self, seconds, is_reached):
        assert benchmark.goals(self.found(lambda n: n, seconds))[1].is_reached is is_reached


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["weather"])
    assert "no part weather" in capsys.readouterr().err
