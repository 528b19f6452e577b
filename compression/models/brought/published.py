"""Data sets that torchvision can download, by their names there, such as CIFAR100 or Flowers102."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compression.errors import DataUnavailable, RefusedFile
from compression.models.brought.image_facts import ImageFacts
from compression.models.brought.image_files import take_in
from compression.watch import SILENT, Watch

SPLITS = {"train": ("train", "trainval"), "val": ("val",), "test": ("test",)}
"""What torchvision calls the images for training, validation and test; not every data set has all."""


def take_in_published(name: str, folder: Path, watch: Watch = SILENT) -> ImageFacts:
    """Download a data set, and keep its images in the new `folder` as those in class folders are.

    Raises `RefusedFile` for a name that torchvision does not know or whose images have no single class, and
    `DataUnavailable` where it cannot be downloaded.
    """
    kind = _kind(name)
    with tempfile.TemporaryDirectory(prefix="compression-data-") as temporary:
        root, tree = Path(temporary) / "source", Path(temporary) / "images"
        watch.report(0, f"downloading {name}")
        for split, images in _downloaded(kind, root):
            _write_tree(images, tree / split, watch.part(0.3, 0.6))
        return take_in(tree, folder, watch.part(0.6, 1))


def _kind(name: str) -> Any:  # noqa: ANN401  (a class of torchvision)
    from sample_models.vision import datasets

    names = [one for one in datasets.__all__ if "download" in inspect.signature(getattr(datasets, one)).parameters]
    if name not in names:
        near = difflib.get_close_matches(name, names, 3, cutoff=0.4)
        hint = f" Similar names that torchvision knows: {', '.join(near)}." if near else ""
        raise RefusedFile(f"{name} is no file or folder, and no data set that torchvision can download.{hint}")
    return getattr(datasets, name)


def _downloaded(kind: Any, root: Path) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Its parts by the name of the folder that they go into; '' where it has none."""
    parameters = inspect.signature(kind).parameters
    if "train" in parameters:
        wanted: list[tuple[str, dict[str, Any]]] = [("train", {"train": True}), ("test", {"train": False})]
    elif "split" in parameters:
        wanted = [(part, {"split": there}) for part, names in SPLITS.items() for there in names]
    else:
        wanted = [("", {})]
    for part, arguments in wanted:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                found = kind(root, download=True, **arguments)
        except ValueError:  # it has no such split
            continue
        except (OSError, RuntimeError) as error:
            raise DataUnavailable(
                f"{kind.__name__} could not be downloaded: {error}. Connect to the internet and try again, or bring "
                "its images as a zip file."
            ) from error
        yield part, found


def _write_tree(images: Any, folder: Path, watch: Watch) -> None:  # noqa: ANN401
    """Each image as a PNG file, which loses nothing, in the folder of its class."""
    names = [str(one).replace("/", " or ") for one in getattr(images, "classes", [])]
    for number, (picture, label) in watch.each(enumerate(images)):
        if not isinstance(label, int):
            raise RefusedFile("Its images are not each of one class, and only such can be used. Choose another one.")
        place = folder / (names[label] if label < len(names) else str(label))
        place.mkdir(parents=True, exist_ok=True)
        picture.save(place / f"{number}.png", compress_level=1)
        if number % 100 == 0:
            watch.report(number / len(images), f"unpacking images: {number:,} of {len(images):,}")
