"""The published tables: data as the papers split them, and rows of files that were read again."""

import json

import numpy as np
import pytest

from benchmarks.tables import deep_compression, mnist
from benchmarks.tables.deep_compression import LENET_300, PUBLISHED, Network, Setting, cheapened
from compression.engine.files import stored_file


@pytest.fixture(params=["{1}_{0}", "{0}_{1}"])
def images(request, tmp_path, monkeypatch):
    """Few of them: a bright row says which digit it is."""
    monkeypatch.setattr(mnist, "VALIDATION", 100)
    monkeypatch.setattr(mnist, "CALIBRATION", 100)
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 840), ("test", 100)):
        labels = random.integers(0, 10, count)
        pixels = random.integers(0, 100, (count, 28, 28), dtype=np.uint8)
        pixels[np.arange(count), 2 * labels + 4] = 255
        arrays |= {request.param.format("x", split): pixels, request.param.format("y", split): labels.astype(np.uint8)}
    np.savez(tmp_path / "mnist.npz", **arrays)
    return tmp_path / "mnist.npz"


def test_test_images_are_the_official_ones_and_no_image_is_in_two_splits(images):
    dataset = mnist.load(images)
    sizes = [len(split) for split in (dataset.train, dataset.calibration, dataset.validation, dataset.test)]
    assert sizes == [640, 100, 100, 100]
    everything = [image.tobytes() for split in (dataset.train, dataset.calibration, dataset.validation, dataset.test)
                  for image in split.images]  # fmt: skip
    assert len(set(everything)) == 940


def test_a_row_is_of_the_file_that_was_written(images, tmp_path, monkeypatch, capsys):
    network = Network("LeNet-300-100", LENET_300.build, 2)
    monkeypatch.setattr(deep_compression, "SETTINGS", (Setting("LeNet-300-100", network, cheapened(2, 0.5)),))
    asked = ["--data", str(images), "--folder", str(tmp_path / "out")]
    deep_compression.main(asked)
    (row,) = deep_compression.known(tmp_path / "out" / "deep-compression.jsonl")
    stored = (tmp_path / "out" / row["file"]).read_bytes()
    assert row["bytes"] == len(stored) and row["ratio"] == pytest.approx(266_610 * 4 / len(stored))
    decoded = stored_file.decode(stored).SerializeToString()
    assert row["error"] == deep_compression.errors(decoded, mnist.load(images).test)
    assert row["ratio"] > 8
    printed = capsys.readouterr().out
    assert f"{row['ratio']:.0f}x" in printed and all(one.method in printed for one in PUBLISHED)
    deep_compression.main(asked)
    assert len(deep_compression.known(tmp_path / "out" / "deep-compression.jsonl")) == 1


def test_rows_of_other_engines_do_not_count(tmp_path):
    (tmp_path / "rows").write_text(json.dumps({"setting": "a", "engine": "1"}) + "\n")
    assert deep_compression.known(tmp_path / "rows") == []
