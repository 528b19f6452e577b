import math

import pytest

from compression.charts import surface as chart
from compression.recipe.settings import Settings, recipe_of
from compression.results.metrics import METRICS
from compression.search.limits import Limits
from tests.search.test_surface import HERE, SUBJECT, seen

DONE = Settings(pruning_percent=50, weight_bits=8, student=HERE.student)


def trace(figure, name):
    return next((one for one in figure["data"] if one["name"] == name), None)


def test_each_cell_has_its_colour_its_words_and_its_name():
    found = seen([DONE])
    cells = trace(chart.draw(found, METRICS["accuracy"]), "settings")
    assert [len(row) for row in cells["z"]] == [len(found.columns)] * len(found.levels)
    row, column = found.levels.index(8), found.columns.index(50)
    assert cells["customdata"][row][column] == recipe_of(SUBJECT, DONE).recipe_id
    assert "measured" in cells["hovertext"][row][column] and "KB" in cells["hovertext"][row][column]
    assert "estimated" in cells["hovertext"][row][column + 1]


def test_brighter_is_better_whatever_is_shown():
    found = seen([DONE])
    for key, better in (("accuracy", (0, 0)), ("stored", (-1, -1)), ("ratio", (0, -1))):
        cells = trace(chart.draw(found, METRICS[key]), "settings")["z"]
        worst = min(value for row in cells for value in row)
        assert cells[better[0]][better[1]] > worst


@pytest.mark.parametrize(("key", "unit"), [("accuracy", "%"), ("stored", ""), ("ratio", "")])
def test_a_bar_says_what_colours_mean_from_the_worst_to_the_best(key, unit):
    found = seen([DONE])
    cells, metric = trace(chart.draw(found, METRICS[key]), "settings"), METRICS[key]
    bar = cells["colorbar"]
    assert cells["showscale"] and bar["title"]["text"].lower() == metric.words
    assert (bar["tickvals"][0], bar["tickvals"][-1]) == (cells["zmin"], cells["zmax"])
    known = sorted((cell.value(metric) for cell in found.cells), reverse=not metric.more_is_better)
    assert (bar["ticktext"][0], bar["ticktext"][-1]) == tuple(metric.unit.words(known[end], 1000) for end in (0, -1))
    assert all(unit in words for words in bar["ticktext"])


def test_what_is_only_estimated_has_a_stroke_and_what_is_being_measured_a_ring():
    found = seen([DONE])
    under_way = found.missing[0].recipe_id
    marks = trace(chart.draw(found, METRICS["stored"], [under_way]), "estimated")
    measured = sum(cell.result is not None for cell in found.cells)
    assert len(marks["x"]) == sum(1 for _ in found.cells) - measured
    assert marks["marker"]["symbol"].count("circle-open") == sum(
        cell.recipe.recipe_id == under_way for cell in found.cells
    )
    row, column = found.levels.index(8), found.columns.index(50)
    assert (column, row) not in set(zip(marks["x"], marks["y"], strict=True))


def test_limits_are_a_line_between_cells_and_a_veil_beyond():
    found = seen([DONE], limits=Limits(stored_kb=200))
    figure = chart.draw(found, METRICS["accuracy"])
    veil = trace(figure, "beyond your limits")["z"]
    for row, line in zip(found.rows, veil, strict=True):
        assert [cell.is_within for cell in row] == [at is None for at in line]
    border = trace(figure, "your limits")
    ends = [at for at in border["x"] if at is not None]
    assert all(math.isclose(2 * at % 1, 0) for at in ends)
    without = chart.draw(seen([DONE]), METRICS["accuracy"])
    assert trace(without, "your limits") is None and trace(without, "beyond your limits") is None


def test_the_current_setting_is_marked_where_it_stands():
    found = seen(settings=DONE)
    mark = trace(chart.draw(found, METRICS["accuracy"]), "this setting")
    assert (mark["x"], mark["y"]) == ([found.columns.index(50)], [found.levels.index(8)])


def test_it_says_how_to_read_it():
    words = chart.caption(seen([DONE]), METRICS["accuracy"])
    assert "2 of 200 settings are measured" in words and "stroke" in words
