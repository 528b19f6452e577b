"""Recipes: a model, ordered steps and a seed, validated at the door. Torch-free.

Written as JSON:

    {"model": "lenet5-mnist5k", "seed": 0,
     "steps": [{"technique": "channel_pruning", "pruning_ratio": 0.5},
               {"technique": "fine_tuning", "epochs": 2},
               {"technique": "quantization", "weight_bits": 4, "activation_bits": 8}]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import Field, ValidationError, model_validator

from compression.errors import InvalidRecipe
from compression.recipe.steps import STEP_TYPES, AnyStep, Data, Step

T = TypeVar("T")

MAX_STEPS = 20
"""More steps than anyone needs; a limit all the same, since recipes come in from links."""


class Recipe(Data):
    """A model, the steps to take in order, and a seed for everything random in them."""

    model: str = Field(min_length=1, max_length=100)
    steps: tuple[AnyStep, ...] = Field(default=(), max_length=MAX_STEPS)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _legal_order(self) -> Recipe:
        done: list[str] = []
        for number, step in enumerate(self.steps, 1):
            if "entropy_coding" in done:
                raise ValueError(f"step {number} ({step.technique}) comes after entropy_coding, which must be last")
            for forbidden, reason in _ILLEGAL_AFTER.get(step.technique, {}).items():
                if forbidden in done:
                    raise ValueError(f"step {number} ({step.technique}) cannot come after {forbidden}: {reason}")
            done.append(step.technique)
        return self

    @property
    def is_baseline(self) -> bool:
        """No steps: the model as it is."""
        return not self.steps

    @property
    def recipe_id(self) -> str:
        """16 hexadecimal digits, the same for the same recipe with defaults written out or not."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Canonical JSON: every setting written out but levels that no layer has, keys sorted, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def to_short_json(self) -> str:
        """JSON without settings that have their default value: for links and files that people read."""
        steps = [{"technique": step.technique, **step.model_dump(exclude_defaults=True)} for step in self.steps]
        return json.dumps({"model": self.model, "seed": self.seed, "steps": steps}, separators=(",", ":"))

    def baseline(self) -> Recipe:
        """The recipe this one is compared with: the same model, nothing done."""
        return Recipe(model=self.model, steps=(), seed=0)


_RANGES = "its ranges were fitted to the network as it was; put it before quantization"
_CODEBOOK = "weights share values that were fitted to the network as it was; put it before weight sharing"
_STUDENT = "a student is a new network and would throw that work away; put the student first"
_SHAPES = "that would change the layers which were made sparse, and the zeros would be lost; put it first"
_GRIDS = {"quantization": _RANGES, "weight_sharing": _CODEBOOK}
_SPARSE = {"magnitude_pruning": _SHAPES, "second_order_pruning": _SHAPES}
_ILLEGAL_AFTER: dict[str, dict[str, str]] = {
    **dict.fromkeys(
        ("distillation", "slimmable_student"),
        dict.fromkeys(STEP_TYPES, _STUDENT)
        | {"distillation": "one student is enough", "slimmable_student": "one student is enough"},
    ),
    "layer_tying": {**_GRIDS, **_SPARSE},
    "depthwise_separable": {**_GRIDS, **_SPARSE},
    "low_rank": {**_GRIDS, **_SPARSE},
    "channel_pruning": _GRIDS,
    "magnitude_pruning": _GRIDS,
    "second_order_pruning": _GRIDS,
    "weight_sharing": {
        "weight_sharing": "weights share values already",
        "quantization": "weights are on a grid already",
    },
    "quantization": {
        "quantization": "weights are on a grid already",
        "weight_sharing": "weights share values already; leave one of the two out",
    },
}


def parse_recipe(text: str | bytes) -> Recipe:
    """Read a recipe from JSON; raises `InvalidRecipe` naming the place, the value and the remedy."""
    if len(text) > 100_000:
        raise InvalidRecipe(f"This recipe has {len(text):,} characters; a recipe has at most 100,000.")
    return _validated(lambda: Recipe.model_validate_json(text))


def make_recipe(model: str, steps: list[dict[str, Any]] | list[Step], seed: int = 0) -> Recipe:
    """Build a recipe from plain values; raises `InvalidRecipe` like `parse_recipe`."""
    return _validated(lambda: Recipe.model_validate({"model": model, "steps": steps, "seed": seed}))


def parse_sweep(text: str | bytes) -> tuple[Recipe, ...]:
    """Read a sweep file, `{"recipes": [RECIPE, ...]}`; raises `InvalidRecipe`."""
    return _validated(lambda: _Sweep.model_validate_json(text)).recipes


class _Sweep(Data):
    recipes: tuple[Recipe, ...] = Field(min_length=1, max_length=10_000)


def _validated(build: Callable[[], T]) -> T:
    try:
        return build()
    except ValidationError as error:
        raise InvalidRecipe(_explain(error)) from error


def _explain(error: ValidationError) -> str:
    """One line for each mistake: where, what is wrong, what was given."""
    lines = []
    for mistake in error.errors(include_url=False)[:5]:
        place = ".".join(str(part) for part in mistake["loc"] if part not in STEP_TYPES) or "recipe"
        given = mistake.get("input")
        shown = f", but got {given!r}" if isinstance(given, int | float | str | bool) and len(str(given)) < 80 else ""
        lines.append(f"{place}: {mistake['msg'].removeprefix('Value error, ')}{shown}")
    return "Not a valid recipe. " + "; ".join(lines) + "."
