import numpy as np
import pytest

from compression.charts import compared, tradeoff
from compression.charts.figure import WORDS
from compression.charts.palette import contenders
from compression.charts.rise import Rise
from compression.recipe.recipe import make_recipe
from compression.results import predictions
from tests.support.made_up_results import fabricate

NAMES = ("cat", "dog")
BEFORE, AFTER = np.array([[90, 10], [5, 45]]), np.array([[80, 20], [0, 50]])
MODEL = "lenet5-mnist5k"


def quantized(bits):
    return fabricate(make_recipe(MODEL, [{"technique": "quantization", "weight_bits": bits}]))


def test_mistakes_are_shares_of_their_class():
    np.testing.assert_allclose(compared.mistakes(BEFORE), [[0, 0.1], [0.1, 0]])


def test_harm_is_right_answers_lost_and_mistakes_added():
    np.testing.assert_allclose(compared.harm(AFTER, BEFORE), [[0.1, 0.1], [-0.1, -0.1]])


def test_a_class_without_images_has_no_mistakes():
    assert compared.mistakes(np.array([[3, 0], [0, 0]])).tolist() == [[0, 0], [0, 0]]


def test_a_confusion_matrix_shows_its_counts():
    figure = compared.draw_confusion(BEFORE, NAMES, 0.2)
    cells, text = figure["data"]
    assert text["text"] == ["90", "10", "5", "45"]
    assert (cells["zmin"], cells["zmax"]) == (0, 0.2)
    assert cells["hovertext"][0][1] == "<b>cat</b> taken for <b>dog</b>: 10"


def test_a_change_is_signed_and_names_both():
    figure = compared.draw_harm(AFTER, BEFORE, NAMES, 0.1, "AC")
    cells, text = figure["data"]
    assert text["text"] == ["−10", "+10", "−5", "+5"]
    assert "A 10, C 20" in cells["hovertext"][0][1]
    assert cells["zmin"] == -cells["zmax"]


def test_recalls_are_points_with_intervals_side_by_side():
    found = predictions.answers(np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 1, 0], np.uint8))
    chosen = contenders([fabricate(make_recipe(MODEL, [])), quantized(4)])
    figure = compared.draw_recalls([(one, predictions.recalls(found)) for one in chosen], NAMES)
    first, second = figure["data"]
    assert first["x"] == pytest.approx([200 / 3, 100])
    assert first["y"] != second["y"]
    assert figure["layout"]["xaxis"]["range"][1] == 100
    assert figure["layout"]["yaxis"]["ticktext"] == ["cat ", "dog "]


@pytest.mark.parametrize("axis", ["stored", "latency"])
def test_curves_mark_the_chosen_and_hold_the_others(axis):
    every = [fabricate(make_recipe(MODEL, [])), *(quantized(bits) for bits in range(2, 9))]
    chosen = contenders([every[0], every[3]])
    figure = compared.draw_curves(chosen, every, axis)
    front, faint, *marks, corners = figure["data"]
    assert [mark["text"] for mark in marks] == [["A"], ["B"]]
    assert [mark["customdata"] for mark in marks] == [[every[0].recipe_id], [every[3].recipe_id]]
    assert {every[5].recipe_id, every[6].recipe_id} <= set(faint["customdata"])
    assert set(corners["customdata"]) <= set(front["customdata"]) - {every[0].recipe_id, every[3].recipe_id}
    low, high = figure["layout"]["yaxis"]["range"]
    rise = Rise("accuracy")
    assert low < rise.place(100 * min(every[0].accuracy_low, every[3].accuracy_low))
    assert high > rise.place(100 * every[0].accuracy_high)
    (heading,) = figure["layout"]["annotations"]
    assert heading["text"] == f"{'Smaller' if axis == 'stored' else 'Faster'} is to the left, better is up"


def test_curves_are_spaced_evenly_where_that_is_wanted():
    every = [fabricate(make_recipe(MODEL, [])), quantized(4)]
    *_, mark, _ = compared.draw_curves(contenders(every), every, "stored", is_even=True)["data"]
    assert mark["y"] == pytest.approx([100 * every[1].accuracy - 100])


def test_words_may_stand_instead_of_letters():
    results = [fabricate(make_recipe(MODEL, [])), quantized(8), quantized(2)]
    labels = {"A": "before", "B": "now", "C": "alternative 1"}
    marks = compared.draw_curves(contenders(results), results, "stored", labels)["data"][2:5]
    assert [mark["text"] for mark in marks] == [["before"], ["now"], ["alternative 1"]]
    assert all(mark["mode"] == WORDS for mark in marks)


def test_of_very_many_points_a_sample_is_drawn_and_said(monkeypatch):
    monkeypatch.setattr(tradeoff, "MAX_OTHERS", 3)
    every = [fabricate(make_recipe(MODEL, [])), *(quantized(bits) for bits in range(2, 9))]
    figure = compared.draw_curves(contenders(every[:2]), every, "stored")
    assert "5 of 8 drawn" in figure["layout"]["annotations"][0]["text"]
