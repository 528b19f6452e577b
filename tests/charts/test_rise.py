import pytest

from compression.charts.rise import LEAST, ROOM, Rise
from compression.results.metrics import Value

ACCURACY, EVEN, FLIPS = Rise("accuracy"), Rise("accuracy", is_even=True), Rise("flips")


def test_ticks_read_as_accuracies_and_stand_where_their_error_is():
    places, texts = ACCURACY.ticks((0, 3))
    assert texts == ["0", "50", "80", "90", "95", "98", "99", "99.5", "99.8", "99.9", "100"]
    assert dict(zip(texts, places, strict=True))["90"] == pytest.approx(1)
    assert dict(zip(texts, places, strict=True))["99"] == pytest.approx(2)
    assert places == sorted(places)


def test_halving_the_mistakes_is_the_same_step_everywhere():
    steps = [ACCURACY.place(good) - ACCURACY.place(bad) for bad, good in ((50, 75), (80, 90), (98, 99), (99.6, 99.8))]
    assert steps == pytest.approx([steps[0]] * 4)


def test_little_differences_near_the_top_stand_apart_and_half_is_on_the_picture():
    low, high = ACCURACY.span([Value(99.3, 98.6, 99.65), Value(50.0, 46.9, 53.1)])
    share = [(ACCURACY.place(value) - low) / (high - low) for value in (50, 99.0, 99.3)]
    assert share[0] > 0.1
    assert share[2] - share[1] > 0.05  # 15 pixels of 300; spaced evenly it was 1 to 2


@pytest.mark.parametrize("rise", [ACCURACY, EVEN, Rise("worst_class")])
def test_nothing_reads_as_more_than_everything_right(rise):
    value = Value(100.0, 99.6, 100.0)
    span = rise.span([value, Value(97, 96, 98)])
    _, texts = rise.ticks(span)
    assert max(map(float, texts)) == 100
    assert rise.place(100) <= span[1] <= rise.place(100) + ROOM
    placed = rise.placed(value)
    assert placed.at == placed.high == rise.place(100)
    assert placed.low < placed.at


def test_an_interval_that_reaches_the_best_does_not_stretch_the_axis():
    ordinary = ACCURACY.span([Value(98.9, 98.0, 99.4)])
    assert ACCURACY.span([Value(98.9, 98.0, 99.4), Value(99.2, 98.0, 100.0)]) == ordinary
    assert ordinary[1] == pytest.approx(ACCURACY.place(99.5) + ROOM)


def test_fewer_changed_predictions_are_higher():
    assert FLIPS.place(0) == FLIPS.place(LEAST) > FLIPS.place(1) > FLIPS.place(50)
    assert FLIPS.placed(Value(2, 1, 4)) == Value(*map(FLIPS.place, (2, 4, 1)))
    places, texts = FLIPS.ticks((0, 3))
    assert texts[0] == "100" and texts[-1] == "0" and places == sorted(places)
    even = Rise("flips", is_even=True)
    assert even.place(0) == 0 > even.place(30)


@pytest.mark.parametrize(
    ("worst", "depth", "step"), [(99, 5, 1), (93.9, 10, 2), (85, 20, 5), (70, 40, 10), (8, 100, 20)]
)
def test_an_even_axis_has_few_round_ticks(worst, depth, step):
    span = EVEN.span([Value(99), Value(worst)])
    assert span == (-depth, 0)
    places, texts = EVEN.ticks(span)
    inside = [float(text) for place, text in zip(places, texts, strict=True) if place >= span[0]]
    assert inside == list(range(100, 99 - depth, -step))
