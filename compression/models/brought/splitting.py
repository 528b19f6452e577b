"""Which images a network trains on, and which are set aside: always the same ones for the same images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compression.errors import RefusedFile

Part = Literal["train", "calibration", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "calibration", "validation", "test")
"""In the order in which their images are kept."""

SEED = 20160210
TEST_OF = 5
"""One image of so many is for the test, where the data set does not say which."""

VALIDATION_OF, MOST_VALIDATION = 10, 2000
CALIBRATION_OF, MOST_CALIBRATION = 10, 512
"""One image of so many that are left, at most so many: more would cost time and change no decision."""

FEWEST_OF_A_CLASS = 5
"""So that the test has one of each class."""

Index = NDArray[np.int64]


def split(labels: Index, official: Sequence[str] | None = None) -> dict[Part, Index]:
    """The places of the images in each part, shuffled; parts never overlap.

    `labels` is N integers, in an order that depends on nothing but the content. `official` says for each image whether
    its data set has it for "train", "validation" or "test"; without a test, its validation images are the test. What
    is set aside otherwise is stratified, and each class keeps an image to train on. Raises `RefusedFile` where any
    part would be empty.
    """
    order = np.random.default_rng(SEED).permutation(len(labels))
    if official is None:
        rest, test = _set_aside(order, labels, -(-len(order) // TEST_OF))
        validation = order[:0]
    else:
        rest, validation, test = _official(order, np.asarray(official))
    if len(validation) == 0:
        rest, validation = _set_aside(rest, labels, min(MOST_VALIDATION, -(-len(rest) // VALIDATION_OF)))
    train, calibration = _set_aside(rest, labels, min(MOST_CALIBRATION, -(-len(rest) // CALIBRATION_OF)))
    parts: dict[Part, Index] = {"train": train, "calibration": calibration, "validation": validation, "test": test}
    _refuse_empty(parts, labels)
    return parts


def _official(order: Index, official: NDArray[np.str_]) -> tuple[Index, Index, Index]:
    train, validation, test = (order[official[order] == part] for part in ("train", "validation", "test"))
    return (train, validation, test) if len(test) else (train, test, validation)


def _set_aside(rest: Index, labels: Index, count: int) -> tuple[Index, Index]:
    """What stays, and about `count` that are set aside, of each class in proportion; both in the same order."""
    _, which = np.unique(labels[rest], return_inverse=True)
    sizes = np.bincount(which)
    ranks = np.empty_like(which)
    ranks[np.argsort(which, kind="stable")] = np.concatenate([np.arange(size) for size in sizes] or [which])
    aside = ranks < _quotas(sizes, count)[which]
    return rest[~aside], rest[aside]


def _quotas(sizes: Index, count: int) -> Index:
    """How many of each class: whole shares, then one each by largest remainder, but never the last of a class."""
    quotas, remainders = np.divmod(sizes * count, max(1, int(sizes.sum())))
    quotas[np.argsort(-remainders, kind="stable")[: count - int(quotas.sum())]] += 1
    return np.minimum(quotas, np.maximum(sizes - 1, 0))


def _refuse_empty(parts: dict[Part, Index], labels: Index) -> None:
    empty = next((part for part in PARTS if len(parts[part]) == 0), None)
    if empty:
        fewest = len(np.unique(labels)) + 2
        raise RefusedFile(
            f"Too few images: none are left for {empty}. Bring at least {max(fewest, FEWEST_OF_A_CLASS)} images "
            "besides those of folders for validation and test."
        )
