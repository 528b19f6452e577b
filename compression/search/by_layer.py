"""What levels chosen layer by layer are expected to bring, by the tables of single layers. Torch-free."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compression.inquiries.layer_tables import FREE_LEVEL, Cell, Tables
from compression.recipe.recipe import Recipe
from compression.recipe.steps import ByLayer, ChannelPruning, Quantization, SecondOrderPruning, Step, WeightSharing
from compression.results.record import Result
from compression.search.allocation import (
    CODES,
    SETTINGS,
    TECHNIQUES,
    Allocation,
    accuracy_at,
    frontier,
    original,
)
from compression.search.estimate import LEAST, WIDTH, Estimate, Known, accuracy_after, loss_of
from compression.search.outlook import Expected
from compression.search.track_record import LATEST, width

ALONE, TOGETHER = 0.7, 1.2
"""How far the logarithm of what is lost may be off, as `Estimate.doubt`. Losses of one technique and of codes nearly
add up. Channels, zeros and ranks live on the same redundancy: after one of them another costs more than alone."""

DOUBTS = {
    ("magnitude_pruning", *CODES): ALONE,
    ("channel_pruning", *CODES): ALONE,
    ("low_rank", *CODES): ALONE,
    TECHNIQUES: TOGETHER,
}
"""Techniques that are combined, each with its doubt."""

GROWS = ("channel_pruning", "magnitude_pruning")
"""Whose levels are the harder, the higher they are."""


NEAR, FAR = 0.1, 0.5
"""Distances as of `_distances`: measured settings nearer than the one teach alike, and those farther than the other
less than the tables are trusted."""


class Lessons(NamedTuple):
    """Measured settings that the tables know: losses by the tables, techniques, and how much more was lost (logarithm).

    `misses` is how far off each would have been without its own measurement, in doubts.
    """

    losses: NDArray[np.float64]
    techniques: Sequence[frozenset[str]]
    more: NDArray[np.float64]
    misses: Sequence[float] = ()


def expect(known: Known, tables: Tables, results: Collection[Result]) -> tuple[Expected, ...]:
    """Allocations from the mildest to the hardest, each with what is expected of it: see `allocation.frontier`.

    Losses are corrected by `results`, and ranges are as wide as their misses say. Nothing where there are no layers, or
    not even the original's accuracy is known.
    """
    if known.accuracy is None or not tables.layers:
        return ()
    every, lessons = _candidates(tables), _lessons(known, tables, results)
    predicted = np.array([allocation.loss for allocation, _ in every])
    distances = _distances(predicted, [frozenset(allocation.levels) for allocation, _ in every], lessons)
    lost = _lost(tables, predicted) + _learned(distances, lessons.more)
    half = max(WIDTH, width(lessons.misses))  # most lessons are of one technique and one level: they miss less
    whole_ms = original(tables, "ms")
    found = []
    for (allocation, doubt), loss in zip(every, lost.tolist(), strict=True):
        accuracy, accuracy_range = accuracy_after(loss, half * doubt, known)
        ms = None if known.latency_ms is None else known.latency_ms * allocation.ms / whole_ms
        guess = Estimate(accuracy, allocation.bytes, ms, {}, accuracy_range, loss, doubt)
        found.append(Expected(allocation, guess, known))
    return tuple(found)


@functools.lru_cache(maxsize=8)
def _candidates(tables: Tables) -> tuple[tuple[Allocation, float], ...]:
    """Each once, with its doubt: the tables stay the same while results come."""
    found: dict[str, tuple[Allocation, float]] = {}
    for techniques, doubt in DOUBTS.items():
        for one in frontier(tables, techniques):
            if one.levels:
                found.setdefault(json.dumps(one.levels), (one, doubt))
    return tuple(found.values())


def _lost(tables: Tables, losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of the accuracy lost, plus `LEAST`."""
    lost: NDArray[np.float64] = np.log(np.maximum(0.0, tables.accuracy - accuracy_at(tables, losses)) + LEAST)
    return lost


# --- what was measured --------------------------------------------------------------------------------------------


def _lessons(known: Known, tables: Tables, results: Collection[Result]) -> Lessons:
    """Of the latest results, without the original."""
    predicted = [(predicted_loss(tables, one.parsed_recipe), one) for one in results if not one.is_baseline]
    judged = [(loss, one) for loss, one in predicted if loss is not None and loss <= LARGEST][-LATEST:]
    losses = np.array([loss for loss, _ in judged])
    kinds = [frozenset(map(_name, one.parsed_recipe.steps)) for _, one in judged]
    more = np.array([loss_of(one, known) for _, one in judged]) - _lost(tables, losses)
    lessons = Lessons(losses, kinds, more)
    distances = _distances(losses, kinds, lessons)
    np.fill_diagonal(distances, np.inf)  # each without its own
    doubts = [TOGETHER if len(kind.difference(CODES)) > 1 else ALONE for kind in kinds]
    return lessons._replace(misses=(np.abs(more - _learned(distances, more)) / doubts).tolist())


def _distances(
    losses: NDArray[np.float64], techniques: Sequence[frozenset[str]], lessons: Lessons
) -> NDArray[np.float64]:
    """Squared, of each to each lesson: 1 is an e²-fold loss, or no technique in common."""
    apart = [[1 - len(mine & other) / max(1, len(mine | other)) for other in lessons.techniques] for mine in techniques]
    there, here = np.log(lessons.losses + LEAST_LOSS), np.log(losses + LEAST_LOSS)
    squares: NDArray[np.float64] = ((here[:, None] - there) / 2) ** 2 + np.square(
        np.reshape(apart, (len(losses), len(there)))
    )
    return squares


LEAST_LOSS, LARGEST = 1e-4, 0.5
"""Nats: losses below the one are not told apart, and beyond the other they do not add up, and teach nothing."""


def _learned(distances: NDArray[np.float64], more: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of what lessons say, the nearer the more, and less where none is near."""
    weights = 1 / (distances + NEAR**2)
    learned: NDArray[np.float64] = weights @ more / (1 / (FAR**2 + NEAR**2) + weights.sum(axis=1))
    return learned


def _name(step: Step) -> str:
    """What tables call it."""
    return "magnitude_pruning" if isinstance(step, SecondOrderPruning) else step.technique


def predicted_loss(tables: Tables, recipe: Recipe) -> float | None:
    """The sum of what each layer loses at the recipe's levels; None where tables do not say what a step does."""
    total = 0.0
    for step in recipe.steps:
        name = _name(step)
        if not isinstance(step, ByLayer) or name not in TECHNIQUES or not _is_as_tried(step, SETTINGS[name]):
            return None
        own = dict(step.levels)
        losses = [_loss(layer.of(name), own.get(layer.name, step.level)) for layer in tables.layers]
        total += sum(losses)
    return total if math.isfinite(total) else None


UNIFORM = (ChannelPruning, Quantization, WeightSharing)
"""What gives every layer its own level where none is said for single ones; others weigh layers against each other."""


def _is_as_tried(step: ByLayer, main: str) -> bool:
    """Whether a step does to each layer what was tried: levels are all that it says."""
    plain = type(step).model_validate({main: step.level, "levels": step.levels})
    return step == plain and (bool(step.levels) or isinstance(step, UNIFORM))


def _loss(cells: Sequence[Cell], level: float) -> float:
    """A layer's at a level, straight between those that were tried; infinite beyond the hardest."""
    if not cells:
        return 0.0
    name, last = cells[0].technique, cells[-1].level
    tried = sorted([*((cell.level, cell.loss) for cell in cells), (FREE_LEVEL.get(name, FINER), 0.0)])
    is_beyond = level > last if name in GROWS else level < last
    levels, losses = zip(*tried, strict=True)
    return math.inf if is_beyond else float(np.interp(level, levels, losses))


FINER = 1000.0
"""Bits, or shared values, with which nothing is lost."""
