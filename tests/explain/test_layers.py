import csv
import io

import pytest

from compression.explain.layers import csv_of, lines_of, rest_of, time_by_kind, unmatched
from tests.support.made_up_answers import BASELINE, anatomy, file, row, tables

PRUNED = row("conv1", shape=(4, 5, 5, 5), weights=500, parameters=504, nonzero=250, stored_bytes=800, ms=0.01)


class TestLines:
    def test_a_layer_is_compared_with_the_one_it_was(self):
        line = lines_of(anatomy((PRUNED, BASELINE[1])))[0]
        assert line.numbers()["kept"] == 0.25  # 250 of 1,000 weights
        assert line.before == BASELINE[0]
        assert line.share == pytest.approx(800 / (800 + 130_000 + 112))
        assert line.sensitivity is None

    def test_a_part_of_a_layer_has_no_number_of_its_own_before(self):
        line = lines_of(anatomy((row("conv1_in", original="conv1"),)))[0]
        assert line.row.original == "conv1"
        assert line.before is line.numbers()["kept"] is line.numbers()["before_ms"] is None

    def test_sensitivity_is_that_of_the_layer_it_was_made_from(self):
        lines = lines_of(anatomy((row("conv1_in", original="conv1"), BASELINE[1])), tables())
        assert lines[0].sensitivity == pytest.approx(0.8)
        assert lines[1].sensitivity == pytest.approx(0)

    def test_tied_layers_say_how_often_they_run(self):
        assert lines_of(anatomy((row(calls=3),)))[0].kind == "Conv 5×5, runs 3 times"

    def test_csv_has_every_number(self):
        lines = lines_of(anatomy())
        rows = list(csv.DictReader(io.StringIO(csv_of(lines))))
        assert [found["layer"] for found in rows] == ["conv1", "hidden"]
        assert rows[1]["stored_bytes"] == "130000"
        assert list(rows[0]) == list(lines[0].numbers())


def test_what_is_left_over_is_named_and_adds_up():
    found = file(BASELINE, rest={"graph": 90, "header": 12, "shared": 0, "others": 7})
    rest = rest_of(found)
    assert len(rest) == 3
    assert sum(rest.values()) + 133_500 == found.stored_bytes


def test_time_goes_where_the_node_says():
    others = [("QuantizeLinear", 0.004), ("ReduceMax", 0.003), ("ReorderOutput", 0.002), ("MaxPool", 0.001)]
    found = time_by_kind(file(BASELINE, others))
    assert found == pytest.approx(
        {"layers": 0.03, "rounding": 0.004, "ranges": 0.003, "layout": 0.002, "others": 0.001}
    )
    assert sum(found.values()) == pytest.approx(file(BASELINE, others).nodes_ms)


def test_layers_that_are_gone_are_named():
    assert unmatched(anatomy((row("conv1_in", original="conv1"),))) == ["hidden"]
    assert unmatched(anatomy()) == []
