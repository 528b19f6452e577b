"""What a person wants: limits, what is to be best within them, and the minutes to spend. Torch-free."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from compression import units
from compression.errors import InvalidRecipe
from compression.search.limits import LIMITS, NO_LIMITS, TARGETS, Limits, Target, usual_target

MINUTES = 0.1, 24 * 60.0
"""Fewest and most to spend on a search."""


@dataclass(frozen=True)
class Wish:
    """Raises `InvalidRecipe` where a number is out of its range."""

    limits: Limits = NO_LIMITS
    target: Target = "accuracy"
    minutes: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        for field, most in self.limits.asked.items():
            limit = LIMITS[field]
            if not limit.least <= most <= limit.most:
                raise InvalidRecipe(f"{limit.option} must be from {limit.least:g} to {limit.most:,.0f}, not {most:g}.")
        if not MINUTES[0] <= self.minutes <= MINUTES[1]:
            raise InvalidRecipe(f"Minutes must be from {MINUTES[0]:g} to {MINUTES[1]:g}, but are {self.minutes:g}.")

    @property
    def words(self) -> str:
        """'the smallest file (at most 0.5 points lost), in 5 minutes'."""
        within = f" ({self.limits.words})" if self.limits.are_set else ""
        return f"{TARGETS[self.target]}{within}, in {units.counted(self.minutes, 'minute')}"

    def to_json(self) -> str:
        """As `wish_from` reads it."""
        return json.dumps(asdict(self), separators=(",", ":"))


def wish_from(text: str) -> Wish:
    """The wish that `to_json` wrote. Raises ValueError where another version of this program wrote it."""
    content: dict[str, Any] = json.loads(text)
    try:
        return Wish(**content | {"limits": Limits(**content["limits"])})
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a wish of this version: {error}") from error


def wish_for(limits: Limits, target: Target | None = None, minutes: float = 5.0, seed: int = 0) -> Wish:
    """A wish, where the target may be left to what the limits suggest."""
    return Wish(limits, target or usual_target(limits), minutes, seed)
