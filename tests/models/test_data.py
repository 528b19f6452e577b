import gzip
import hashlib
import http.server
import io
import pickle
import struct
import tarfile
import threading

import numpy as np
import pytest

from compression.errors import DataUnavailable, StorageFailed
from compression.models import data
from compression.watch import SILENT, Watch

SIZES = {"digits": (969, 128, 200, 500), "mnist5k": (3244, 256, 500, 1000)}

SPLITS = ("train", "calibration", "validation", "test")


@pytest.mark.parametrize("name", SIZES)
def test_splits_have_their_sizes_and_never_overlap(name):
    dataset = data.load_dataset(name)
    splits = [getattr(dataset, split) for split in SPLITS]
    assert tuple(len(split) for split in splits) == SIZES[name]
    (source, _), _ = data.facts_of(name).fetch(SILENT)
    together = np.concatenate([split.images for split in splits])
    assert sorted(map(bytes, together)) == sorted(map(bytes, source))


@pytest.mark.parametrize("name", SIZES)
def test_splits_are_the_same_every_time(name):
    first = data.load_dataset(name)
    data._MEMORY.clear()
    second = data.load_dataset(name)
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(first, split).images, getattr(second, split).images)
        np.testing.assert_array_equal(getattr(first, split).y, getattr(second, split).y)


@pytest.mark.parametrize("name", SIZES)
def test_preprocessing_standardizes(name):
    x = data.load_dataset(name).train.x
    assert x.dtype == np.float32
    assert abs(x.mean()) < 0.05
    assert abs(x.std() - 1) < 0.05


def test_batches_are_the_split_in_order():
    split = data.load_dataset("digits").test
    parts = list(split.batches(64))
    assert [len(y) for _, y in parts] == [64] * 7 + [52]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in parts]), split.x)
    np.testing.assert_array_equal(np.concatenate([y for _, y in parts]), split.y)


def test_every_class_is_in_every_split():
    dataset = data.load_dataset("mnist5k")
    for split in SPLITS:
        assert set(getattr(dataset, split).y) == set(range(10))


def test_unknown_data_set_names_the_known_ones():
    with pytest.raises(DataUnavailable, match="'imagenet'.*mnist5k"):
        data.load_dataset("imagenet")


def test_cache_in_a_place_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    (tmp_path / "data").write_text("a file where a folder should be")
    monkeypatch.setenv("COMPRESSION_HOME", str(tmp_path))
    with pytest.raises(StorageFailed, match="COMPRESSION_HOME"):
        data.load_dataset("digits")


def _idx(array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes())


def _serve(files):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = files.get(self.path.rsplit("/", 1)[-1])
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def fashion_server(monkeypatch, fresh_home):
    """Small files in the real format, served from loopback to torchvision's real loading code."""
    from sample_models.vision import datasets

    monkeypatch.setattr(data, "DEBIAN_FASHION_MNIST", fresh_home / "nowhere")
    (fresh_home / "data").unlink()
    rng = np.random.default_rng(0)
    files = {}
    for part, n in (("train", 3000), ("t10k", 40)):
        files[f"{part}-images-idx3-ubyte.gz"] = _idx(rng.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte.gz"] = _idx(rng.integers(0, 10, n, dtype=np.uint8))

    server = _serve(files)
    mirror = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [mirror], raising=False)
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    yield server
    server.shutdown()


def test_fashion_mnist_is_downloaded_once_and_then_works_offline(fashion_server):
    seen = []
    assert not data.facts_of("fashion-mnist").is_local
    first = data.load_dataset("fashion-mnist", watch=Watch(report=lambda fraction, words: seen.append(words)))
    assert len(first.test) == 40
    assert len(first.train) + len(first.validation) + len(first.calibration) == 3000
    fashion_server.shutdown()
    fashion_server.server_close()
    data._MEMORY.clear()
    assert data.facts_of("fashion-mnist").is_local
    second = data.load_dataset("fashion-mnist")
    np.testing.assert_array_equal(first.test.images, second.test.images)


def test_fashion_mnist_offline_says_what_to_do(fashion_server):
    fashion_server.shutdown()
    fashion_server.server_close()
    with pytest.raises(DataUnavailable, match="dataset-fashion-mnist"):
        data.load_dataset("fashion-mnist")
    assert not data.facts_of("fashion-mnist").is_local


def _cifar_batches():
    """Small batches in CIFAR-10's real format: pickled dictionaries in a gzipped tar file."""
    rng = np.random.default_rng(0)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    return {
        name: pickle.dumps(
            {
                "data": rng.integers(0, 256, (2600 if name == "test_batch" else 600, 3072), dtype=np.uint8),
                "labels": rng.integers(0, 10, 2600 if name == "test_batch" else 600).tolist(),
            }
        )
        for name in names
    } | {"batches.meta": pickle.dumps({"label_names": list("abcdefghij")})}


def test_cifar10_is_downloaded_and_split(fresh_home, monkeypatch):
    from sample_models.vision import datasets

    (fresh_home / "data").unlink()
    batches, archive = _cifar_batches(), io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in batches.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in batches.items()}
    server = _serve({"cifar-10-python.tar.gz": archive.getvalue()})
    monkeypatch.setattr(datasets.CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", hashlib.md5(archive.getvalue()).hexdigest())
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[n, md5[n]] for n in md5 if n.startswith("data")])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(
        datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5["batches.meta"]}
    )
    dataset = data.load_dataset("cifar10")
    server.shutdown()
    assert dataset.input_shape == (3, 32, 32)
    assert (len(dataset.train), len(dataset.calibration), len(dataset.validation)) == (2488, 512, 2000)
    test = pickle.loads(batches["test_batch"])
    official = dict(
        zip(map(bytes, test["data"]), test["labels"], strict=True)
    )  # the weights were trained on all others
    for split in (dataset.validation, dataset.test):
        assert [official.pop(image.tobytes()) for image in split.images] == split.y.tolist()
    assert not official


@pytest.mark.skipif(not data.DEBIAN_FASHION_MNIST.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_fashion_mnist_from_the_debian_package():
    dataset = data.load_dataset("fashion-mnist")
    assert (len(dataset.test), len(dataset.train)) == (10000, 57488)
    assert np.bincount(dataset.test.y).tolist() == [1000] * 10


def test_data_version_changes_with_split_and_seed(monkeypatch):
    before = {name: data.facts_of(name).version for name in data.DATA_SETS}
    assert len(set(before.values())) == len(before)
    assert all(len(version) <= 200 for version in before.values())  # the column's width
    monkeypatch.setattr(data, "SPLIT_SEED", 1)
    assert all(data.facts_of(name).version != version for name, version in before.items())
