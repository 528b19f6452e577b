import numpy as np
import pytest

from compression.engine.files.codec.scan_order import blocks_of, layout_of


@pytest.mark.parametrize(("shape", "width"), [((7, 30), 5), ((7, 31), 4), ((5, 6, 3, 3), 1), ((40, 900), 0)])
def test_every_element_once_and_neighbours_before(shape, width):
    layout = layout_of(shape, width)
    count = len(layout.columns)
    assert sorted(layout.columns) == list(range(count))
    visits = np.zeros((layout.rows, count), int)
    for row, column in blocks_of(layout):
        neighbours = layout.neighbours[:, column]
        assert visits[row][:, neighbours[neighbours < count]].all()
        visits[row, column] += 1
    assert (visits == 1).all()


def test_neighbours_of_a_pixel():
    layout = layout_of((1, 12), 4)
    place = {int(column): visit for visit, column in enumerate(layout.columns)}
    found = [layout.columns[visit] if visit < 12 else None for visit in layout.neighbours[:, place[6]]]
    assert found == [5, 2, 1, 3]
    assert (layout.neighbours[:, place[0]] == 12).all()


def test_blocks_grow():
    sizes = [
        (row.stop - row.start) * (column.stop - column.start) for row, column in blocks_of(layout_of((500, 800), 0))
    ]
    assert len(sizes) < 150 and sizes[0] <= 500 and max(sizes) > 10_000
