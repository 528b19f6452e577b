"""One option for each of several items, with the least sum of losses within limits on sums of costs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Options = Sequence[tuple[float, ...]]
"""Of one item: its loss and then its costs, one for each limit."""

GAP = 0.01
"""How far above the least possible loss the answer may lie, as a share of it: measured losses are less exact."""

MOST_TRIED = 1_000_000
"""Combinations of the options of items that the relaxed solution leaves open."""

Floats = NDArray[np.float64]


def choose(items: Sequence[Options], limits: Sequence[float], gap: float = GAP) -> list[int] | None:
    """The number of each item's option; None where no choice is within all `limits` (infinity: no limit).

    A multiple-choice knapsack with several limits (Kellerer, Pferschy and Pisinger, "Knapsack problems", 2004, chapters
    9 and 11). Its relaxation, a linear program, leaves no more items undecided than there are limits: all options of
    these are tried. Where that is not within `gap` of the relaxation's loss, which nothing can beat, an integer program
    finds what is, among the options that the relaxation does not rule out. Costs and losses are 0 or more.
    """
    kept = [_undominated(np.array(options, float)) for options in items]
    problem = _problem([np.array(options, float)[which] for options, which in zip(items, kept, strict=True)], limits)
    relaxed = problem.relaxed()
    if relaxed is None:
        return None
    found = problem.rounded(relaxed.shares)
    room = np.inf if found is None else problem.loss(found) - relaxed.loss
    if room > gap * relaxed.loss + 1e-12:
        core = [np.flatnonzero(extra <= room) for extra in relaxed.extra]
        within = problem.only(core).exact(gap)
        if within is not None:
            found = [int(which[number]) for which, number in zip(core, within, strict=True)]
    return None if found is None else [int(which[number]) for which, number in zip(kept, found, strict=True)]


def _undominated(options: Floats) -> NDArray[np.int64]:
    """Options that no other one beats or equals in everything; of equal ones the first."""
    no_worse = (options[:, None] <= options[None]).all(axis=2)
    equal = no_worse & no_worse.T
    earlier = np.tri(len(options), k=-1, dtype=bool).T
    return np.flatnonzero(~((no_worse & ~equal) | (equal & earlier)).any(axis=0))


def _problem(items: Sequence[Floats], limits: Sequence[float]) -> _Problem:
    """Without limits that are none, and the others scaled to 1."""
    real = np.flatnonzero(np.isfinite(limits))
    within = np.asarray(limits, float)[real]
    scale = np.maximum(np.abs(within), max(float(item[:, 1:].max(initial=0)) for item in items) * 1e-9)
    scale = np.where(scale > 0, scale, 1.0)
    costs = [item[:, 1 + real] / scale for item in items]
    return _Problem([item[:, 0] for item in items], costs, within / scale)


@dataclass(frozen=True)
class _Relaxed:
    """Of the relaxation: its loss, and by item each option's share and by how much choosing it would raise the loss."""

    loss: float
    shares: Sequence[Floats]
    extra: Sequence[Floats]


@dataclass(frozen=True)
class _Problem:
    """Losses (options) and costs (options x limits) of each item."""

    losses: Sequence[Floats]
    costs: Sequence[Floats]
    limits: Floats

    def loss(self, chosen: Sequence[int]) -> float:
        """The sum."""
        return float(sum(item[number] for item, number in zip(self.losses, chosen, strict=True)))

    def only(self, kept: Sequence[NDArray[np.int64]]) -> _Problem:
        """With these options of each item."""
        losses, costs = (
            [item[which] for item, which in zip(all_items, kept, strict=True)]
            for all_items in (self.losses, self.costs)
        )
        return _Problem(losses, costs, self.limits)

    def relaxed(self) -> _Relaxed | None:
        """If items could be divided among options; None where even then nothing is possible."""
        from scipy import optimize

        losses, costs, one_each = self._matrices()
        limited = {"A_ub": costs, "b_ub": self.limits} if len(self.limits) else {}
        found = optimize.linprog(losses, A_eq=one_each, b_eq=np.ones(len(self.losses)), method="highs-ds", **limited)
        if found.x is None:
            return None
        return _Relaxed(float(found.fun), self._by_item(found.x), self._by_item(found.lower.marginals))

    def rounded(self, shares: Sequence[Floats]) -> list[int] | None:
        """Each item's whole option, and for divided ones the best there are; None where none of these is within."""
        chosen = [int(share.argmax()) for share in shares]
        open_items = [number for number, share in enumerate(shares) if share.max() < 1 - 1e-6]
        left = (
            self.limits
            + 1e-9
            - sum(
                (self.costs[number][which] for number, which in enumerate(chosen) if number not in open_items),
                np.zeros(len(self.limits)),
            )
        )
        while open_items and np.prod([len(self.losses[number]) for number in open_items]) > MOST_TRIED:
            left = left - self.costs[open_items[0]][chosen[open_items[0]]]
            open_items = open_items[1:]
        loss, cost = np.zeros(1), np.zeros((1, len(self.limits)))
        for number in open_items:
            loss = (loss[:, None] + self.losses[number]).reshape(-1)
            cost = (cost[:, None] + self.costs[number]).reshape(len(loss), -1)
        loss = np.where((cost <= left).all(axis=1), loss, np.inf)
        if not np.isfinite(loss.min()):
            return None
        best = np.unravel_index(int(loss.argmin()), [len(self.losses[number]) for number in open_items] or (1,))
        for number, which in zip(open_items, best, strict=False):
            chosen[number] = int(which)
        return chosen

    def exact(self, gap: float) -> list[int] | None:
        """By an integer program; None where nothing is possible."""
        from scipy import optimize

        losses, costs, one_each = self._matrices()
        rules = [optimize.LinearConstraint(one_each, 1, 1)]
        if len(self.limits):
            rules.append(optimize.LinearConstraint(costs, -np.inf, self.limits))
        found = optimize.milp(
            losses / max(losses.max(), np.finfo(float).tiny),
            constraints=rules,
            integrality=np.ones(len(losses)),
            bounds=optimize.Bounds(0, 1),
            options={"mip_rel_gap": gap},
        )
        return None if found.x is None else [int(part.argmax()) for part in self._by_item(found.x)]

    def _matrices(self) -> tuple[Floats, Floats, Floats]:
        """All losses, costs (limits x options), and which options are of which item (items x options)."""
        owner = np.repeat(np.arange(len(self.losses)), [len(item) for item in self.losses])
        one_each = (owner == np.arange(len(self.losses))[:, None]).astype(float)
        return np.concatenate(self.losses), np.concatenate(self.costs).T, one_each

    def _by_item(self, values: Floats) -> list[Floats]:
        ends = itertools.accumulate((len(item) for item in self.losses), initial=0)
        return [values[start:stop] for start, stop in itertools.pairwise(ends)]
