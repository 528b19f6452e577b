"""What networks answer, class by class: confusion, recall, the worst class, images whose answer changed. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compression.results.significance import PairedDifference, paired_difference, wilson_interval

Classes = NDArray[np.unsignedinteger[Any]]


def as_classes(numbers: NDArray[np.integer[Any]], n_classes: int) -> Classes:
    """Class numbers in the fewest bytes that so many classes need: one for up to 256 of them."""
    classes: Classes = numbers.astype(np.min_scalar_type(n_classes - 1))
    return classes


def classes_from(content: bytes, images: int) -> Classes:
    """The predicted class of each image from the artifact `predictions`, whose length tells the bytes of each."""
    return np.frombuffer(content, dtype=f"<u{max(1, len(content) // images)}")


@dataclass(frozen=True, eq=False)
class Answers:
    """What one network says of every test image: predicted classes, probabilities (images x classes), true classes."""

    predictions: Classes
    probabilities: NDArray[np.floating[Any]]
    labels: Classes

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which images are classified right."""
        found: NDArray[np.bool_] = self.predictions == self.labels
        return found

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return int(self.probabilities.shape[1])


def answers(probabilities: NDArray[np.floating[Any]], labels: Classes, measured: bytes | None = None) -> Answers:
    """Put together what an inquiry and the measurement found.

    `measured` has the predicted classes that the accuracy was counted from. Without them (the file is gone, say)
    the most probable class counts; probabilities in half precision may tie.
    """
    predictions = as_classes(probabilities.argmax(axis=1), probabilities.shape[1])
    if measured is not None and len(measured) == predictions.nbytes:
        predictions = classes_from(measured, len(labels))
    return Answers(predictions, probabilities, labels)


def paired(other: Answers, reference: Answers) -> PairedDifference:
    """The accuracy of `other` minus that of `reference`, on the same images."""
    return paired_difference(other.right, reference.right)


def confusion(found: Answers) -> NDArray[np.int64]:
    """How many images of each true class (rows) were called what (columns)."""
    n = found.n_classes
    pairs = found.labels.astype(np.int64) * n + found.predictions
    return np.bincount(pairs, minlength=n * n).reshape(n, n)


@dataclass(frozen=True)
class Recall:
    """Of the `total` images of a class `right` were recognized; a fraction with its 95 % Wilson interval."""

    index: int
    right: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The fraction."""
        return self.right / self.total


def recalls(found: Answers) -> tuple[Recall, ...]:
    """Of every class that has test images, in their order."""
    matrix = confusion(found)
    totals = matrix.sum(axis=1)
    return tuple(
        Recall(index, int(matrix[index, index]), int(total), *wilson_interval(int(matrix[index, index]), int(total)))
        for index, total in enumerate(totals)
        if total > 0
    )


def worst(found: Sequence[Recall]) -> Recall:
    """The class of which the smallest share is recognized; the first of equals."""
    return min(found, key=lambda recall: recall.share)


@dataclass(frozen=True)
class ClassChange:
    """How the recall of one class differs; `p_value` allows for as many looks as there are classes (Bonferroni)."""

    index: int
    difference: PairedDifference
    p_value: float


def class_changes(other: Answers, reference: Answers) -> tuple[ClassChange, ...]:
    """The paired difference of each class that has test images, largest loss first."""
    present = [int(index) for index in np.unique(reference.labels)]
    found = []
    for index in present:
        mine = reference.labels == index
        difference = paired_difference(other.right[mine], reference.right[mine])
        found.append(ClassChange(index, difference, min(1.0, len(present) * difference.p_value)))
    return tuple(sorted(found, key=lambda change: (change.difference.difference, change.index)))


# Images whose answer changed.

Kind = Literal["broken", "fixed", "other"]
KINDS: dict[Kind, str] = {
    "broken": "right before, now wrong",
    "fixed": "wrong before, now right",
    "other": "wrong before and after",
}
Order = Literal["shift", "sure", "data"]
ORDERS: dict[Order, str] = {
    "shift": "Largest change of mind first",
    "sure": "Surest new answer first",
    "data": "As in the data set",
}


@dataclass(frozen=True)
class Change:
    """One test image that two networks call differently: what each says, and how probable it finds that.

    `after_old` is what the second network still gives the first one's answer, `before_new` what the first gave the
    second one's.
    """

    index: int
    label: int
    before: int
    after: int
    p_before: float
    p_after: float
    before_new: float
    after_old: float

    @property
    def kind(self) -> Kind:
        """Whether it got worse, better or neither."""
        if self.before == self.label:
            return "broken"
        return "fixed" if self.after == self.label else "other"

    @property
    def shift(self) -> float:
        """How much less probable the first network's answer became, -1..1."""
        return self.p_before - self.after_old


def changes(other: Answers, reference: Answers) -> tuple[Change, ...]:
    """All images that `other` calls differently, as in the data set."""
    found = []
    for index in map(int, np.flatnonzero(other.predictions != reference.predictions)):
        before, after = int(reference.predictions[index]), int(other.predictions[index])
        old, new = reference.probabilities[index].tolist(), other.probabilities[index].tolist()
        label = int(reference.labels[index])
        found.append(Change(index, label, before, after, old[before], new[after], old[after], new[before]))
    return tuple(found)


def chosen(found: Sequence[Change], kinds: Sequence[Kind], label: int | None, order: Order) -> tuple[Change, ...]:
    """Those of these kinds (all where none is named) and of this true class (None: any), in this order."""
    kept = [c for c in found if (not kinds or c.kind in kinds) and label in (None, c.label)]
    if order == "shift":
        kept.sort(key=lambda change: -change.shift)
    elif order == "sure":
        kept.sort(key=lambda change: -change.p_after)
    return tuple(kept)
