import pytest

from compression.charts import ranges
from tests.support.made_up_answers import activations


def test_lines_and_brackets():
    whole, inner, kept, _ = ranges.draw(activations())["data"]
    assert whole["x"][:3] == [-1, 1, None]
    assert inner["x"][3:6] == [0, 4, None]
    assert (kept["x"], kept["y"]) == ([0, 6], [1, 1])


def test_words_name_the_worst():
    assert "1 of 2 layers' outputs are rounded to 8 bits" in ranges.words_of(activations())
    assert "at most 0.200 % of the values are cut off (**conv1**)" in ranges.words_of(activations())
    assert "floats" in ranges.words_of(activations(bits=0))
    assert "each image" in ranges.words_of(activations(dynamic=True))


def test_the_table_has_what_the_chart_has():
    rows = ranges.table_of(activations())
    assert [found["layer"] for found in rows] == ["image", "conv1", "hidden"]
    assert rows[1]["clipped"] == pytest.approx(0.2)
    assert rows[0]["bits"] is rows[0]["clipped"] is None
