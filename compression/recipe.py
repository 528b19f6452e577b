"""Steps, settings and recipes: plain data, validated at the door. Torch-free.

A recipe is a model, ordered steps and a seed, written as JSON:

    {"model": "lenet5-mnist5k", "seed": 0,
     "steps": [{"technique": "channel_pruning", "pruning_ratio": 0.5},
               {"technique": "fine_tuning", "epochs": 2},
               {"technique": "quantization", "weight_bits": 4, "activation_bits": 8}]}

The legal range of every setting stands here, once; validation, sliders and command line read it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from compression.errors import InvalidRecipe

T = TypeVar("T")

WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 7, 8, 16)


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MagnitudePruning(_Data):
    """Set the smallest weights to zero (Han et al., 2015)."""

    technique: Literal["magnitude_pruning"] = "magnitude_pruning"
    sparsity: float = Field(ge=0, le=0.99, description="Fraction of weights that become zero.")
    scope: Literal["global", "layer"] = Field(
        "global", description="Compare weights across the whole network, or give every layer the same sparsity."
    )
    recalibrate: bool = Field(
        True, description="Afterwards measure batch-norm statistics anew, where there are any; no training."
    )


class ChannelPruning(_Data):
    """Remove whole channels and neurons, wherever they are coupled (Li et al., 2017; Fang et al., 2023)."""

    technique: Literal["channel_pruning"] = "channel_pruning"
    pruning_ratio: float = Field(ge=0, le=0.95, description="Fraction of the channels of each layer to remove.")
    importance: Literal["l1", "l2", "batch_norm", "random"] = Field(
        "l2", description="How a channel's worth is judged: size of its weights, its batch-norm scale, or by chance."
    )
    round_to: Literal[1, 2, 4, 8, 16] = Field(
        1, description="Keep a multiple of this many channels: fast kernels like 8 or 16."
    )
    recalibrate: bool = Field(
        True, description="Afterwards fit what is left to what each layer answered before; no training."
    )


class Quantization(_Data):
    """Store weights, and optionally activations, with few bits (Jacob et al., 2018)."""

    technique: Literal["quantization"] = "quantization"
    weight_bits: Literal[1, 2, 3, 4, 5, 6, 7, 8, 16] = Field(description="Bits a weight; 16 is half precision.")
    activation_bits: Literal[8] | None = Field(
        None, description="Bits an activation between layers: 8, so that integer kernels run, or none (float)."
    )
    granularity: Literal["channel", "tensor"] = Field(
        "channel", description="One scale for each output channel, or one for the whole layer."
    )
    symmetric: bool = Field(True, description="Zero in the middle of the grid, or a grid fitted to both ends.")
    method: Literal["nearest", "mse"] = Field(
        "mse", description="Cover the full range of the weights, or clip it where that lowers the squared error."
    )


class Distillation(_Data):
    """Train a smaller student of the same family on the teacher's predictions (Hinton et al., 2015)."""

    technique: Literal["distillation"] = "distillation"
    width_mult: float = Field(ge=0.1, le=1, description="Channels of the student relative to its teacher.")
    epochs: float = Field(5, ge=0, le=200, description="Passes over the training images.")
    temperature: float = Field(4, ge=1, le=20, description="Softens the teacher's predictions.")
    alpha: float = Field(
        0.9, ge=0, le=1, description="Weight of the teacher's predictions against the true labels; 0 is plain training."
    )
    learning_rate: float = Field(0.01, gt=0, le=1, description="Largest step size of the optimizer.")


class FineTuning(_Data):
    """Train the compressed network on; masks, codes and shapes stay."""

    technique: Literal["fine_tuning"] = "fine_tuning"
    epochs: float = Field(ge=0, le=200, description="Passes over the training images; fractions are allowed.")
    learning_rate: float = Field(0.01, gt=0, le=1, description="Largest step size of the optimizer.")


Step = MagnitudePruning | ChannelPruning | Quantization | Distillation | FineTuning
AnyStep = Annotated[Step, Field(discriminator="technique")]
STEP_TYPES: dict[str, type[Step]] = {
    step.model_fields["technique"].default: step
    for step in (Distillation, ChannelPruning, MagnitudePruning, Quantization, FineTuning)
}


def limits(step_type: type[Step], setting: str) -> tuple[float, float]:
    """Smallest and largest legal value of a numeric setting."""
    low, high = None, None
    for rule in step_type.model_fields[setting].metadata:
        low = getattr(rule, "ge", getattr(rule, "gt", low))
        high = getattr(rule, "le", getattr(rule, "lt", high))
    assert low is not None and high is not None, f"{step_type.__name__}.{setting} has no range"
    return float(low), float(high)


def help_text(step_type: type[Step], setting: str) -> str:
    """One sentence for a tooltip."""
    return step_type.model_fields[setting].description or ""


class Recipe(_Data):
    """A model, the steps to take in order, and a seed for everything random in them."""

    model: str = Field(min_length=1, max_length=100)
    steps: tuple[AnyStep, ...] = Field(default=(), max_length=20)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _legal_order(self) -> Recipe:
        done: list[str] = []
        for number, step in enumerate(self.steps, 1):
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
        """Canonical JSON: every setting written out, keys sorted, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def to_short_json(self) -> str:
        """JSON without settings that have their default value: for links and files that people read."""
        steps = [{"technique": step.technique, **step.model_dump(exclude_defaults=True)} for step in self.steps]
        return json.dumps({"model": self.model, "seed": self.seed, "steps": steps}, separators=(",", ":"))

    def baseline(self) -> Recipe:
        """The recipe this one is compared with: the same model, nothing done."""
        return Recipe(model=self.model, steps=(), seed=0)


_RANGES = "its ranges were fitted to the network as it was; put it before quantization"
_STUDENT = "a student is a new network and would throw that work away; put distillation first"
_ILLEGAL_AFTER: dict[str, dict[str, str]] = {
    "distillation": {
        "distillation": "one student is enough",
        "channel_pruning": _STUDENT,
        "magnitude_pruning": _STUDENT,
        "quantization": _STUDENT,
        "fine_tuning": _STUDENT,
    },
    "channel_pruning": {"quantization": _RANGES},
    "magnitude_pruning": {"quantization": _RANGES},
    "quantization": {"quantization": "weights are on a grid already"},
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


class _Sweep(_Data):
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
