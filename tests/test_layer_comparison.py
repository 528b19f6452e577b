from fake_engine import fabricate

from compression import comparison, layer_comparison
from compression.recipe import make_recipe
from compression.studies.layers import Layer


def layer(name, **changes):
    numbers = {"kind": "linear", "shape": (4, 5), "output": (4,), "params": 24, "nonzero": 24, "macs": 20, "values": 20}
    return Layer(**{"name": name} | numbers | changes)


ONE = (layer("a"), layer("b", nonzero=6, values=1))
OTHER = (layer("a", params=1000, values=3), layer("c"))


def test_layers_of_the_same_name_stand_beside_each_other():
    table = layer_comparison.rows([ONE, OTHER])
    assert [row.title for row in table] == ["a", "b", "c"]
    assert table[0].cells == (ONE[0], OTHER[0])
    assert table[1].cells == (ONE[1], None)
    assert table[2].cells == (None, OTHER[1])


def test_a_layer_that_is_called_again_is_another_line():
    table = layer_comparison.rows([(layer("a"), layer("a", params=0), layer("a", params=0))])
    assert [row.title for row in table] == ["a", "a (call 2)", "a (call 3)"]


def test_networks_are_alike_when_names_and_kinds_are():
    assert layer_comparison.are_alike([ONE, (layer("a", params=3), layer("b"))])
    assert not layer_comparison.are_alike([ONE, OTHER])
    assert not layer_comparison.are_alike([ONE, (layer("a", kind="convolution"), layer("b"))])


def test_weights_in_words():
    assert layer_comparison.weight_words(ONE[1]) == "24 parameters, 25 % not zero, 1 value an output"
    assert layer_comparison.weight_words(OTHER[0]) == "1.00 k parameters, 2 % not zero"
    assert layer_comparison.weight_words(layer("a", params=0)) == "shares its weights"
    assert layer_comparison.shape_words(layer("a", shape=(1000, 2))) == "1,000 × 2"


def test_bars_show_the_measure_and_nothing_where_there_is_no_layer():
    results = [
        fabricate(make_recipe("mlp-digits", steps)) for steps in ([], [{"technique": "low_rank", "rank_ratio": 0.5}])
    ]
    figure = layer_comparison.draw(comparison.contenders(results), layer_comparison.rows([ONE, OTHER]), "nonzero")
    assert [trace["x"] for trace in figure["data"]] == [[24, 6, 0], [24, 0, 24]]
    assert figure["data"][1]["hovertext"][1] == "<b>B</b> has no b"
