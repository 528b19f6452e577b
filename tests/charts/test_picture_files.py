import io
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from compression.charts import picture_files
from compression.recipe.recipe import make_recipe
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"
EVERY = [
    fabricate(make_recipe(MODEL, [])),
    *(fabricate(make_recipe(MODEL, [{"technique": "quantization", "weight_bits": bits}])) for bits in (2, 4, 8)),
]


def test_a_png_for_slides():
    picture = Image.open(io.BytesIO(picture_files.draw(EVERY[2], EVERY, "LeNet", "png")))
    assert picture.size == (1600, 1000)
    assert len(picture.convert("RGB").getcolors(100_000)) > 10


def test_an_svg_with_words_that_can_be_edited():
    content = picture_files.draw(EVERY[2], EVERY, "LeNet & <co>", "svg")
    words = " ".join(ET.fromstring(content).itertext())
    for part in ("LeNet & <co>", "compressed", "original", "stored file, KB", "1,000 test images"):
        assert part in words


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_numbers_give_the_same_file(kind):
    assert picture_files.draw(EVERY[1], EVERY, "x", kind) == picture_files.draw(EVERY[1], EVERY, "x", kind)
