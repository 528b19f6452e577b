import io
import xml.etree.ElementTree as ET

import pytest
from fake_engine import fabricate
from PIL import Image

from compression import chart_files
from compression.recipe import make_recipe

MODEL = "lenet5-mnist5k"
EVERY = [
    fabricate(make_recipe(MODEL, [])),
    *(fabricate(make_recipe(MODEL, [{"technique": "quantization", "weight_bits": bits}])) for bits in (2, 4, 8)),
]


def test_a_png_for_slides():
    picture = Image.open(io.BytesIO(chart_files.draw(EVERY[2], EVERY, "LeNet", "png")))
    assert picture.size == (1600, 1000)
    assert len(picture.convert("RGB").getcolors(100_000)) > 10


def test_an_svg_with_words_that_can_be_edited():
    content = chart_files.draw(EVERY[2], EVERY, "LeNet & <co>", "svg")
    words = " ".join(ET.fromstring(content).itertext())
    for part in ("LeNet & <co>", "compressed", "original", "stored file, KB", "1,000 test images"):
        assert part in words


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_numbers_give_the_same_file(kind):
    assert chart_files.draw(EVERY[1], EVERY, "x", kind) == chart_files.draw(EVERY[1], EVERY, "x", kind)
