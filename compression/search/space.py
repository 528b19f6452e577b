"""The recipes among which a search looks: each a position of a few knobs. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compression import units
from compression.errors import CompressionError, NotApplicable
from compression.inquiries.layer_tables import Tables
from compression.models.subject import Subject
from compression.recipe import steps
from compression.recipe.budgets import Budget, training_seconds, tuning_passes
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.settings import FLOAT_BITS, INTEGER_BITS, QUANTIZATION_AWARE_BITS
from compression.recipe.steps import Step
from compression.search import priors
from compression.search.allocation import Allocation, Limits, accuracy_at, allocate, steps_of
from compression.search.priors import Effect

Position = tuple[int, ...]
"""Where each knob of a space stands: an index into its values."""


@dataclass(frozen=True)
class Knob:
    """One thing that recipes differ in: its values from mild to strong, the first of which does nothing.

    `needs` says whether it makes sense for a model.
    """

    name: str
    values: tuple[Any, ...]
    needs: Callable[[Subject], bool] = lambda subject: True


BY_LAYER = ("magnitude_pruning", "quantization")
"""What a `share` allocates; zeros are then chosen by their second-order effect, which costs less accuracy."""

KNOBS = (
    Knob("student", (100, 90, 80, 70, 60, 50, 40, 30, 25), lambda subject: subject.has_slimmable),
    Knob("low_rank", (100, 75, 50, 35, 25, 15, 10)),
    Knob("separable", (0, 25, 50, 75, 100), lambda subject: subject.has_ordinary_convolutions),
    Knob("channels", (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)),
    Knob("spread", ("uniform", "sensitivity")),
    Knob("order", ("factors first", "channels first")),
    Knob("zeros", (0, 30, 50, 60, 70, 80, 85, 90, 93, 95, 97)),
    Knob("criterion", ("magnitude", "second_order")),
    Knob("bits", (FLOAT_BITS, 16, 8, 7, 6, 5, 4, 3, 2, 1)),
    Knob("codes", ("grid", "codebook")),
    Knob("activations", (FLOAT_BITS, INTEGER_BITS)),
    Knob("mixed", (False, True)),
    Knob("rate", (0.0, 0.25, 0.5, 1.0)),
    Knob("share", (1.0, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03)),
    Knob("budget", ("none", "quick")),
    Knob("gathering", (0.0, 0.1, 0.3, 1.0)),
)
"""Students come first, then shapes, zeros, codes and the file, as recipes have them.

`share` is that of the original's bytes which zeros and bits of each layer leave by the tables (`search.allocation`), in
the place of the knobs for zeros and codes. `gathering` is how hard training pushes towards cheap weights.
"""


class Space:
    """The knobs that make sense for a model, and what their positions are as recipes; `tables` allow for allocations.

    A position is `canonical` when knobs without effect on the recipe stand at their first value: then different
    positions are different recipes.
    """

    def __init__(self, subject: Subject, tables: Tables | None = None) -> None:
        self.subject, self._tables = subject, tables
        self.knobs = tuple(knob for knob in KNOBS if knob.needs(subject) and (tables or knob.name != "share"))
        self._allocated: dict[float, Allocation | None] = {}
        self.names = tuple(knob.name for knob in self.knobs)
        self.sizes = tuple(len(knob.values) for knob in self.knobs)

    def values(self, position: Position) -> dict[str, Any]:
        """What each knob says; those that a model does not have say nothing."""
        here = {knob.name: knob.values[at] for knob, at in zip(self.knobs, position, strict=True)}
        return {knob.name: knob.values[0] for knob in KNOBS} | here

    def position(self, values: Mapping[str, Any]) -> Position | None:
        """Where these values stand; None where a knob does not have one of them."""
        try:
            return tuple(knob.values.index(values.get(knob.name, knob.values[0])) for knob in self.knobs)
        except ValueError:
            return None

    def canonical(self, position: Position) -> Position:
        """The same recipe, with knobs without effect at their first value."""
        while True:  # what has no effect may have been what another knob needed
            values = self.values(position)
            idle = {name for name, rule in _IDLE.items() if rule(values)}
            found = tuple(0 if name in idle else at for name, at in zip(self.names, position, strict=True))
            if found == position:
                return found
            position = found

    def recipe(self, position: Position) -> Recipe:
        """What a canonical position stands for. Raises `InvalidRecipe` where steps do not go together."""
        values = self.values(position)
        return make_recipe(self.subject.name, _steps(self.subject, values, self._by_layer(values["share"])))

    def _by_layer(self, share: float) -> dict[type[Step], dict[str, Any]]:
        """Zeros and bits of each layer that leave this share of the bytes. Raises `NotApplicable` where none do."""
        found = self._allocation(share)
        if found is None and share < 1:
            raise NotApplicable(f"No zeros and bits of single layers leave {units.share(share)} of the bytes.")
        said = steps_of(found) if found else []
        return {steps.STEP_TYPES[one.pop("technique")]: one for one in said}

    def _allocation(self, share: float) -> Allocation | None:
        if share not in self._allocated:
            tables = self._tables
            most = share * (tables.other_bytes + sum(layer.bytes for layer in tables.layers)) if tables else 0.0
            within = Limits(bytes=most)
            self._allocated[share] = allocate(tables, within, BY_LAYER) if tables and share < 1 else None
        return self._allocated[share]

    def position_of(self, recipe: Recipe) -> Position | None:
        """Where a recipe stands; None where no position is exactly this recipe."""
        values: dict[str, Any] = {}
        for step in recipe.steps:
            values |= _said_by(step)
        shaping = [type(step) for step in recipe.steps if isinstance(step, _SHAPING)]
        if shaping[:1] == [steps.ChannelPruning]:
            values["order"] = "channels first"
        position = self.position(values)
        if position is None:
            return None
        has_levels = any(getattr(step, "levels", ()) for step in recipe.steps)
        at_shares = self._at_shares(position) if has_levels else [position]
        return next((one for one in map(self.canonical, at_shares) if self._is(one, recipe)), None)

    def _at_shares(self, position: Position) -> list[Position]:
        """The same with each share that the tables allocate."""
        if "share" not in self.names:
            return []
        knob = self.names.index("share")
        return [(*position[:knob], at, *position[knob + 1 :]) for at in range(1, self.sizes[knob])]

    def _is(self, position: Position, recipe: Recipe) -> bool:
        try:
            return self.recipe(position) == recipe
        except CompressionError:
            return False

    def prior(self, position: Position) -> Effect:
        """What a position brings, as far as that can be guessed before anything is measured."""
        values = self.values(position)
        trained = values["budget"] != "none"
        effects = [effect for name, rule in _PRIORS.items() if (effect := rule(values, trained)) is not None]
        effects += [self._prior_of_share(values["share"], trained)]
        return Effect(
            sum(effect.accuracy_change for effect in effects),
            _product(effect.size_factor for effect in effects),
            _product(effect.latency_factor for effect in effects),
        )

    def _prior_of_share(self, share: float, trained: bool) -> Effect:
        """By the tables; training wins back most."""
        found = self._allocation(share)
        if found is None or self._tables is None:
            return Effect()
        lost = float(self._tables.accuracy - accuracy_at(self._tables, found.loss))
        return Effect(-max(0.0, lost) * (0.2 if trained else 1.0), share)

    def training_seconds(self, position: Position) -> float:
        """How long its recipe trains, roughly."""
        if self.values(position)["budget"] == "none":
            return 0.0
        return training_seconds(self.subject, self.recipe(position))


def _product(factors: Any) -> float:  # noqa: ANN401 - any iterable of numbers
    result = 1.0
    for factor in factors:
        result *= factor
    return result


def _is_allocated(values: Mapping[str, Any]) -> bool:
    """Whether the tables say what each layer gets."""
    return bool(values["share"] < 1)


def _is_coarse(values: Mapping[str, Any]) -> bool:
    return bool(values["bits"] <= INTEGER_BITS or _is_allocated(values))


def _changes(values: Mapping[str, Any]) -> bool:
    """Whether there is something that training could make up for before weights get codes."""
    return bool(
        values["student"] < 100
        or values["low_rank"] < 100
        or values["separable"]
        or values["channels"]
        or values["zeros"]
        or _is_allocated(values)
    )


def _adapts(values: Mapping[str, Any]) -> bool:
    """Whether codes are so coarse that training with them pays."""
    return bool(values["bits"] <= QUANTIZATION_AWARE_BITS or _is_allocated(values))


def _gathers(values: Mapping[str, Any]) -> bool:
    """Whether training can move weights from code to code, to a cheaper one."""
    is_fixed = values["bits"] == 1 or (values["codes"] == "codebook" and not _is_allocated(values))
    return bool(values["budget"] != "none" and _adapts(values) and not is_fixed)


_IDLE: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    **dict.fromkeys(("low_rank", "separable", "zeros", "bits"), _is_allocated),
    "spread": lambda values: not values["channels"],
    "order": lambda values: not values["channels"] or (values["low_rank"] == 100 and not values["separable"]),
    "criterion": lambda values: not values["zeros"],
    "codes": lambda values: not _is_coarse(values) or _is_allocated(values),
    "activations": lambda values: not _is_coarse(values) or values["codes"] == "codebook",
    "mixed": lambda values: (
        _is_allocated(values) or values["bits"] not in (2, 3, 4, 5, 6) or values["codes"] == "codebook"
    ),
    "rate": lambda values: not _is_coarse(values) or values["bits"] == 1,
    "budget": lambda values: not (_changes(values) or _adapts(values)),
    "gathering": lambda values: not _gathers(values),
}
"""When a knob has no effect on the recipe, or none on the network."""


def _steps(subject: Subject, values: Mapping[str, Any], by_layer: Mapping[type[Step], Mapping[str, Any]]) -> list[Step]:
    channels, factors = _channels(values), _factors(values)
    in_order = [*factors, *channels] if values["order"] == "factors first" else [*channels, *factors]
    shapes = [*_student(values), *in_order, *_zeros(values, by_layer.get(steps.MagnitudePruning))]
    codes = _codes(values, by_layer.get(steps.Quantization))
    parts = int(_changes(values)) + int(_adapts(values))
    budget: Budget = values["budget"]
    tuned = {"epochs": tuning_passes(subject, budget, alpha=steps.TAUGHT_ALPHA, parts=max(1, parts))}
    train = budget != "none"
    recovery = [steps.FineTuning.model_validate(tuned)] if train and _changes(values) else []
    gathering = {"entropy_penalty": values["gathering"], "learn_scales": True} if values["gathering"] else {}
    adaption = [steps.FineTuning.model_validate(tuned | gathering)] if train and _adapts(values) else []
    file = [steps.EntropyCoding.model_validate({"rate_weight": values["rate"]})] if values["rate"] else []
    return [*shapes, *recovery, *codes, *adaption, *file]


def _student(values: Mapping[str, Any]) -> list[Step]:
    return [steps.SlimmableStudent(width_mult=values["student"] / 100)] if values["student"] < 100 else []


def _factors(values: Mapping[str, Any]) -> list[Step]:
    found: list[Step] = []
    if values["separable"]:
        found.append(steps.DepthwiseSeparable(share=values["separable"] / 100))
    if values["low_rank"] < 100:
        found.append(steps.LowRank.model_validate({"rank_ratio": values["low_rank"] / 100}))
    return found


def _channels(values: Mapping[str, Any]) -> list[Step]:
    content = {"pruning_ratio": values["channels"] / 100, "ratios": values["spread"]}
    return [steps.ChannelPruning.model_validate(content)] if values["channels"] else []


def _zeros(values: Mapping[str, Any], by_layer: Mapping[str, Any] | None) -> list[Step]:
    if by_layer is not None:
        return [steps.SecondOrderPruning.model_validate(by_layer)]
    kind = steps.STEP_TYPES[f"{values['criterion']}_pruning"]
    return [kind.model_validate({"sparsity": values["zeros"] / 100})] if values["zeros"] else []


def _codes(values: Mapping[str, Any], by_layer: Mapping[str, Any] | None) -> list[Step]:
    bits = values["bits"]
    activations = None if values["activations"] == FLOAT_BITS else values["activations"]
    if by_layer is not None:
        return [steps.Quantization.model_validate({**by_layer, "activation_bits": activations})]
    if bits == FLOAT_BITS:
        return []
    if values["codes"] == "codebook":
        return [steps.WeightSharing.model_validate({"clusters": 2**bits})]
    content = {"weight_bits": bits, "activation_bits": activations, "mixed_precision": values["mixed"]}
    return [steps.Quantization.model_validate(content)]


def _said_by(step: Step) -> dict[str, Any]:
    """The knobs that a step moves; a value that no knob has where it is of none."""
    read = _SAID.get(type(step))
    return {"student": None} if read is None else read(step)


_SHAPING = (steps.ChannelPruning, steps.LowRank, steps.DepthwiseSeparable)

_SAID: dict[type[Step], Callable[[Any], dict[str, Any]]] = {
    steps.SlimmableStudent: lambda step: {"student": round(100 * step.width_mult)},
    steps.LowRank: lambda step: {"low_rank": round(100 * step.rank_ratio)},
    steps.DepthwiseSeparable: lambda step: {"separable": round(100 * step.share)},
    steps.ChannelPruning: lambda step: {"channels": round(100 * step.pruning_ratio), "spread": step.ratios},
    steps.MagnitudePruning: lambda step: {"zeros": round(100 * step.sparsity), "criterion": "magnitude"},
    steps.SecondOrderPruning: lambda step: {"zeros": round(100 * step.sparsity), "criterion": "second_order"},
    steps.WeightSharing: lambda step: {"bits": (step.clusters - 1).bit_length(), "codes": "codebook"},
    steps.Quantization: lambda step: {
        "bits": step.weight_bits,
        "activations": step.activation_bits or FLOAT_BITS,
        "mixed": step.mixed_precision,
    },
    steps.EntropyCoding: lambda step: {"rate": step.rate_weight},
    steps.FineTuning: lambda step: {"budget": "quick", "gathering": step.entropy_penalty},
}


def _codes_prior(values: Mapping[str, Any], trained: bool) -> Effect:
    """Of codes, and of writing them cheaply."""
    is_codebook = values["codes"] == "codebook"
    found = (priors.codebook if is_codebook else priors.bits)(values["bits"], trained)
    cheaper = 1 - 0.3 * values["rate"]
    latency = found.latency_factor if values["activations"] != FLOAT_BITS else 1.0
    return Effect(found.accuracy_change - 0.01 * values["rate"], found.size_factor * cheaper, latency)


_PRIORS: dict[str, Callable[[Mapping[str, Any], bool], Effect | None]] = {
    "student": lambda values, trained: priors.student(values["student"], trained) if values["student"] < 100 else None,
    "low_rank": lambda values, trained: priors.rank(values["low_rank"], trained) if values["low_rank"] < 100 else None,
    "separable": lambda values, trained: priors.separable(values["separable"], trained),
    "channels": lambda values, trained: priors.channels(values["channels"], trained),
    "zeros": lambda values, trained: priors.weights(0.4)(values["zeros"], trained),
    "bits": _codes_prior,
    "gathering": lambda values, trained: priors.gathering(values["gathering"]) if values["gathering"] else None,
}
