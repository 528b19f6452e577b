"""What the rules look at, and what they find. Torch-free."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from compression.errors import InvalidRecipe
from compression.inquiries.anatomy import Anatomy, LayerRow
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.steps import ChannelPruning, Data, Step, WeightPruning, technique_of
from compression.results.record import Result

Question = Literal["size", "speed"]

NAMED = 3
"""Layers that are named in a sentence."""

S = TypeVar("S", bound=Data)


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
        return self.result.parsed_recipe

    @property
    def layers(self) -> tuple[LayerRow, ...]:
        """The result's layers."""
        return self.anatomy.subject.layers

    def step(self, kind: type[S]) -> S | None:
        """The recipe's first step of this kind; None where it has none."""
        return next((step for step in self.recipe.steps if isinstance(step, kind)), None)

    def with_step(self, kind: type[Step], **settings: Any) -> Recipe | None:  # noqa: ANN401  (settings of any type)
        """The recipe with these settings in its step of this kind, or with such a step more; None if that is none."""
        return _with_step(self.recipe, kind, settings)

    def changed(self, kind: type[Step], **settings: Any) -> Recipe | None:  # noqa: ANN401  (settings of any type)
        """The recipe with these settings in its step of this kind; None where it has no such step."""
        return self.with_step(kind, **settings) if self.step(kind) else None

    def channels_instead(self) -> Recipe | None:
        """The recipe with half of the operations removed in place of single weights.

        `benchmarks/techniques.md`: on every sample model about as accurate as 80 % zeros, and faster or as fast.
        """
        kept = tuple(step for step in self.recipe.steps if not isinstance(step, WeightPruning))
        half = {"pruning_ratio": 0.5, "target": "macs"}
        return _with_step(self.recipe.model_copy(update={"steps": kept}), ChannelPruning, half)


def _with_step(recipe: Recipe, kind: type[Step], settings: dict[str, Any]) -> Recipe | None:
    steps, name = [step.model_dump(mode="json") for step in recipe.steps], technique_of(kind)
    places = range(len(steps) + 1) if kind is ChannelPruning else range(len(steps), -1, -1)
    choices = [[*steps[:place], {"technique": name, **settings}, *steps[place:]] for place in places]
    if any(isinstance(step, kind) for step in recipe.steps):
        choices = [[{**step, **settings} if step["technique"] == name else step for step in steps]]
    for choice in choices:
        with contextlib.suppress(InvalidRecipe):
            made = make_recipe(recipe.model, choice, recipe.seed)
            return made if made != recipe else None
    return None


@dataclass(frozen=True)
class Rule:
    """A possible cause. `look` tries it on layers and nodes.

    `short` says it in sentences from a result's row alone, none where that is no cause. Where it is None, the rule
    needs the layers.
    """

    look: Callable[[Evidence], Finding]
    short: Callable[[Recipe, Result], Iterable[str]] | None = None


def named(names: Sequence[str]) -> str:
    """' (conv1, conv2, conv3, …)', or nothing."""
    return f" ({', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''})" if names else ""
