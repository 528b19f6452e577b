import pytest

from compression.charts.sensitivity import draw, floor_of, reaches, words_of
from tests.support.made_up_answers import sensitivities

FOUND = sensitivities()


def test_the_floor_lies_below_the_models_accuracy():
    assert floor_of(FOUND, 1.5) == pytest.approx(0.965)


def test_layers_go_as_far_as_the_floor_lets_them():
    rows = reaches(FOUND, 1, "bits")
    assert [row.name for row in rows] == ["conv1", "hidden"]
    assert [(row.fewest_bits, row.most_zeros) for row in rows] == [(4, None), (3, 0.95)]
    assert [row.fewest_bits for row in reaches(FOUND, 2, "bits")] == [4, 2]
    assert [row.fewest_bits for row in reaches(FOUND, 0, "bits")] == [8, 4]


def test_the_worst_are_named():
    assert "**conv1** (down to 4 bits), **hidden** (down to 3 bits)" in words_of(FOUND, 1, "bits")
    assert "**conv1** (not even 50 % zeros)" in words_of(FOUND, 1, "sparsity")
    assert "1 of 2 layers stay above it at 95 % zeros" in words_of(FOUND, 1, "sparsity")
    words = words_of(FOUND, 50, "bits")
    assert words.startswith("Each layer alone stays above")
    costs = "**conv1**, which costs 14.2 points (71 of 500 images), on average of 8 bits to 2 bits."
    assert f"The most sensitive is {costs}" in words


def test_a_few_images_may_be_chance():
    few = [layer.model_copy(update={"by_bits": (0.98, 0.98, 0.98, 0.96)}) for layer in FOUND.layers]
    words = words_of(FOUND.model_copy(update={"layers": tuple(few)}), 5, "bits")
    assert "0.5 points (2.5 of 500 images, which may be chance)" in words


def test_one_image_is_no_sensitivity():
    layers = [
        layer.model_copy(update={"by_bits": (0.98, 0.98, 0.98, 0.978), "by_sparsity": (0.98,) * 5})
        for layer in FOUND.layers
    ]
    words = words_of(FOUND.model_copy(update={"layers": tuple(layers)}), 1, "bits")
    assert "none costs more than one of 500 images" in words


@pytest.mark.parametrize("way", ["bits", "sparsity"])
def test_curves_floor_and_room(way):
    figure = draw(FOUND, 3, way, "hidden")
    curves = {trace["name"]: trace for trace in figure["data"]}
    layer = FOUND.layers[0]
    expected = layer.by_bits if way == "bits" else layer.by_sparsity
    assert curves["conv1"]["y"] == pytest.approx([100 * value for value in expected])
    assert curves["hidden"]["marker"]["symbol"] == "star"
    floor, whole = (shape["y0"] for shape in figure["layout"]["shapes"])
    assert (floor, whole) == (pytest.approx(95), pytest.approx(98))
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < min(100 * min(expected), 95)
    assert high > 98


def test_only_the_most_sensitive_have_colours():
    many = FOUND.model_copy(
        update={"layers": tuple(FOUND.layers[0].model_copy(update={"name": str(number)}) for number in range(9))}
    )
    figure = draw(many, 1, "bits")
    assert sum(trace["showlegend"] for trace in figure["data"]) == 5
    markers = [trace["marker"] for trace in figure["data"] if trace["showlegend"]]
    colours, symbols = ({marker[look] for marker in markers} for look in ("color", "symbol"))
    assert len(colours) == len(symbols) == 5
