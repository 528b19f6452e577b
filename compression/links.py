"""What the Explore page shows, and how a link says it. Torch-free.

A link carries `model`, `recipe` (JSON without the model), `budget` where it is not `none`, and `curves`
(names with commas between) where others than the default ones are shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compression.errors import InvalidRecipe
from compression.recipe import Recipe, parse_recipe
from compression.schooling import BUDGETS, Budget
from compression.settings import Settings, nearest_settings, neutral_settings, recipe_of, settings_of
from compression.sweeps import CURVES, DEFAULT_CURVES, Curve
from sample_models.catalogue import find_model

_NO_CURVES = "none"
DEFAULT_MODEL = "lenet5-mnist5k"
"""Measured within seconds, and its curves differ much: half its weights go without harm."""


@dataclass(frozen=True)
class View:
    """A model, the controls' position and the curves shown beside it.

    `custom` is a recipe that the controls cannot express.
    """

    model: str = DEFAULT_MODEL
    settings: Settings = field(default_factory=lambda: neutral_settings(DEFAULT_MODEL))
    custom: Recipe | None = None
    curves: tuple[Curve, ...] = DEFAULT_CURVES

    @property
    def recipe(self) -> Recipe:
        """What is shown and measured."""
        return self.custom or recipe_of(self.model, self.settings)


def view_of(recipe: Recipe, budget: Budget = "none", curves: tuple[Curve, ...] = DEFAULT_CURVES) -> View:
    """The view that shows a recipe; `budget` decides where the recipe alone leaves it open."""
    settings = settings_of(recipe, budget)
    if settings is not None:
        return View(recipe.model, settings, curves=curves)
    return View(recipe.model, nearest_settings(recipe), custom=recipe, curves=curves)


def parameters_of(view: View) -> dict[str, str]:
    """The query parameters of a view."""
    content = json.loads(view.recipe.to_short_json())
    del content["model"]
    parameters = {"model": view.model, "recipe": json.dumps(content, separators=(",", ":"))}
    if view.settings.budget != "none":
        parameters["budget"] = view.settings.budget
    if view.curves != DEFAULT_CURVES:
        parameters["curves"] = ",".join(view.curves) or _NO_CURVES
    return parameters


def view_from(parameters: Mapping[str, str]) -> View:
    """Read a link's query parameters, any of which may be missing.

    Raises `UnknownModel` or `InvalidRecipe`, naming the value and what to do.
    """
    recipe = recipe_from(parameters.get("recipe", '{"steps":[]}'), parameters.get("model"))
    curves = _curves(parameters["curves"]) if "curves" in parameters else DEFAULT_CURVES
    return view_of(recipe, _budget(parameters.get("budget", "none")), curves)


def recipe_from(text: str, model: str | None = None) -> Recipe:
    """Read a recipe's JSON in a link, which may leave the model to the link. Raises what `view_from` does."""
    content = _recipe_content(text)
    model = model or content.get("model") or DEFAULT_MODEL
    find_model(str(model))
    if content.get("model", model) != model:
        raise InvalidRecipe(
            f"The link names two models, {model!r} and in its recipe {content['model']!r}. Remove one of them."
        )
    return parse_recipe(json.dumps({**content, "model": model}))


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


def _curves(text: str) -> tuple[Curve, ...]:
    """Curves by name, in their usual order."""
    names = [] if text == _NO_CURVES else [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in CURVES]
    if unknown:
        raise InvalidRecipe(f"There is no curve {unknown[0][:80]!r}. Choose from: {', '.join(CURVES)}.")
    return tuple(curve for curve in CURVES if curve in names)
