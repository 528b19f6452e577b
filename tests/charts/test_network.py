import pytest

from compression.charts import network
from tests.support.made_up_answers import anatomy, row


def test_every_box_and_arrow_is_there():
    text = network.dot_of(anatomy(), "hidden")
    assert 'n1 [label="conv1\\nConv 5×5 · 8 × 5 × 5 × 5\\n32 bit · 3.50 KB stored\\nReLU"' in text
    assert 'n1 -> n2 [label=" 8 bit"]' in text
    assert "n2 -> n3;" in text
    assert text.count("penwidth=3") == 1


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (row(), "float"),
        (row(format="codes", integer=True), "integer"),
        (row(format="codes"), "codes"),
        (row(format="codebook"), "shared"),
        (row(format="bfloat16"), "half"),
    ],
)
def test_colours_say_what_is_held_and_how_it_is_computed(layer, kind):
    assert network.kind_of(layer) == kind
    assert network.kinds_in(anatomy((layer,))) == [kind, "other"]
    assert network.FILLS[kind].colour in network.dot_of(anatomy((layer,)))


def test_names_cannot_break_out_of_their_label():
    text = network.dot_of(anatomy((row('a"];evil[label="'),)))
    assert 'evil[label=\\"' in text
