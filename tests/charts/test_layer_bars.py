import pytest

from compression.charts.layer_bars import MEASURES, draw
from compression.explain.layers import lines_of
from tests.support.made_up_answers import BASELINE, anatomy, row

PRUNED = row("conv1", shape=(4, 5, 5, 5), weights=500, parameters=504, nonzero=250, stored_bytes=800, ms=0.01)


def test_bars_without_counterparts_have_no_outlines():
    (now,) = draw(lines_of(anatomy((row("new", original=""),))), MEASURES["ms"])["data"]
    assert now["name"] == "after"


@pytest.mark.parametrize("measure", MEASURES.values(), ids=list(MEASURES))
def test_bars_show_now_and_before(measure):
    figure = draw(lines_of(anatomy((PRUNED, row("new", original="")))), measure, "new")
    before, now = figure["data"]
    lines = lines_of(anatomy((PRUNED, row("new", original=""))))
    assert now["x"] == [measure.read(line.row) * measure.factor for line in lines]
    assert before["x"][0] == pytest.approx(measure.read(BASELINE[0]) * measure.factor)
    assert before["x"][1] == 0
    assert len(set(now["marker"]["color"])) == 2
    assert "before" in now["hovertext"][0]
    assert "before" not in now["hovertext"][1]
