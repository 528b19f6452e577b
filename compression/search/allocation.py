"""Which layer gets which level of which technique, so that the predictions move least within limits. Torch-free.

Losses of layers, and of techniques in one layer, are taken to add up: a Kullback-Leibler divergence is quadratic in
small changes, and those of different layers hardly know of each other (Dong et al., HAWQ-V2, 2020). What that misses is
told by settings that were measured, see `correction`.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from compression.inquiries.layer_tables import FREE_LEVEL, Cell, LayerTable, Tables
from compression.knapsack import choose

TECHNIQUES = ("channel_pruning", "low_rank", "magnitude_pruning", "weight_sharing", "quantization")
"""In the order in which steps come."""

CODES = ("quantization", "weight_sharing")
"""What gives every layer codes: a recipe has one of them at most."""

FINEST_BITS = 8
"""What factors of a layer get, which have names of their own: hardly anything is lost."""

SETTINGS: Mapping[str, str] = {
    "channel_pruning": "pruning_ratio",
    "low_rank": "rank_ratio",
    "magnitude_pruning": "sparsity",
    "second_order_pruning": "sparsity",
    "weight_sharing": "clusters",
    "quantization": "weight_bits",
}
"""The main setting of each step, of which a level is a value."""

WHOLE = ("weight_bits", "clusters")
"""Settings that are whole numbers."""

CHANNEL_PRICES = (0.0, *np.geomspace(0.003, 30, 9))
"""Loss that may be paid, in channels, for one network's worth of what is limited: from none to any."""

Measure = Literal["bytes", "ms", "macs"]


@dataclass(frozen=True)
class Limits:
    """What the whole network may take: bytes of its stored file, milliseconds and operations for one image."""

    bytes: float = math.inf
    ms: float = math.inf
    macs: float = math.inf


@dataclass(frozen=True)
class Allocation:
    """Levels by technique and layer, and what the network then takes, and loses by the tables."""

    levels: Mapping[str, Mapping[str, float]]
    bytes: float
    ms: float
    macs: float
    loss: float


@dataclass(frozen=True)
class _Option:
    """One layer's levels together."""

    levels: Mapping[str, float]
    loss: float
    bytes: float
    ms: float
    macs: float


@dataclass(frozen=True)
class _Narrowed:
    """Channels that were chosen: their levels by layer, what that loses, and what is left of each layer."""

    levels: Mapping[str, float] = field(default_factory=dict)
    loss: float = 0.0
    share: Mapping[str, float] = field(default_factory=dict)
    time: Mapping[str, float] = field(default_factory=dict)


def allocate(tables: Tables, limits: Limits, techniques: Collection[str] = TECHNIQUES) -> Allocation | None:
    """The levels with the least sum of losses within `limits`, or None where nothing that the tables know is.

    Each layer has one level of each technique, or none. Channels and ranks change what other levels take: along a path
    of widths, from all channels to few, all else is chosen by `choose`, and the best sum wins. A layer that becomes a
    product of thinner ones gets no zeros, and of codes the finest.
    """
    codes: list[str | None] = [None, *(name for name in CODES if name in techniques)]
    ways = itertools.product(_widths(tables, limits, techniques), codes)
    found = [_within(tables, limits, narrowed, techniques, code) for narrowed, code in ways]
    return min((one for one in found if one is not None), key=lambda one: (one.loss, one.bytes), default=None)


def _within(
    tables: Tables, limits: Limits, narrowed: _Narrowed, techniques: Collection[str], code: str | None
) -> Allocation | None:
    items = [list(_options(layer, narrowed, techniques, code)) for layer in tables.layers]
    left = limits.bytes - tables.other_bytes, limits.ms - tables.other_ms, limits.macs
    rows = [[(one.loss, one.bytes, one.ms, one.macs) for one in options] for options in items]
    chosen = choose(rows, left) if min(left) >= 0 and all(items) else None
    if chosen is None:
        return None
    options = [item[number] for item, number in zip(items, chosen, strict=True)]
    levels: dict[str, dict[str, float]] = {"channel_pruning": dict(narrowed.levels)}
    for layer, option in zip(tables.layers, options, strict=True):
        for technique, level in option.levels.items():
            levels.setdefault(technique, {})[layer.name] = level
    return Allocation(
        levels={technique: levels[technique] for technique in TECHNIQUES if levels.get(technique)},
        bytes=tables.other_bytes + sum(option.bytes for option in options),
        ms=tables.other_ms + sum(option.ms for option in options),
        macs=sum(option.macs for option in options),
        loss=narrowed.loss + sum(option.loss for option in options),
    )


# --- one layer ---------------------------------------------------------------------------------------------------


def _options(
    layer: LayerTable, narrowed: _Narrowed, techniques: Collection[str], code: str | None
) -> Iterator[_Option]:
    """What may be done with one layer; where there are codes, every option has some."""
    share, time = narrowed.share.get(layer.name, 1.0), narrowed.time.get(layer.name, 1.0)
    zeros = layer.of("magnitude_pruning") if "magnitude_pruning" in techniques else ()
    ranks = layer.of("low_rank") if "low_rank" in techniques else ()
    coded: Sequence[Cell | None] = layer.of(code) if code else [None]
    both = {(one.zeros, one.technique, one.level): one.bytes for one in layer.both}

    def option(cells: Sequence[Cell | None], size: float, ms: float, macs: float) -> _Option:
        there = [cell for cell in cells if cell is not None]
        levels = {cell.technique: cell.level for cell in there}
        return _Option(levels, sum(cell.loss for cell in there), share * size, time * ms, share * macs)

    for cell in coded:
        yield option([cell], cell.bytes if cell else layer.bytes, layer.ms, layer.macs)
        for zero in zeros:
            size = both.get((zero.level, cell.technique, cell.level)) if cell else zero.bytes
            if size is not None:
                yield option([zero, cell], size, layer.ms, layer.macs)
    finest = coded[0] if coded else None
    for rank in ranks:
        size = rank.bytes * (finest.bytes / layer.bytes if finest else 1)
        yield option([rank, finest], size, rank.ms, rank.macs)


# --- channels ----------------------------------------------------------------------------------------------------


def _widths(tables: Tables, limits: Limits, techniques: Collection[str]) -> list[_Narrowed]:
    """From all channels to few: each group at the level that is best when what is limited has a price."""
    groups = {layer.name: layer.of("channel_pruning") for layer in tables.layers}
    groups = {name: cells for name, cells in groups.items() if cells}
    if "channel_pruning" not in techniques or not groups:
        return [_Narrowed()]
    worth = {
        (name, number): sum(_saved(tables, cell, measure) for measure in _limited(limits))
        for name, cells in groups.items()
        for number, cell in enumerate(cells)
    }
    found: dict[tuple[int, ...], None] = {}
    for price in CHANNEL_PRICES:
        priced = {
            name: [0.0, *(cell.loss - price * worth[name, number] for number, cell in enumerate(cells))]
            for name, cells in groups.items()
        }
        found[tuple(values.index(min(values)) - 1 for values in priced.values())] = None
    return [
        _narrowed(tables, [cells[n] for cells, n in zip(groups.values(), numbers, strict=True) if n >= 0], groups)
        for numbers in found
    ]


def _limited(limits: Limits) -> list[Measure]:
    measures: tuple[Measure, ...] = ("bytes", "ms", "macs")
    return [measure for measure in measures if math.isfinite(getattr(limits, measure))]


def _saved(tables: Tables, cell: Cell, measure: Measure) -> float:
    """The share of all layers' bytes, time or operations that is saved."""
    touched = {one.layer for one in cell.left}
    before = sum(getattr(layer, measure) for layer in tables.layers if layer.name in touched)
    whole = sum(getattr(layer, measure) for layer in tables.layers)
    return float((before - getattr(cell, measure)) / max(whole, 1e-12))


def _narrowed(tables: Tables, cells: Sequence[Cell], groups: Mapping[str, Sequence[Cell]]) -> _Narrowed:
    names = {id(cell): name for name, of_group in groups.items() for cell in of_group}
    before = {layer.name: layer.ms for layer in tables.layers}
    share: dict[str, float] = {}
    time: dict[str, float] = {}
    for left in (left for cell in cells for left in cell.left):
        share[left.layer] = share.get(left.layer, 1.0) * left.share
        time[left.layer] = time.get(left.layer, 1.0) * left.ms / max(before[left.layer], 1e-9)
    levels = {names[id(cell)]: cell.level for cell in cells}
    return _Narrowed(levels, sum(cell.loss for cell in cells), share, time)


# --- what else people ask ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """How small or fast the network can get, and what it then loses by the tables."""

    value: float
    loss: float


def reach(tables: Tables, techniques: Collection[str] = TECHNIQUES) -> dict[Measure, tuple[Point, Point, Point]]:
    """The smallest, the (geometric) middle and the largest number of bytes, and of milliseconds, with their losses."""
    found: dict[Measure, tuple[Point, Point, Point]] = {}
    measures: tuple[Measure, ...] = ("bytes", "ms")
    for measure in measures:
        largest = getattr(tables, f"other_{measure}") + sum(getattr(layer, measure) for layer in tables.layers)
        smallest = _smallest(tables, measure, techniques)
        middle = math.sqrt(getattr(smallest, measure) * largest)
        between = allocate(tables, Limits(**{measure: middle}), techniques)
        found[measure] = (
            Point(getattr(smallest, measure), smallest.loss),
            Point(middle, between.loss) if between else Point(largest, 0.0),
            Point(largest, 0.0),
        )
    return found


def _smallest(tables: Tables, measure: Measure, techniques: Collection[str]) -> Allocation:
    """The allocation that takes least, whatever it loses."""
    codes: list[str | None] = [None, *(name for name in CODES if name in techniques)]
    found = []
    limits = Limits(**{measure: 1.0})  # what is looked at when widths are priced
    for narrowed, code in itertools.product(_widths(tables, limits, techniques), codes):
        items = [list(_options(layer, narrowed, techniques, code)) for layer in tables.layers]
        if all(items):
            least = sum(min(getattr(one, measure) for one in options) for options in items)
            within = getattr(tables, f"other_{measure}") + least * (1 + 1e-6) + 1e-9
            allocation = _within(tables, Limits(**{measure: within}), narrowed, techniques, code)
            found += [allocation] if allocation is not None else []
    return min(found, key=lambda one: (getattr(one, measure), one.loss))


def steps_of(allocation: Allocation) -> list[dict[str, Any]]:
    """The allocation as a recipe's steps: the main setting that most layers have, and the levels of the others."""
    steps = []
    for technique, levels in allocation.levels.items():
        setting = SETTINGS[technique]
        number = int if setting in WHOLE else float
        main = FREE_LEVEL.get(technique)
        main = Counter(levels.values()).most_common(1)[0][0] if main is None else main
        if technique == "quantization" and "low_rank" in allocation.levels:
            main = FINEST_BITS
        named = [[name, number(level)] for name, level in sorted(levels.items()) if level != main]
        steps.append({"technique": technique, setting: number(main), "levels": named})
    return steps


def accuracy_at(tables: Tables, loss: float) -> float:
    """The accuracy (0 to 1) that networks of this loss have by the tables: it never rises with the loss.

    Between the cells' means, which are pooled until they fall (isotonic regression; Ayer et al., 1955).
    """
    from scipy import optimize

    cells = sorted((cell.loss, cell.accuracy) for layer in tables.layers for cell in layer.cells)
    losses = np.array([0.0, *(lost for lost, _ in cells)])
    values = optimize.isotonic_regression([tables.accuracy, *(value for _, value in cells)], increasing=False).x
    return float(np.interp(loss, losses, values))


FACTORS = np.geomspace(0.1, 10, 81)
"""Corrections that are looked at."""

PRIOR = 0.01
"""What a correction of e-fold costs, in accuracy squared: few measurements that scatter do not move it far."""


def correction(tables: Tables, measured: Sequence[tuple[float, float]]) -> float:
    """What predicted losses are to be multiplied by, given (predicted loss, measured accuracy) of measured settings.

    The factor with which `accuracy_at` comes nearest to what was measured; 1 without any.
    """
    errors = [
        sum((accuracy_at(tables, factor * loss) - accuracy) ** 2 for loss, accuracy in measured)
        + PRIOR**2 * math.log(factor) ** 2
        for factor in FACTORS
    ]
    return float(FACTORS[int(np.argmin(errors))])


def corrected(tables: Tables, loss: float, measured: Sequence[tuple[float, float]]) -> float:
    """The accuracy (0 to 1) to expect of a setting of this predicted loss, given what others turned out to have."""
    return accuracy_at(tables, correction(tables, measured) * loss)
