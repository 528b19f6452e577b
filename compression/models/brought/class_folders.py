"""What the folders around images say: classes, and which images are for training and which for the test."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from compression import units
from compression.errors import RefusedFile
from compression.limits import MOST_CLASSES, MOST_IMAGES
from compression.models.brought.entry_names import Parts, class_name, is_image, refuse_twins, shown
from compression.models.brought.splitting import FEWEST_OF_A_CLASS

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What folders above classes are called, in any case of letters."""

_WANTED = "Have one folder for each class with nothing but its images in it, or all images in one folder."


@dataclass(frozen=True)
class Arrangement:
    """Images in an order that depends on their names alone.

    `classes` is empty and `labels` None where there are no class folders; `official` is None where there are no
    folders for training and test, else "train", "validation" or "test" for each image.
    """

    paths: tuple[Parts, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64] | None
    official: tuple[str, ...] | None


@dataclass(frozen=True)
class _Row:
    """An image: its whole path, the part that is not yet understood, and the split that a folder named."""

    path: Parts
    below: Parts
    split: str = ""


def arranged(paths: Iterable[Parts]) -> Arrangement:
    """Understand the folders; raises `RefusedFile` for what is not one folder for each class, or none at all."""
    rows = [_Row(path, path) for path in paths if is_image(path)]
    if not rows:
        raise RefusedFile(f"There are no images in it. {_WANTED}")
    if len(rows) > MOST_IMAGES:
        raise RefusedFile(
            f"There are {units.images(len(rows))} in it; at most {MOST_IMAGES:,} are taken. Leave some out."
        )
    rows = _by_split(_unwrapped(rows))
    labelled = _have_classes(rows)
    rows = sorted(rows, key=lambda row: (row.split, *map(_composed, row.below), row.path))
    official = _official(rows)
    ordered = tuple(row.path for row in rows)
    if not labelled:
        return Arrangement(ordered, (), None, official)
    names = _class_names(rows)
    classes = tuple(sorted(set(names)))
    check_classes(classes, Counter(names), fewest=1 if official else FEWEST_OF_A_CLASS)
    place = {name: label for label, name in enumerate(classes)}
    return Arrangement(ordered, classes, np.array([place[name] for name in names], dtype=np.int64), official)


def check_classes(classes: Sequence[str], counts: Counter[str], fewest: int = FEWEST_OF_A_CLASS) -> None:
    """Raise `RefusedFile` for less than two classes or too many, or one of fewer than `fewest` images."""
    if len(classes) < 2:
        raise RefusedFile(
            f"All images are of one class, {shown(classes[0])!r}: there is nothing to tell apart. Bring at least two "
            "classes; images without classes lie directly in the topmost folder."
        )
    if len(classes) > MOST_CLASSES:
        raise RefusedFile(f"There are {len(classes):,} classes; at most {MOST_CLASSES:,} are taken. Leave some out.")
    for name in classes:
        if counts[name] < fewest:
            raise RefusedFile(
                f"Class {shown(name)!r} has {units.counted(counts[name], 'image')}, too few to set some aside for the "
                f"test. Add images until it has at least {fewest}, or remove the class."
            )


def _composed(part: str) -> str:
    return unicodedata.normalize("NFC", part)


def _unwrapped(rows: list[_Row]) -> list[_Row]:
    """Without the folders that all images are in; one folder above images stays."""
    while (
        len({row.below[0] for row in rows}) == 1
        and min(len(row.below) for row in rows) > 1
        and max(len(row.below) for row in rows) > 2
    ):
        rows = [replace(row, below=row.below[1:]) for row in rows]
    return rows


def _by_split(rows: list[_Row]) -> list[_Row]:
    """With the splits that folders name, if all images lie in such folders."""
    if not all(len(row.below) > 1 and row.below[0].lower() in SPLITS for row in rows):
        return rows
    rows = [replace(row, below=row.below[1:], split=SPLITS[row.below[0].lower()]) for row in rows]
    splits = sorted({row.split for row in rows})
    return [row for split in splits for row in _unwrapped([row for row in rows if row.split == split])]


def _have_classes(rows: list[_Row]) -> bool:
    """Whether images lie in class folders; raises `RefusedFile` where some do and others do not."""
    depths = Counter(len(row.below) for row in rows)
    usual = 1 if set(depths) == {1} else 2
    odd = [row for row in rows if len(row.below) != usual]
    if odd:
        where = "in no class folder" if len(odd[0].below) == 1 else "in folders within a class folder"
        raise RefusedFile(
            f"Found {where}: {units.images(len(odd))}, for example {shown('/'.join(odd[0].path))}. {_WANTED} Only "
            "folders called train, validation and test may lie above those of classes."
        )
    return usual == 2


def _official(rows: list[_Row]) -> tuple[str, ...] | None:
    splits = {row.split for row in rows}
    if len(splits) == 1:
        return None
    if "train" not in splits:
        raise RefusedFile(
            "There are folders for validation and test but none called train. Add the images to train on."
        )
    return tuple(row.split for row in rows)


def _class_names(rows: list[_Row]) -> list[str]:
    """Each image's class; raises `RefusedFile` for names that are unfit, too alike, or differ between splits."""
    folders: dict[str, set[str]] = {}
    for row in rows:
        folders.setdefault(row.split, set()).add(row.below[0])
    composed = {folder: class_name(folder) for names in folders.values() for folder in names}
    for names in folders.values():
        refuse_twins(names)
    found: list[set[str]] = [{composed[folder] for folder in names} for names in folders.values()]
    different = found[0].union(*found) - found[0].intersection(*found)
    if different:
        raise RefusedFile(
            f"Class {shown(min(different))!r} is not in each of the folders {', '.join(folders)}. Have the same "
            "classes in all of them."
        )
    return [composed[row.below[0]] for row in rows]
