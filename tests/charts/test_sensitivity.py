import pytest

from compression.charts.sensitivity import draw, floor_of, reaches, words_of
from tests.support.made_up_answers import cells, tables

FOUND = tables()


def test_the_floor_lies_below_the_models_accuracy():
    assert floor_of(FOUND, 1.5) == pytest.approx(0.965)


def test_layers_go_as_far_as_the_floor_lets_them():
    rows = reaches(FOUND, 1, "quantization")
    assert [row.name for row in rows] == ["conv1", "hidden"]
    assert [(row.fewest_bits, row.most_zeros) for row in rows] == [(4, None), (3, 0.95)]
    assert [row.fewest_bits for row in reaches(FOUND, 2, "quantization")] == [4, 2]
    assert [row.fewest_bits for row in reaches(FOUND, 0, "quantization")] == [5, 4]


def test_the_worst_are_named():
    assert "**conv1** (down to 4 bits), **hidden** (down to 3 bits)" in words_of(FOUND, 1, "quantization")
    assert "**conv1** (not even 50 % zeros)" in words_of(FOUND, 1, "magnitude_pruning")
    assert "1 of 2 layers stay above it at 95 % zeros" in words_of(FOUND, 1, "magnitude_pruning")
    words = words_of(FOUND, 90, "quantization")
    assert words.startswith("Each layer alone stays above")
    costs = "**conv1**, which costs 19.3 points (96.3 of 500 images), on average of 8 bits to 1 bit."
    assert f"The most sensitive is {costs}" in words


def with_accuracies(*accuracies):
    """Both layers with these at the bits that are tried, and nothing else."""
    found = cells("quantization", accuracies, 1000)
    return FOUND.model_copy(
        update={"layers": tuple(layer.model_copy(update={"cells": found}) for layer in FOUND.layers)}
    )


def test_a_few_images_may_be_chance():
    words = words_of(with_accuracies(0.98, 0.98, 0.98, 0.98, 0.98, 0.98, 0.945), 5, "quantization")
    assert "0.5 points (2.5 of 500 images, which may be chance)" in words


def test_one_image_is_no_sensitivity():
    words = words_of(with_accuracies(0.98, 0.98, 0.98, 0.98, 0.98, 0.98, 0.978), 1, "quantization")
    assert "none costs more than one of 500 images" in words


def test_layers_that_a_technique_does_not_suit_are_left_out():
    assert [row.name for row in reaches(FOUND, 1, "low_rank")] == ["hidden"]
    assert [trace["name"] for trace in draw(FOUND, 1, "low_rank")["data"]] == ["hidden"]
    assert words_of(with_accuracies(*[0.98] * 7), 1, "low_rank").startswith("No layer")
    assert draw(with_accuracies(*[0.98] * 7), 1, "low_rank")["data"] == []


def test_what_a_group_of_channels_saves_is_counted_in_all_its_layers():
    (row,) = reaches(FOUND, 2, "channel_pruning")
    assert (row.name, row.form) == ("conv1", "25 % fewer channels")
    assert row.saved == pytest.approx(3500 + 130_000 - 0.7 * 133_500)


@pytest.mark.parametrize("way", ["quantization", "magnitude_pruning", "weight_sharing"])
def test_curves_floor_and_room(way):
    figure = draw(FOUND, 3, way, "hidden")
    curves = {trace["name"]: trace for trace in figure["data"]}
    layer = FOUND.layers[0]
    expected = [cell.accuracy for cell in layer.of(way)]
    assert curves["conv1"]["y"] == pytest.approx([100 * value for value in expected])
    assert curves["hidden"]["marker"]["symbol"] == "star"
    floor, whole = (shape["y0"] for shape in figure["layout"]["shapes"])
    assert (floor, whole) == (pytest.approx(95), pytest.approx(98))
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < min(100 * min(expected), 95)
    assert high > 98


def test_losses_go_by_their_logarithm_and_have_no_floor():
    figure = draw(FOUND, 3, "quantization", shown="loss")
    (curve,) = (trace["y"] for trace in figure["data"] if trace["name"] == "conv1")
    assert curve == pytest.approx([cell.loss for cell in FOUND.layers[0].of("quantization")])
    assert figure["layout"]["yaxis"]["type"] == "log" and "nats" in figure["layout"]["yaxis"]["title"]["text"]
    assert "shapes" not in figure["layout"]


def test_only_the_most_sensitive_have_colours():
    many = FOUND.model_copy(
        update={"layers": tuple(FOUND.layers[0].model_copy(update={"name": str(number)}) for number in range(9))}
    )
    figure = draw(many, 1, "quantization")
    assert sum(trace["showlegend"] for trace in figure["data"]) == 5
    markers = [trace["marker"] for trace in figure["data"] if trace["showlegend"]]
    colours, symbols = ({marker[look] for marker in markers} for look in ("color", "symbol"))
    assert len(colours) == len(symbols) == 5
