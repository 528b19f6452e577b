"""Which layer gets which level of which technique, so that the predictions move least within limits. Torch-free.

Losses of layers, and of techniques in one layer, are taken to add up: a Kullback-Leibler divergence is quadratic in
small changes, and those of different layers hardly know of each other (Dong et al., HAWQ-V2, 2020). What that misses is
told by settings that were measured, see `by_layer`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compression.inquiries.layer_tables import FREE_LEVEL, LEVELS, Cell, LayerTable, Tables
from compression.knapsack import choose
from compression.recipe.recipe import Recipe, make_recipe
from compression.search.front import nondominated

TECHNIQUES = ("channel_pruning", "low_rank", "magnitude_pruning", "weight_sharing", "quantization")
"""In the order in which steps come."""

CODES = ("quantization", "weight_sharing")
"""What gives every layer codes: a recipe has one of them at most."""

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
    widths = _widths(tables, limits, techniques)
    left = limits.bytes - tables.other_bytes, limits.ms - tables.other_ms, limits.macs
    found = []
    for items, narrowed in itertools.product(_items(tables, techniques), widths if min(left) >= 0 else ()):
        costs = _costs(tables, items, narrowed)
        chosen = choose([[*map(tuple, rows)] for rows in costs], left)
        if chosen is not None:
            found.append(_allocation(tables, narrowed, items, costs, chosen))
    return min(found, key=lambda one: (one.loss, one.bytes), default=None)


def _items(tables: Tables, techniques: Collection[str]) -> Iterator[list[list[_Option]]]:
    """Each layer's options, without codes, and with each kind of codes that goes with every layer."""
    for code in (None, *(name for name in CODES if name in techniques)):
        items = [list(_options(layer, techniques, code)) for layer in tables.layers]
        if all(items):
            yield items


def _costs(tables: Tables, items: Sequence[Sequence[_Option]], narrowed: _Narrowed) -> list[NDArray[np.float64]]:
    """Loss, bytes, ms and MACs of each layer's options (options x 4), once channels are gone."""
    found = []
    for layer, options in zip(tables.layers, items, strict=True):
        share, time = narrowed.share.get(layer.name, 1.0), narrowed.time.get(layer.name, 1.0)
        rows = [(one.loss, share * one.bytes, time * one.ms, share * one.macs) for one in options]
        found.append(np.array(rows))
    return found


def _allocation(
    tables: Tables,
    narrowed: _Narrowed,
    items: Sequence[Sequence[_Option]],
    costs: Sequence[NDArray[np.float64]],
    chosen: Sequence[int],
) -> Allocation:
    levels: dict[str, dict[str, float]] = {"channel_pruning": dict(narrowed.levels)}
    for layer, options, number in zip(tables.layers, items, chosen, strict=True):
        for technique, level in options[number].levels.items():
            levels.setdefault(technique, {})[layer.name] = level
    loss, size, ms, macs = np.sum([rows[number] for rows, number in zip(costs, chosen, strict=True)], axis=0).tolist()
    return Allocation(
        levels={technique: levels[technique] for technique in TECHNIQUES if levels.get(technique)},
        bytes=tables.other_bytes + size,
        ms=tables.other_ms + ms,
        macs=macs,
        loss=narrowed.loss + loss,
    )


# --- one layer ---------------------------------------------------------------------------------------------------


def _options(layer: LayerTable, techniques: Collection[str], code: str | None) -> Iterator[_Option]:
    """What may be done with one layer that keeps its channels; where there are codes, every option has some."""
    zeros = layer.of("magnitude_pruning") if "magnitude_pruning" in techniques else ()
    ranks = layer.of("low_rank") if "low_rank" in techniques else ()
    coded: Sequence[Cell | None] = layer.of(code) if code else [None]
    both = {(one.zeros, one.technique, one.level): one.bytes for one in layer.both}

    def option(cells: Sequence[Cell | None], size: float, ms: float, macs: float) -> _Option:
        there = [cell for cell in cells if cell is not None]
        levels = {cell.technique: cell.level for cell in there}
        return _Option(levels, sum(cell.loss for cell in there), size, ms, macs)

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

PRICES = np.array(list(itertools.product((0.0, *np.geomspace(1e-4, 1e4, 49)), (0.0, *np.geomspace(1e-3, 10, 5)))))
"""Loss that may be paid for one network's worth of bytes, and of milliseconds."""


def frontier(tables: Tables, techniques: Collection[str] = TECHNIQUES) -> list[Allocation]:
    """From the network as it is to the smallest and the fastest: what loses least at some price of bytes and of time.

    At these prices none with the same channels is better (Everett, 1963); between them `allocate` may know one that
    takes and loses a little less. None of these beats another. It takes a hundredth of the time that asking `allocate`
    for each would.
    """
    whole = original(tables, "bytes"), original(tables, "ms")
    priced = np.column_stack([np.ones(len(PRICES)), PRICES / whole, np.zeros(len(PRICES))])
    widths = _widths(tables, Limits(bytes=1.0, ms=1.0), techniques)
    found, goals = [], []
    for items, narrowed in itertools.product(_items(tables, techniques), widths):
        costs = _costs(tables, items, narrowed)
        best = np.array([(priced @ rows.T).argmin(axis=1) for rows in costs])
        chosen = np.array([*set(map(tuple, best.T.tolist()))])
        taken = sum(rows[numbers] for rows, numbers in zip(costs, chosen.T, strict=True))
        found += [(narrowed, items, costs, numbers) for numbers in chosen]
        goals += [taken[:, :3] + (narrowed.loss, 0, 0)]
    beaten_by_none = np.flatnonzero(nondominated(np.vstack(goals)))
    return [_allocation(tables, *found[number]) for number in beaten_by_none]


def original(tables: Tables, measure: Measure) -> float:
    """What the network as it is takes."""
    return float(getattr(tables, f"other_{measure}", 0.0) + sum(getattr(layer, measure) for layer in tables.layers))


def steps_of(allocation: Allocation) -> list[dict[str, Any]]:
    """The allocation as a recipe's steps: the main setting that most layers have, and the levels of the others."""
    steps = []
    for technique, levels in allocation.levels.items():
        setting = SETTINGS[technique]
        number = int if setting in WHOLE else float
        main = FREE_LEVEL.get(technique)
        if technique in CODES and "low_rank" in allocation.levels:
            main = LEVELS[technique][0]  # for the factors, which have names of their own: hardly anything is lost
        main = Counter(levels.values()).most_common(1)[0][0] if main is None else main
        named = [[name, number(level)] for name, level in sorted(levels.items()) if level != main]
        steps.append({"technique": technique, setting: number(main), "levels": named})
    return steps


def recipe_of(model: str, allocation: Allocation) -> Recipe:
    """The allocation as a recipe; which weights become zero goes by their second-order effect, which costs less."""
    steps = steps_of(allocation)
    for step in steps:
        if step["technique"] == "magnitude_pruning":
            step["technique"] = "second_order_pruning"
    return make_recipe(model, steps)


def accuracy_at(tables: Tables, losses: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """The accuracy (0 to 1) that networks of each loss have by the tables: it never rises with the loss."""
    return np.asarray(np.interp(np.asarray(losses), *_curve(tables)))


@functools.lru_cache(maxsize=8)
def _curve(tables: Tables) -> tuple[list[float], list[float]]:
    """Losses and accuracies of all cells, pooled until they fall (isotonic regression; Ayer et al., 1955)."""
    cells = sorted((cell.loss, cell.accuracy) for layer in tables.layers for cell in layer.cells)
    return [0.0, *(lost for lost, _ in cells)], _falling([tables.accuracy, *(value for _, value in cells)])


def _falling(values: Sequence[float]) -> list[float]:
    """Neighbours that rise become their mean; `scipy.optimize` knows that too, and takes a second to import."""
    pooled: list[tuple[float, int]] = []
    for value in values:
        mean, count = value, 1
        while pooled and pooled[-1][0] < mean:
            before, more = pooled.pop()
            mean, count = (mean * count + before * more) / (count + more), count + more
        pooled.append((mean, count))
    return [mean for mean, count in pooled for _ in range(count)]
