"""ONNX files that people bring: what could do harm or is no good is refused, and what is odd but good is read."""

import re

import numpy as np
import onnx
import pytest
import torch

from compression.engine.intake.onnx_check import answers_of, check_onnx, difference
from compression.engine.network.onnx_reader import read_onnx
from compression.engine.network.tracing import trace
from compression.errors import RefusedFile, UnsupportedModel
from tests.support.hostile_networks import HOSTILE, ODD

REMEDY = re.compile(r"\b(bring|call|check|choose|convert|export|get|make|name|save|wait)\b", re.IGNORECASE)
JARGON = re.compile(
    r"Proto\b|protobuf|Traceback|\[ONNXRuntimeError\]|onnxruntime_src|enforce fail|DefaultCPU|\\x1b|nan%"
)


WHY = {
    "a quantized network": "quantized already",
    "a quantized convolution": "quantized already",
    "the class's number as its answer": "not how sure",
    "a Hardmax at the end": "not how sure",
    "batch norm in training mode": r"training mode\. Call network\.eval",
    "dropout in training mode": r"training mode\. Call network\.eval",
    "a weight that is NaN": "'k' has numbers that are not finite",
    "an answer that is NaN": "not finite",
    "an answer that does not depend on the image": "does not depend on the image",
    "random constants": "random numbers",
    "numbers in a file of the system": "lie in another file",
    "a constant in a file above": "lie in another file",
    "opset 999": "opset 999; .* newest",
    "a constant of 4 TB": "ConstantOfShape_big.* more memory",
    "a map expanded to 4 TB": "Relu_r.* more memory",
    "images of a terapixel": "for smaller images",
    "a circle": "reads a value that none before it makes",
    "a value that is made twice": "a name is given twice",
    "one class": "two classes",
    "a giant dimension": "size that cannot be",
    "fewer bytes than its size": "5 × 3 × 3 × 3 but has 108 numbers",
    "a value that is rounded": "other numbers than float ones",
}
"""Of some, what the sentence must say."""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    assert not list(tmp_path.iterdir())


def assert_for_people(text):
    assert text.endswith(".") and REMEDY.search(text) and len(text) < 700
    assert "\n" not in text and text.isprintable() and not JARGON.search(text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("words", HOSTILE)
def test_what_could_do_harm_or_is_no_good_is_refused_with_a_remedy(words):
    with pytest.raises((RefusedFile, UnsupportedModel)) as caught:
        check_onnx(HOSTILE[words]())
    assert_for_people(str(caught.value))
    assert re.search(WHY.get(words, ""), str(caught.value))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("words", ODD)
def test_what_is_odd_but_good_answers_as_in_onnx_runtime(words):
    content = ODD[words]()
    check_onnx(content)
    module, shape = read_onnx(onnx.load_from_string(content))
    images = np.random.default_rng(7).standard_normal((3, *shape), np.float32)
    theirs = answers_of(content, images)
    with torch.no_grad():
        ours = trace(module, shape)(torch.from_numpy(images)).numpy()
    assert difference(ours, theirs) < 1e-4 and np.ptp(theirs, 0).max() > 1e-4


def test_there_are_many_of_both_kinds():
    assert len(HOSTILE) >= 150 and len(ODD) >= 60 and HOSTILE.keys() >= WHY.keys()
