"""Levels of single layers: what a step asks of each layer of a network."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from compression.errors import NotApplicable
from compression.recipe.steps import ByLayer

NAMED = 6
"""Names of layers in a refusal; networks may have hundreds."""


def levels_of(step: ByLayer, layers: Iterable[str], others: Collection[str] = (), idle: float = 0) -> dict[str, float]:
    """The level of each of these `layers`, in their order: its own one, or that of the step.

    `layers` are those that the step works on. Raises `NotApplicable` where the step names another one, unless that is
    one of `others`, which it leaves alone, at the level `idle`, which does nothing.
    """
    own, here = dict(step.levels), list(layers)
    allowed = {*here, *(name for name in others if own.get(name) == idle)}
    for name in sorted(own.keys() - allowed):
        more = f" and {len(here) - NAMED} more" if len(here) > NAMED else ""
        raise NotApplicable(
            f"There is a level for the layer {name!r}, but in this network {step.technique} works on no layer of that "
            f"name. Those that it works on: {', '.join(here[:NAMED])}{more}."
        )
    return {name: own.get(name, step.level) for name in here}
