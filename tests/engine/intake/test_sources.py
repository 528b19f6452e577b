"""Networks and weights that people bring, read by a child process with limits."""

import os
import tempfile
from pathlib import Path

import pytest
import torch

from compression import limits
from compression.engine.intake import sources
from compression.engine.intake.sources import Wish, from_onnx, from_torchvision
from compression.errors import RefusedFile, UnsupportedModel
from compression.guard import guarded
from compression.models.brought.image_facts import ImageFacts
from compression.watch import SILENT
from tests.engine.intake.test_onnx_check import assert_for_people
from tests.support.hostile_networks import HOSTILE, IN_A_CHILD, OTHER_FORMATS, SLOW_BOMBS, good
from tests.support.hostile_weights import BAD_WEIGHTS, ODD_WEIGHTS, SHUFFLE, WEIGHTS_IN_A_CHILD, trained

FACTS = ImageFacts(
    classes=("cat", "dog"),
    has_labels=True,
    channels=3,
    height=64,
    width=64,
    same_size=True,
    parts=(4, 2, 2, 2),
    mean=(0.5, 0.5, 0.5),
    std=(0.2, 0.2, 0.2),
    sha256="",
    source="images.zip",
    bytes=1000,
)


@pytest.fixture
def in_this_process(monkeypatch):
    """Without limits, so that whatever is not foreseen is an error of the test."""

    def call(function, arguments, *, watch=SILENT, **limits):
        return getattr(sources, function.partition(":")[2])(**arguments, watch=watch)

    monkeypatch.setattr(sources, "guarded", call)


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A folder for what is brought; whatever else appears is seen."""
    for name in ("brought", "kept", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "kept")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


def everything(folder):
    return sorted((str(path), os.lstat(path).st_size) for path in folder.rglob("*"))


def refuse(room, read, path):
    before = everything(room)
    with pytest.raises((RefusedFile, UnsupportedModel)) as caught:
        read(path)
    assert everything(room) == before
    text = str(caught.value)
    assert_for_people(text.replace(str(room), ""))
    return text


def onnx_file(room, make):
    path = room / "brought" / "network.onnx"
    path.write_bytes(make())
    return path


def read_file(path):
    return from_onnx(path, Wish(), FACTS)


def read_weights(path, architecture="squeezenet1_0"):
    return from_torchvision(architecture, Wish(weights=str(path)), FACTS)


# --- ONNX files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", OTHER_FORMATS)
def test_other_files_are_refused_by_what_they_are(room, words, in_this_process):
    refuse(room, read_file, onnx_file(room, OTHER_FORMATS[words]))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("a torch file", "a zip file, as torch"),
        ("a pickle", "could run code"),
        ("an HDF5 file", "as Keras"),
        ("a PNG", "a picture"),
        ("a program", "a program"),
        ("a web page", "web page"),
        ("a Git LFS pointer", "LFS pointer"),
    ],
)
def test_they_are_called_by_their_names(room, words, what):
    assert what in refuse(room, read_file, onnx_file(room, OTHER_FORMATS[words]))


@pytest.mark.parametrize("words", IN_A_CHILD)
def test_a_network_is_refused_the_same_way_in_a_child_process(room, words):
    refuse(room, read_file, onnx_file(room, HOSTILE[words]))


@pytest.mark.parametrize("words", SLOW_BOMBS)
def test_memory_ends_at_its_limit(room, words, monkeypatch):
    monkeypatch.setattr(limits, "NETWORK_MEMORY_BYTES", 1_500_000_000)
    assert "more memory" in refuse(room, read_file, onnx_file(room, SLOW_BOMBS[words]))


def test_a_good_one_is_taken_with_its_bytes(room):
    path = onnx_file(room, good().SerializeToString)
    given = read_file(path)
    assert given.onnx == path.read_bytes() and given.shape == (3, 8, 8) and given.about == "read from network.onnx"


def test_a_file_that_changes_meanwhile_is_refused(room, monkeypatch):
    path = onnx_file(room, good().SerializeToString)

    def call(*given, **told):
        answer = sources.try_onnx(str(path))
        path.write_bytes(good(opset=13).SerializeToString())
        return answer

    monkeypatch.setattr(sources, "guarded", call)
    with pytest.raises(RefusedFile, match="was changed"):
        read_file(path)


def test_a_crash_is_told_as_one(room, monkeypatch):
    def crash(function, arguments, **limits):
        return guarded("tests.support.guarded_functions:crash", {}, **limits)

    monkeypatch.setattr(sources, "guarded", crash)
    assert "broke down" in refuse(room, read_file, onnx_file(room, good().SerializeToString))


def test_more_memory_is_for_larger_files(room, monkeypatch):
    told = []
    monkeypatch.setattr(sources, "guarded", lambda *given, memory_bytes, **more: told.append(memory_bytes))
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"")
    for size in (10, 2_000_000_000):
        os.truncate(onnx_file(room, bytes), size)
        with pytest.raises(RefusedFile):
            read_file(room / "brought" / "network.onnx")
    assert told == [4_000_000_060, 16_000_000_000]


def test_too_large_a_file_is_not_read(room):
    path = onnx_file(room, bytes)
    os.truncate(path, 2_000_000_001)
    assert "larger than 2.00 GB" in refuse(room, read_file, path)


WHY = {
    "a command": "without running code",
    "a whole network": "network.state_dict()",
    "a weight that is NaN": "not finite",
    "another architecture's": "of the 52 tensors that it has, 52 (features.0.weight",
    "a weight missing": "1 (classifier.1.weight",
    "a weight too many": "1 (extra",
    "a weight of another size": "features.0.weight is of size 96 × 3 × 7 × 7, theirs of size 96 × 2 × 7 × 7",
    "whole numbers instead of weights": "as quantized networks do",
    "a weight of 4 TB in four bytes": "take more than 2.00 GB",
    "quantized weights": "sparse, quantized or complex",
    "an HDF5 file": "as Keras saves networks, and no weights of torch",
    "a list": "no tensors by name",
    "a header of 2^63 bytes": "no valid safetensors file",
}
"""Of some, what the sentence must say."""

# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("words", BAD_WEIGHTS)
def test_weights_that_do_harm_or_do_not_fit_are_refused_with_a_remedy(room, words, in_this_process):
    text = refuse(room, read_weights, BAD_WEIGHTS[words](room / "brought"))
    assert WHY.get(words, "") in text


@pytest.mark.parametrize("words", WEIGHTS_IN_A_CHILD)
def test_weights_are_refused_the_same_way_in_a_child_process(room, words):
    refuse(room, read_weights, BAD_WEIGHTS[words](room / "brought"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("words", ODD_WEIGHTS)
def test_weights_that_are_odd_but_good_answer_as_in_torch(room, words, in_this_process):
    versions = {"with counts of batches": SHUFFLE, "without counts of batches": SHUFFLE}
    architecture = versions.get(words, "mnasnet0_5" if "versions" in words else "squeezenet1_0")
    reference = trained(architecture, 7 if words == "seven classes" else 2)
    path = ODD_WEIGHTS[words](room / "brought")
    before = everything(room)
    given = read_weights(path, architecture)
    x = torch.randn(2, *given.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = reference(x), given.module(x)
    few_digits = {"float16": 1e-2, "bfloat16": 5e-2}
    assert everything(room) == before and found.dtype == torch.float32 and not given.module.training
    torch.testing.assert_close(
        found, expected, rtol=1e-4, atol=few_digits.get(words, 1e-4) * expected.abs().max().item()
    )


def test_good_weights_come_through_a_child_process(room):
    given = read_weights(ODD_WEIGHTS["a checkpoint"](room / "brought"))
    kept = trained().state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in given.module.state_dict().items())


def test_there_are_many_bad_weights():
    assert len(BAD_WEIGHTS) >= 75 and len(ODD_WEIGHTS) >= 20
