"""Recipes as pipelines: steps added, removed, moved and changed. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from compression.errors import InvalidRecipe
from compression.models.facts import has_slimmable
from compression.recipe.recipe import MAX_STEPS, Recipe, make_recipe
from compression.recipe.steps import (
    ChannelPruning,
    DepthwiseSeparable,
    Distillation,
    EntropyCoding,
    FineTuning,
    LayerTying,
    LowRank,
    MagnitudePruning,
    Quantization,
    SecondOrderPruning,
    SlimmableStudent,
    Step,
    WeightSharing,
)


@dataclass(frozen=True)
class Kind:
    """A kind of step for people: its name, what it does in one sentence, its main setting, and what it starts with."""

    title: str
    about: str
    main: str
    start: dict[str, Any]


KINDS: dict[type[Step], Kind] = {
    Distillation: Kind(
        "Distil a student", "Trains a smaller network on the answers of the large one.", "width_mult",
        {"width_mult": 0.5},
    ),
    SlimmableStudent: Kind(
        "Take a slimmable student", "Takes a student of any width out of a network trained for all widths.",
        "width_mult", {"width_mult": 0.5},
    ),
    LayerTying: Kind("Tie layers", "Neighbouring blocks of the same shape use one set of weights.", "blocks",
        {"blocks": 2},
    ),
    DepthwiseSeparable: Kind(
        "Separate convolutions", "One filter a channel and a mixing of channels instead of full convolutions.",
        "share", {"share": 0.5},
    ),
    LowRank: Kind("Lower the rank", "Writes each layer as a product of thinner ones.", "rank_ratio",
        {"rank_ratio": 0.5},
    ),
    ChannelPruning: Kind("Prune channels", "Removes whole channels and neurons: the network really gets smaller.",
        "pruning_ratio", {"pruning_ratio": 0.5},
    ),
    MagnitudePruning: Kind("Prune weights", "Sets the smallest weights to zero.", "sparsity",
        {"sparsity": 0.8},
    ),
    SecondOrderPruning: Kind(
        "Prune weights, second order", "Zeroes what matters least; the other weights move to make up for it.",
        "sparsity", {"sparsity": 0.8},
    ),
    WeightSharing: Kind("Share weights", "All weights of a layer take few different values, kept in a codebook.",
        "clusters", {"clusters": 16},
    ),
    Quantization: Kind("Quantize", "Stores weights, and optionally activations, with few bits.", "weight_bits",
        {"weight_bits": 8, "activation_bits": 8},
    ),
    FineTuning: Kind("Fine-tune", "Trains on; zeros, codes and shapes stay.", "epochs", {"epochs": 1}),
    EntropyCoding: Kind("Choose the coding", "How the stored file writes weights down.", "coding",
        {"coding": "huffman"},
    ),
}  # fmt: skip
"""In the order in which steps usually come."""


def kind_of(step: Step) -> Kind:
    """What people call a step's technique."""
    return KINDS[type(step)]


def offered(model: str) -> tuple[type[Step], ...]:
    """The kinds of steps that a model can take."""
    return tuple(kind for kind in KINDS if kind is not SlimmableStudent or has_slimmable(model))


# Each returns a new recipe, or raises `InvalidRecipe` with the reason why these steps make no sense in this order.


def added(recipe: Recipe, kind: type[Step]) -> Recipe:
    """With a step of this kind, as late as it makes sense."""
    if len(recipe.steps) >= MAX_STEPS:
        raise InvalidRecipe(f"A recipe has at most {MAX_STEPS} steps. Remove one first.")
    new = {"technique": kind.model_fields["technique"].default, **KINDS[kind].start}
    reasons = []
    for place in range(len(recipe.steps), -1, -1):
        try:
            return _with(recipe, (*recipe.steps[:place], new, *recipe.steps[place:]))
        except InvalidRecipe as error:
            reasons.append(error)
    raise reasons[0]


def removed(recipe: Recipe, at: int) -> Recipe:
    """Without the step at index `at`."""
    return _with(recipe, (*recipe.steps[:at], *recipe.steps[at + 1 :]))


def moved(recipe: Recipe, at: int, by: int) -> Recipe:
    """With the step at index `at` moved by `by` places; beyond the ends it stays at the end."""
    others = (*recipe.steps[:at], *recipe.steps[at + 1 :])
    to = min(max(0, at + by), len(others))
    return _with(recipe, (*others[:to], recipe.steps[at], *others[to:]))


def changed(recipe: Recipe, at: int, **settings: Any) -> Recipe:  # noqa: ANN401  (settings differ in type)
    """With other settings of the step at index `at`."""
    content = recipe.steps[at].model_dump(mode="json") | settings
    return _with(recipe, (*recipe.steps[:at], content, *recipe.steps[at + 1 :]))


def refusal(change: Callable[[], Recipe]) -> str:
    """Why a change makes no sense; empty where it does."""
    try:
        change()
    except InvalidRecipe as error:
        return str(error)
    return ""


def _with(recipe: Recipe, steps: tuple[Any, ...]) -> Recipe:
    plain = [step if isinstance(step, dict) else step.model_dump(mode="json") for step in steps]
    return make_recipe(recipe.model, plain, recipe.seed)


def prefixes(recipe: Recipe) -> tuple[Recipe, ...]:
    """The recipe after each of its steps: from the model as it is to the whole."""
    return tuple(
        recipe.baseline() if not done else recipe.model_copy(update={"steps": recipe.steps[:done]})
        for done in range(len(recipe.steps) + 1)
    )
