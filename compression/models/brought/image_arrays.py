"""Images as arrays: an .npz file, whose headers are checked against what is really there before anything is read."""

from __future__ import annotations

import io
import math
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from compression.errors import RefusedFile
from compression.limits import LONGEST_CLASS_NAME, MOST_CLASSES, MOST_IMAGES, MOST_PIXELS
from compression.models.brought.class_folders import SPLITS, check_classes
from compression.models.brought.entry_names import class_name, is_image, refuse_twins, shown
from compression.models.brought.file_tree import Tree
from compression.models.brought.splitting import FEWEST_OF_A_CLASS

_LONGEST_HEADER = 4096
"""Bytes: real ones have 128."""

_READ = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_SHAPES = "N x H x W, N x H x W x C or N x C x H x W with C = 1, 3 or 4"
_SPOOL = "spool"

_KINDS = {**dict.fromkeys(("images", "x"), "images"), **dict.fromkeys(("labels", "y"), "labels")}
"""What arrays are called beside the name of a split: x_train, test_labels."""


@dataclass(frozen=True)
class Arrays:
    """`images` are uint8, N x H x W x C with C = 1, 3 or 4, one array for each split.

    `classes` is empty and `labels` None without labels; `official` is None where there is a single array, else "train",
    "validation" or "test" for each image.
    """

    images: tuple[NDArray[np.uint8], ...]
    classes: tuple[str, ...] = ()
    labels: NDArray[np.int64] | None = None
    official: tuple[str, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all images together."""
        return (sum(map(len, self.images)), *self.images[0].shape[1:])

    def image(self, place: int) -> Image.Image:
        """One of them, of mode L, RGB or RGBA."""
        for images in self.images:
            if place < len(images):
                break
            place -= len(images)
        pixels = np.ascontiguousarray(images[place])
        return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]
    length: int


def has_arrays(tree: Tree) -> bool:
    """Whether this is an .npz file, or what is in one."""
    return any(path[-1].endswith(".npy") for path in tree.paths) and not any(map(is_image, tree.paths))


def arrays_in(tree: Tree, folder: Path) -> Arrays:
    """The arrays `images`, `labels` and `classes`, the latter two optional; or `x_train`, `y_train` and the like.

    Images are mapped from files in `folder`, which `forget` removes. Where their last dimension and their second could
    both be channels, the last one is. Raises `RefusedFile` for anything else than the arrays described.
    """
    parts = _parts(tree)
    headers = {part: _header(tree, names["images"]) for part, names in parts.items()}
    for part, header in headers.items():
        _check_images(parts[part]["images"], header)
    counts = {part: header.shape[0] for part, header in headers.items()}
    if sum(counts.values()) > MOST_IMAGES:
        raise RefusedFile(f"There are {sum(counts.values()):,} images; at most {MOST_IMAGES:,} are taken. Save fewer.")
    labels, classes = _all_labels(tree, parts, counts), _class_names(tree)
    if labels is None and classes is not None:
        raise RefusedFile("There are classes but no labels. Add an array `labels`, or leave `classes` out.")
    if labels is not None:
        classes = classes or tuple(map(str, range(int(labels.max()) + 1)))
        _check_labels(labels, classes, fewest=1 if len(parts) > 1 else FEWEST_OF_A_CLASS)
    images = tuple(_mapped(tree, parts[part]["images"], header, folder) for part, header in headers.items())
    if len({part.shape[1:] for part in images}) > 1:
        sizes = ", ".join(f"`{parts[part]['images']}` {_product(header)}" for part, header in headers.items())
        raise RefusedFile(f"Images of all parts must be of one size, but yours are {sizes}. Bring class folders.")
    official = tuple(part for part, count in counts.items() for _ in range(count)) if len(parts) > 1 else None
    return Arrays(images, classes or (), labels, official)


def _parts(tree: Tree) -> dict[str, dict[str, str]]:
    """The names of the arrays with images and, if there are any, labels, for each split; "" where there is but one."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(tree.paths):
        name = path[-1].removesuffix(".npy")
        words = name.lower().split("_")
        splits, kinds = ([told[word] for word in words if word in told] for told in (SPLITS, _KINDS))
        if len(path) == 1 and (len(splits), len(kinds), len(words)) == (1, 1, 2):
            other = found.setdefault(splits[0], {}).setdefault(kinds[0], name)
            if other != name:
                raise RefusedFile(f"`{shown(other)}` and `{shown(name)}` are the same part twice. Leave one out.")
    is_split = "train" in found and all("images" in names for names in found.values())
    if is_split and ("images.npy",) not in tree.paths:
        return found
    return {"": {name: name for name in ("images", "labels") if name == "images" or (f"{name}.npy",) in tree.paths}}


def _all_labels(tree: Tree, parts: dict[str, dict[str, str]], counts: dict[str, int]) -> NDArray[np.int64] | None:
    with_labels = [part for part, names in parts.items() if "labels" in names]
    if not with_labels:
        return None
    if len(with_labels) < len(parts):
        without = next(names["images"] for part, names in parts.items() if part not in with_labels)
        raise RefusedFile(f"`{without}` has no labels, while others have. Add them, or leave out those of the others.")
    return np.concatenate([_labels(tree, parts[part]["labels"], counts[part]) for part in with_labels])


def forget(folder: Path) -> None:
    """Remove what `arrays_in` put there."""
    for spooled in folder.glob(f"{_SPOOL}-*"):
        spooled.unlink()


def _header(tree: Tree, name: str) -> _Header:
    path = (f"{name}.npy",)
    if path not in tree.paths:
        there = ", ".join(sorted(shown("/".join(path).removesuffix(".npy")) for path in tree.paths)[:10])
        raise RefusedFile(f"There is no array `{name}`, only: {there}. Save with np.savez_compressed({name}=…).")
    file = io.BytesIO(next(tree.pieces(path), b"")[:_LONGEST_HEADER])
    try:
        shape, is_fortran, dtype = _READ[np.lib.format.read_magic(file)](file)
    except Exception as error:  # numpy evaluates the header, with whatever comes of that
        raise RefusedFile(f"The array `{name}` is damaged. Save it anew with np.savez_compressed.") from error
    if dtype.hasobject or dtype.names:
        raise RefusedFile(
            f"The array `{name}` holds Python objects, which can run programs and are never opened. "
            "Save plain numbers, or class names as np.array(classes, dtype=str)."
        )
    if min(shape, default=0) < 0 or file.tell() + math.prod(shape) * dtype.itemsize != tree.size(path):
        raise RefusedFile(f"The array `{name}` is not as long as it says. Save it anew with np.savez_compressed.")
    return _Header(shape, is_fortran, dtype, file.tell())


def _check_images(name: str, header: _Header) -> None:
    name, shape = f"`{name}`", _product(header)
    if header.dtype != np.uint8:
        remedy = "multiply by 255, round and " if header.dtype.kind == "f" else ""
        raise RefusedFile(
            f"{name} must be whole numbers from 0 to 255 (uint8), but yours are {header.dtype}: {remedy}convert with "
            ".astype(np.uint8)."
        )
    if len(header.shape) not in (3, 4) or (
        len(header.shape) == 4 and not {header.shape[1], header.shape[3]} & {1, 3, 4}
    ):
        raise RefusedFile(f"{name} must be {_SHAPES}, but yours are {shape}. Transpose or reshape them.")
    if math.prod(header.shape) == 0:
        raise RefusedFile(f"{name} is empty ({shape}). Save at least one image with at least one pixel.")
    if header.shape[0] > MOST_IMAGES or math.prod(header.shape[1:]) > 4 * MOST_PIXELS:
        raise RefusedFile(
            f"{name} is {shape}; at most {MOST_IMAGES:,} images of {MOST_PIXELS // 10**6} million pixels are taken. "
            "Save fewer or smaller ones."
        )


def _product(header: _Header) -> str:
    return " x ".join(map(str, header.shape)) or "a single value"


def _mapped(tree: Tree, name: str, header: _Header, folder: Path) -> NDArray[np.uint8]:
    spooled = folder / f"{_SPOOL}-{len(list(folder.glob(f'{_SPOOL}-*')))}"
    with open(spooled, "wb") as file:
        for piece in tree.pieces((f"{name}.npy",)):
            file.write(piece)
    order: Any = "F" if header.is_fortran else "C"
    images: NDArray[np.uint8] = np.memmap(spooled, np.uint8, "r", header.length, header.shape, order)
    if images.ndim == 3:
        return images[..., None]
    return images if images.shape[3] in (1, 3, 4) else np.moveaxis(images, 1, 3)


def _labels(tree: Tree, name: str, count: int) -> NDArray[np.int64]:
    header = _header(tree, name)
    if header.dtype.kind not in "iu":
        raise RefusedFile(
            f"`{name}` must be whole numbers, but yours are {header.dtype}: number the classes from 0, and put their "
            "names into an array `classes`."
        )
    if header.shape not in {(count,), (count, 1)}:
        raise RefusedFile(
            f"`{name}` must be one number for each of {count:,} images, but yours are {_product(header)}. Number the "
            "class of each image."
        )
    labels = _loaded(tree, name).reshape(-1)
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise RefusedFile(
            f"`{name}` go from {labels.min()} to {labels.max()}; they must be from 0 to {MOST_CLASSES - 1}. Number the "
            "classes from 0, and leave out images without a class."
        )
    return labels.astype(np.int64)


def _class_names(tree: Tree) -> tuple[str, ...] | None:
    if ("classes.npy",) not in tree.paths:
        return None
    header = _header(tree, "classes")
    if header.dtype.kind != "U" or len(header.shape) != 1:
        raise RefusedFile("`classes` must be a row of names: save np.array(classes, dtype=str).")
    if header.shape[0] > MOST_CLASSES or not 0 < header.dtype.itemsize <= 4 * LONGEST_CLASS_NAME:
        raise RefusedFile(
            f"`classes` may be up to {MOST_CLASSES:,} names of 1 to {LONGEST_CLASS_NAME} characters. Shorten them."
        )
    array = _loaded(tree, "classes").astype(header.dtype.newbyteorder("="))
    if array.view(np.uint32).max(initial=0) > sys.maxunicode:  # of which no string can be made
        raise RefusedFile("`classes` has letters that do not exist. Save np.array(classes, dtype=str).")
    names = [class_name(name) for name in array.tolist()]
    refuse_twins(names)
    return tuple(names)


def _loaded(tree: Tree, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(tree.read((f"{name}.npy",))), allow_pickle=False)
    return array


def _check_labels(labels: NDArray[np.int64], classes: tuple[str, ...], fewest: int) -> None:
    if labels.max() >= len(classes):
        raise RefusedFile(
            f"`labels` go up to {labels.max()}, but there are only {len(classes)} names in `classes`. "
            "Number the classes from 0, and give each a name."
        )
    counts = np.bincount(labels, minlength=len(classes))
    check_classes(classes, Counter(dict(zip(classes, map(int, counts), strict=True))), fewest)
