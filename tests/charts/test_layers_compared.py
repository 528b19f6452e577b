from compression.charts import layers_compared
from compression.charts.layer_bars import MEASURES
from compression.charts.palette import contenders
from compression.recipe.recipe import make_recipe
from tests.support.made_up_answers import row
from tests.support.made_up_results import fabricate

ONE = (row("a"), row("b", nonzero=250, format="codes", bits=1))
OTHER = (row("a", weights=20_000, nonzero=20_000, format="codebook", levels=16), row("c"))


def test_layers_of_the_same_name_stand_beside_each_other():
    lines = layers_compared.lines_of([ONE, OTHER])
    assert [line.title for line in lines] == ["a", "b", "c"]
    assert [line.cells for line in lines] == [(ONE[0], OTHER[0]), (ONE[1], None), (None, OTHER[1])]


def test_networks_are_alike_when_names_and_kinds_are():
    assert layers_compared.are_alike([ONE, (row("a", weights=3), row("b"))])
    assert not layers_compared.are_alike([ONE, OTHER])
    assert not layers_compared.are_alike([ONE, (row("a", kind="Linear"), row("b"))])


def test_weights_in_words():
    assert layers_compared.weight_words(ONE[0]) == "1.00 k weights, float"
    assert layers_compared.weight_words(ONE[1]) == "1.00 k weights, 25 % not zero, codes of 1 bit"
    assert layers_compared.weight_words(row(format="codes", bits=4)).endswith("codes of 4 bits")
    assert layers_compared.weight_words(OTHER[0]) == "20.0 k weights, 16 shared values"
    assert layers_compared.shape_words(row(shape=(1000, 2))) == "1,000 × 2"
    assert layers_compared.cost_words(ONE[0]) == "3.50 KB stored, 20 µs, 100 k MACs"


def test_bars_show_the_measure_and_nothing_where_there_is_no_layer():
    results = [
        fabricate(make_recipe("mlp-digits", steps)) for steps in ([], [{"technique": "low_rank", "rank_ratio": 0.5}])
    ]
    found, lines = contenders(results), layers_compared.lines_of([ONE, OTHER])
    figure = layers_compared.draw(found, lines, MEASURES["nonzero"])
    assert [trace["x"] for trace in figure["data"]] == [[1, 0.25, 0], [20, 0, 1]]
    assert figure["data"][1]["hovertext"][1] == "<b>B</b> has no b"
    assert "Weights not zero: 250" in figure["data"][0]["hovertext"][1]
    micros = layers_compared.draw(found, lines, MEASURES["ms"])
    assert micros["data"][0]["x"] == [20, 20, 0]
