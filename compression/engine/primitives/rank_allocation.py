"""Spend a number of parameters on layers where they lower the sum of errors most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple


class Choice(NamedTuple):
    """One row of a layer's error table; `ranks` is None where the layer stays as it is."""

    ranks: tuple[int, ...] | None
    params: int
    error: float


def cheapest_errors(table: Mapping[str, Sequence[Choice]], budget: int) -> dict[str, Choice]:
    """For each layer the choice that makes the sum of errors small within `budget` parameters in all.

    Walks down the lower convex hulls of all layers' tables, the flattest step first (the solution of the
    Lagrangian; Shoham and Gersho, 1988), then spends what the last step left over. Each layer's cheapest
    choices together must be within the budget.
    """
    hulls = {name: _hull(choices) for name, choices in table.items()}
    chosen = {name: hull[0] for name, hull in hulls.items()}
    steps = [
        (_slope(larger, smaller), name, smaller) for name, hull in hulls.items() for larger, smaller in pairwise(hull)
    ]
    for _, name, smaller in sorted(steps, key=lambda step: step[0]):
        if _total(chosen) <= budget:
            break
        chosen[name] = smaller
    return _spend_rest(table, chosen, budget)


def _total(chosen: Mapping[str, Choice]) -> int:
    return sum(choice.params for choice in chosen.values())


def _slope(larger: Choice, smaller: Choice) -> float:
    """Error for each parameter that is saved."""
    return (smaller.error - larger.error) / (larger.params - smaller.params)


def _hull(choices: Sequence[Choice]) -> list[Choice]:
    """The corners of the lower convex hull, from most to fewest parameters; slopes rise along it."""
    hull: list[Choice] = []
    for choice in sorted(choices, key=lambda choice: (-choice.params, choice.error)):
        if hull and choice.params == hull[-1].params:
            continue
        while hull and choice.error <= hull[-1].error:
            hull.pop()
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-2], choice):
            hull.pop()
        hull.append(choice)
    return hull


def _spend_rest(table: Mapping[str, Sequence[Choice]], chosen: dict[str, Choice], budget: int) -> dict[str, Choice]:
    """Take the best better choice that is within the budget, as long as there is one."""
    while True:
        rest = budget - _total(chosen)
        better = [
            (chosen[name].error - choice.error, name, choice)
            for name, choices in table.items()
            for choice in choices
            if choice.error < chosen[name].error and choice.params - chosen[name].params <= rest
        ]
        if not better:
            return chosen
        _, name, choice = max(better, key=lambda gain: gain[0])
        chosen = chosen | {name: choice}
