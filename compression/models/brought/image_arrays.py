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
from compression.models.brought.class_folders import check_classes
from compression.models.brought.entry_names import class_name, is_image, refuse_twins, shown
from compression.models.brought.file_tree import Tree

_LONGEST_HEADER = 4096
"""Bytes: real ones have 128."""

_READ = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_SHAPES = "N x H x W, N x H x W x C or N x C x H x W with C = 1, 3 or 4"
_SPOOL = "spool"


@dataclass(frozen=True)
class Arrays:
    """`images` is uint8, N x H x W x C with C = 1, 3 or 4; `classes` is empty and `labels` None without labels."""

    images: NDArray[np.uint8]
    classes: tuple[str, ...]
    labels: NDArray[np.int64] | None

    def image(self, place: int) -> Image.Image:
        """One of them, of mode L, RGB or RGBA."""
        pixels = np.ascontiguousarray(self.images[place])
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
    """The arrays `images`, `labels` and `classes`, the latter two optional.

    `images` is mapped from a file in `folder`, which `forget` removes. Where its last dimension and its second could
    both be channels, the last one is. Raises `RefusedFile` for anything else than the arrays described.
    """
    header = _header(tree, "images")
    _check_images(header)
    count = header.shape[0]
    labels, classes = _labels(tree, count), _class_names(tree)
    if labels is None and classes is not None:
        raise RefusedFile("There are classes but no labels. Add an array `labels`, or leave `classes` out.")
    if labels is not None:
        classes = classes or tuple(map(str, range(int(labels.max()) + 1)))
        _check_labels(labels, classes)
    return Arrays(_mapped(tree, header, folder), classes or (), labels)


def forget(folder: Path) -> None:
    """Remove what `arrays_in` put there."""
    (folder / _SPOOL).unlink(missing_ok=True)


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


def _check_images(header: _Header) -> None:
    shape = _product(header)
    if header.dtype != np.uint8:
        remedy = "multiply by 255, round and " if header.dtype.kind == "f" else ""
        raise RefusedFile(
            f"`images` must be whole numbers from 0 to 255 (uint8), but yours are {header.dtype}: {remedy}convert with "
            ".astype(np.uint8)."
        )
    if len(header.shape) not in (3, 4) or (
        len(header.shape) == 4 and not {header.shape[1], header.shape[3]} & {1, 3, 4}
    ):
        raise RefusedFile(f"`images` must be {_SHAPES}, but yours are {shape}. Transpose or reshape them.")
    if math.prod(header.shape) == 0:
        raise RefusedFile(f"`images` is empty ({shape}). Save at least one image with at least one pixel.")
    if header.shape[0] > MOST_IMAGES or math.prod(header.shape[1:]) > 4 * MOST_PIXELS:
        raise RefusedFile(
            f"`images` is {shape}; at most {MOST_IMAGES:,} images of {MOST_PIXELS // 10**6} million pixels are taken. "
            "Save fewer or smaller ones."
        )


def _product(header: _Header) -> str:
    return " x ".join(map(str, header.shape)) or "a single value"


def _mapped(tree: Tree, header: _Header, folder: Path) -> NDArray[np.uint8]:
    with open(folder / _SPOOL, "wb") as file:
        for piece in tree.pieces(("images.npy",)):
            file.write(piece)
    order: Any = "F" if header.is_fortran else "C"
    images: NDArray[np.uint8] = np.memmap(folder / _SPOOL, np.uint8, "r", header.length, header.shape, order)
    if images.ndim == 3:
        return images[..., None]
    return images if images.shape[3] in (1, 3, 4) else np.moveaxis(images, 1, 3)


def _labels(tree: Tree, count: int) -> NDArray[np.int64] | None:
    if ("labels.npy",) not in tree.paths:
        return None
    header = _header(tree, "labels")
    if header.dtype.kind not in "iu":
        raise RefusedFile(
            f"`labels` must be whole numbers, but yours are {header.dtype}: number the classes from 0, and put their "
            "names into an array `classes`."
        )
    if header.shape != (count,):
        raise RefusedFile(
            f"`labels` must be one number for each of {count:,} images, but yours are {_product(header)}. Number the "
            "class of each image."
        )
    labels = _loaded(tree, "labels")
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise RefusedFile(
            f"`labels` go from {labels.min()} to {labels.max()}; they must be from 0 to {MOST_CLASSES - 1}. Number the "
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


def _check_labels(labels: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    if labels.max() >= len(classes):
        raise RefusedFile(
            f"`labels` go up to {labels.max()}, but there are only {len(classes)} names in `classes`. "
            "Number the classes from 0, and give each a name."
        )
    counts = np.bincount(labels, minlength=len(classes))
    check_classes(classes, Counter(dict(zip(classes, map(int, counts), strict=True))))
