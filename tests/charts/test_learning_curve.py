from compression.charts import learning_curve
from compression.results.record import Learning

LEARNING = Learning(planned=400, points=((0, 0.9), (40, 0.935), (80, 0.95)))


def test_every_point_is_drawn_and_what_is_to_come_has_room():
    found = learning_curve.drawn(LEARNING)
    (trace,) = found["data"]
    assert trace["x"] == [0, 40, 80]
    assert [round(percent, 6) for percent in trace["y"]] == [90, 93.5, 95]
    low, high = found["layout"]["yaxis"]["range"]
    assert low < 90 and 95 < high <= 100
    assert found["layout"]["xaxis"]["range"][1] >= 400


def test_one_point_and_all_right_can_be_drawn():
    found = learning_curve.drawn(Learning(planned=5, points=((0, 1.0),)))
    low, high = found["layout"]["yaxis"]["range"]
    assert low < high == 100


def test_it_is_said_in_words():
    words = "After 80 of 400 steps 95.0 % of the validation images are right."
    assert learning_curve.in_words(LEARNING) == words
