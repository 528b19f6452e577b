"""What the Explore page shows, and how a link says it. Torch-free.

A link carries `model`, `recipe` (JSON without the model) and, where it is not `none`, `budget`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compression.errors import InvalidRecipe
from compression.recipe import Recipe, parse_recipe
from compression.sweeps import BUDGETS, Budget, Settings, nearest_settings, recipe_of, settings_of
from sample_models.catalogue import find_model

DEFAULT_MODEL = "lenet5-mnist5k"
"""Measured within seconds, and its curves differ much: half its weights go without harm."""


@dataclass(frozen=True)
class View:
    """A model and the controls' position; `custom` is a recipe that the controls cannot express."""

    model: str = DEFAULT_MODEL
    settings: Settings = field(default_factory=Settings)
    custom: Recipe | None = None

    @property
    def recipe(self) -> Recipe:
        """What is shown and measured."""
        return self.custom or recipe_of(self.model, self.settings)


def view_of(recipe: Recipe, budget: Budget = "none") -> View:
    """The view that shows a recipe; `budget` decides where the recipe alone leaves it open."""
    settings = settings_of(recipe, budget)
    if settings is not None:
        return View(recipe.model, settings)
    return View(recipe.model, nearest_settings(recipe), custom=recipe)


def parameters_of(view: View) -> dict[str, str]:
    """The query parameters of a view."""
    content = json.loads(view.recipe.to_short_json())
    del content["model"]
    parameters = {"model": view.model, "recipe": json.dumps(content, separators=(",", ":"))}
    return parameters if view.settings.budget == "none" else {**parameters, "budget": view.settings.budget}


def view_from(parameters: Mapping[str, str]) -> View:
    """Read a link's query parameters, any of which may be missing.

    Raises `UnknownModel` or `InvalidRecipe`, naming the value and what to do.
    """
    content = _recipe_content(parameters.get("recipe", '{"steps":[]}'))
    model = parameters.get("model") or content.get("model") or DEFAULT_MODEL
    find_model(str(model))
    if content.get("model", model) != model:
        raise InvalidRecipe(
            f"The link names two models, {model!r} and in its recipe {content['model']!r}. Remove one of them."
        )
    return view_of(parse_recipe(json.dumps({**content, "model": model})), _budget(parameters.get("budget", "none")))


def _recipe_content(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRecipe(
            f"The link's recipe cannot be read as JSON ({error}): {text[:80]!r}. Copy the whole link again."
        ) from error
    if isinstance(content, list):
        return {"steps": content}
    if not isinstance(content, dict):
        raise InvalidRecipe(f'The link\'s recipe must look like {{"steps": [...]}}, but is {text[:80]!r}.')
    return content


def _budget(text: str) -> Budget:
    for budget in BUDGETS:
        if text == budget:
            return budget
    raise InvalidRecipe(f"The link's budget must be none, quick or thorough, but is {text[:80]!r}.")
