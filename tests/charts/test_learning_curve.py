from compression.charts import learning_curve
from compression.results.record import Learning

LEARNING = Learning(planned=400, points=((0, 0.9), (40, 0.935), (80, 0.95)))


def test_every_point_is_drawn_and_what_is_to_come_has_room():
    found = learning_curve.drawn(LEARNING)
    (trace,) = found["data"]
    assert trace["x"] == [0, 40, 80]
    assert [round(percent, 6) for percent in trace["y"]] == [90, 93.5, 95]
    assert found["layout"]["yaxis"]["range"] == [89, 96]
    assert found["layout"]["xaxis"]["range"][1] >= 400


def test_one_point_and_all_right_can_be_drawn():
    found = learning_curve.drawn(Learning(planned=5, points=((0, 1.0),)))
    assert found["layout"]["yaxis"]["range"] == [99, 100]


def test_its_axis_stays_while_points_come_that_it_holds():
    sooner, later = (learning_curve.drawn(LEARNING.model_copy(update={"points": LEARNING.points[:n]})) for n in (2, 3))
    better = LEARNING.model_copy(update={"points": (*LEARNING.points[:2], (80, 0.9349))})
    assert sooner["layout"]["yaxis"] == learning_curve.drawn(better)["layout"]["yaxis"] != later["layout"]["yaxis"]


def test_it_is_said_in_words():
    words = "After 80 of 400 steps 95.0 % of the validation images are right."
    assert learning_curve.in_words(LEARNING) == words
