"""Levels of single layers: what a step asks of each layer of a network."""

from __future__ import annotations

from collections.abc import Iterable

from compression.errors import NotApplicable
from compression.recipe.steps import ByLayer

NAMED = 6
"""Names of layers in a refusal; networks may have hundreds."""


def levels_of(step: ByLayer, layers: Iterable[str]) -> dict[str, float]:
    """The level of each of these `layers`, in their order: its own one, or that of the step.

    `layers` are those that the step works on. Raises `NotApplicable` where the step names another one.
    """
    own, here = dict(step.levels), list(layers)
    for name in sorted(own.keys() - set(here)):
        more = f" and {len(here) - NAMED} more" if len(here) > NAMED else ""
        raise NotApplicable(
            f"There is a level for the layer {name!r}, but in this network {step.technique} works on no layer of that "
            f"name. Those that it works on: {', '.join(here[:NAMED])}{more}."
        )
    return {name: own.get(name, step.level) for name in here}
