"""What the Explore page shows, and how a link says it. Torch-free.

A link carries `model`, `recipe` (JSON without the model), `budget` where it is not `none`, and where others than the
default ones are shown `curves` (names with commas between), `axes` (`left,right,up` by name), `scale` (`even`, where
the axis up is not spaced by the logarithm of the error), limits (`max_kb` and others: `search.limits.LIMITS`) and
what is to be `best` within them.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from compression.charts.axes import COSTS, DEFAULT_AXES, GAINS, Axes
from compression.errors import InvalidRecipe
from compression.models.subject import DEFAULT_MODEL, Subject, subject_of
from compression.recipe.budgets import parse_budget
from compression.recipe.recipe import Recipe, parse_recipe
from compression.recipe.settings import Settings, nearest_settings, neutral_settings, recipe_of, settings_of
from compression.search.curves import CURVES, DEFAULT_CURVES
from compression.search.limits import LIMITS, NO_LIMITS, TARGETS, Limits, Target

_NO_CURVES = "none"
SCALE, EVEN, _BY_ERROR = "scale", "even", "log"
"""How the axis up is spaced: the parameter and its two values."""


@dataclass(frozen=True)
class View:
    """A model, the controls' position, and what the charts show beside it: curves, axes and limits.

    `target` says what is best within the limits, if the person did. `custom` is a recipe that the controls cannot
    express.
    """

    model: str = DEFAULT_MODEL
    settings: Settings = field(default_factory=lambda: neutral_settings(subject_of(DEFAULT_MODEL)))
    custom: Recipe | None = None
    curves: tuple[str, ...] = DEFAULT_CURVES
    axes: Axes = DEFAULT_AXES
    limits: Limits = NO_LIMITS
    target: Target | None = None

    @property
    def subject(self) -> Subject:
        """The model as it is now."""
        return subject_of(self.model)

    @functools.cached_property
    def recipe(self) -> Recipe:
        """What is shown and measured."""
        return self.custom or recipe_of(self.subject, self.settings)


def view_of(recipe: Recipe, like: View | None = None) -> View:
    """The view of a recipe that is otherwise like `like`, also in its budget where the recipe leaves it open."""
    like, subject = like or View(), subject_of(recipe.model)
    settings = settings_of(subject, recipe, like.settings.budget)
    custom = None if settings else recipe
    return replace(like, model=recipe.model, settings=settings or nearest_settings(subject, recipe), custom=custom)


def parameters_of(view: View) -> dict[str, str]:
    """The query parameters of a view."""
    parameters = {"model": view.model, "recipe": _text_of(_steps_of(view.recipe))}
    if view.settings.budget != "none":
        parameters["budget"] = view.settings.budget
    if view.curves != DEFAULT_CURVES:
        parameters["curves"] = ",".join(view.curves) or _NO_CURVES
    shown = (view.axes.left, view.axes.right, view.axes.gain)
    if Axes(*shown) != DEFAULT_AXES:
        parameters["axes"] = ",".join(shown)
    if view.axes.is_even:
        parameters[SCALE] = EVEN
    if view.target is not None:
        parameters[BEST] = view.target
    return parameters | {LIMITS[field].link: f"{limit:.12g}" for field, limit in view.limits.asked.items()}


def text_of(recipes: Sequence[Recipe], *, with_model: bool = True) -> str:
    """Several recipes for a link, as `recipes_from` reads them."""
    return _text_of([json.loads(one.to_short_json()) if with_model else _steps_of(one) for one in recipes])


def _steps_of(recipe: Recipe) -> dict[str, Any]:
    """All that a recipe says but its model."""
    content: dict[str, Any] = json.loads(recipe.to_short_json())
    del content["model"]
    return content


def _text_of(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))


BEST = "best"
"""What is to be as good as the limits allow."""

_LIMITS = {limit.link: field for field, limit in LIMITS.items()}
"""Limits by their names in links."""

PARAMETERS = ("model", "recipe", "budget", "curves", "axes", SCALE, *_LIMITS, BEST)
"""All that a link may carry."""


def view_from(parameters: Mapping[str, str]) -> View:
    """Read a link's query parameters, any of which may be missing.

    Raises `UnknownModel` or `InvalidRecipe`, naming the value and what to do.
    """
    recipe = recipe_from(parameters.get("recipe", '{"steps":[]}'), parameters.get("model"))
    curves = _curves(parameters["curves"]) if "curves" in parameters else DEFAULT_CURVES
    axes = _axes(parameters["axes"]) if "axes" in parameters else DEFAULT_AXES
    axes = replace(axes, is_even=_is_even(parameters[SCALE])) if SCALE in parameters else axes
    limits = {field: _limit(name, parameters[name]) for name, field in _LIMITS.items() if name in parameters}
    settings = replace(
        neutral_settings(subject_of(recipe.model)), budget=parse_budget(parameters.get("budget", "none"))
    )
    target = _target(parameters[BEST]) if BEST in parameters else None
    shown = View(recipe.model, settings, curves=curves, axes=axes, limits=Limits(**limits), target=target)
    return view_of(recipe, shown)


def recipe_from(text: str, model: str | None = None) -> Recipe:
    """Read a recipe's JSON in a link, which may leave the model to the link. Raises what `view_from` does."""
    content = _recipe_content(text)
    model = model or content.get("model") or DEFAULT_MODEL
    subject_of(str(model))
    if content.get("model", model) != model:
        raise InvalidRecipe(
            f"The link names two models, {model!r} and in its recipe {content['model']!r}. Remove one of them."
        )
    return parse_recipe(json.dumps({**content, "model": model}))


def recipes_from(text: str, name: str, at_most: int, model: str | None = None) -> tuple[Recipe, ...]:
    """Read the recipes that a link's parameter of this name holds; each may leave the model to the link.

    Raises `UnknownModel` or `InvalidRecipe`, naming the value and what to do.
    """
    content = _json_of(text, f"Its `{name}`")
    if not isinstance(content, list) or len(content) > at_most:
        raise InvalidRecipe(f"Its `{name}` must be a list of at most {at_most} recipes.")
    return tuple(recipe_from(json.dumps(part), model) for part in content)


def _recipe_content(text: str) -> dict[str, Any]:
    content = _json_of(text, "The link's recipe", f": {text[:80]!r}")
    if isinstance(content, list):
        return {"steps": content}
    if not isinstance(content, dict):
        raise InvalidRecipe(f'The link\'s recipe must look like {{"steps": [...]}}, but is {text[:80]!r}.')
    return content


def _json_of(text: str, what: str, shown: str = "") -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRecipe(f"{what} cannot be read as JSON ({error}){shown}. Copy the whole link again.") from error


def _curves(text: str) -> tuple[str, ...]:
    """Curves by name, in their usual order."""
    names = [] if text == _NO_CURVES else [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in CURVES]
    if unknown:
        raise InvalidRecipe(f"There is no curve {unknown[0][:80]!r}. Choose from: {', '.join(CURVES)}.")
    return tuple(curve for curve in CURVES if curve in names)


def _axes(text: str) -> Axes:
    """Two costs and a gain by name."""
    names = [name.strip() for name in text.split(",")]
    if len(names) != 3 or not {*names[:2]} <= {*COSTS} or names[2] not in GAINS:
        raise InvalidRecipe(
            f"The link's axes {text[:80]!r} are not two of {', '.join(COSTS)} and one of {', '.join(GAINS)}."
        )
    left, right, gain = names
    return Axes(left, right, gain)


def _is_even(text: str) -> bool:
    """How the axis up is spaced."""
    if text not in (EVEN, _BY_ERROR):
        raise InvalidRecipe(f"The link's scale must be {_BY_ERROR} or {EVEN}, but is {text[:80]!r}.")
    return text == EVEN


def _target(text: str) -> Target:
    """What is to be best."""
    for target in TARGETS:
        if text == target:
            return target
    raise InvalidRecipe(f"The link's {BEST} must be one of {', '.join(TARGETS)}, but is {text[:80]!r}.")


def _limit(name: str, text: str) -> float:
    """A number that a limit can be."""
    limit_of = LIMITS[_LIMITS[name]]
    least, most = limit_of.least, limit_of.most
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not least <= limit <= most:
        raise InvalidRecipe(f"The link's {name} must be a number from {least:g} to {most:,.0f}, but is {text[:80]!r}.")
    return limit
