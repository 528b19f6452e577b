"""What the rules look at, and what they find. Torch-free."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from compression import units
from compression.errors import InvalidRecipe
from compression.inquiries.anatomy import Anatomy, LayerRow
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.steps import ChannelPruning, Step, technique_of
from compression.results.record import Result

Question = Literal["size", "speed"]

NAMED = 3
"""Layers that are named in a sentence."""

SPARSE = {"magnitude_pruning", "second_order_pruning"}
"""Techniques that set single weights to zero."""


@dataclass(frozen=True)
class Finding:
    """One rule on one result. `fired`: it is a cause. `measured` and `remedy` are sentences."""

    title: str
    fired: bool
    measured: str
    remedy: str
    recipe: Recipe | None = None


@dataclass(frozen=True)
class Evidence:
    """What rules look at."""

    result: Result
    anatomy: Anatomy

    @property
    def recipe(self) -> Recipe:
        """The result's recipe."""
        return Recipe.model_validate(self.result.recipe)

    @property
    def layers(self) -> tuple[LayerRow, ...]:
        """The result's layers."""
        return self.anatomy.subject.layers

    def has(self, kind: type[Step]) -> bool:
        """Whether the recipe has a step of this kind."""
        return any(isinstance(step, kind) for step in self.recipe.steps)

    def with_step(self, kind: type[Step], **settings: Any) -> Recipe | None:  # noqa: ANN401  (settings of any type)
        """The recipe with these settings in its step of this kind, or with such a step more; None if that is none."""
        steps = [step.model_dump(mode="json") for step in self.recipe.steps]
        name = technique_of(kind)
        if any(step["technique"] == name for step in steps):
            changed = [{**step, **settings} if step["technique"] == name else step for step in steps]
            return self._first_legal([changed])
        places = range(len(steps) + 1) if kind is ChannelPruning else range(len(steps), -1, -1)
        new = {"technique": name, **settings}
        return self._first_legal([[*steps[:place], new, *steps[place:]] for place in places])

    def channels_instead(self) -> Recipe | None:
        """The recipe with half of the channels removed in place of single weights."""
        kept = [step for step in self.recipe.steps if step.technique not in SPARSE]
        result = self.result.model_copy(update={"recipe": {**self.result.recipe, "steps": kept}})
        return replace(self, result=result).with_step(ChannelPruning, pruning_ratio=0.5)

    def _first_legal(self, choices: Iterable[list[dict[str, Any]]]) -> Recipe | None:
        for steps in choices:
            with contextlib.suppress(InvalidRecipe):
                made = make_recipe(self.recipe.model, steps, self.recipe.seed)
                return made if made != self.recipe else None
        return None


@dataclass(frozen=True)
class Rule:
    """A possible cause. `look` tries it on layers and nodes.

    `short` says it in sentences from a result's row alone, none where that is no cause. Where it is None, the rule
    needs the layers.
    """

    look: Callable[[Evidence], Finding]
    short: Callable[[Recipe, Result], Iterable[str]] | None = None


def percent(share: float) -> str:
    """'62 %'; '0.4 %' for less than one."""
    return f"{units.percent(share, 0 if share == 0 or share >= 0.01 else 1)} %"


def named(names: Sequence[str]) -> str:
    """' (conv1, conv2, conv3, …)', or nothing."""
    return f" ({', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''})" if names else ""
