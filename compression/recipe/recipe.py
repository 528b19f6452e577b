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
from compression.kernels import KERNEL_CHANNELS

T = TypeVar("T")

MAX_STEPS = 20
"""More steps than anyone needs; a limit all the same, since recipes come in from links."""

WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 7, 8, 16)
Pattern = Literal["weights", "2:4", "1:4", "blocks"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MagnitudePruning(_Data):
    """Set the smallest weights to zero (Han et al., 2015), at once or little by little while training."""

    technique: Literal["magnitude_pruning"] = "magnitude_pruning"
    sparsity: float = Field(ge=0, le=0.999, description="Fraction of weights that become zero.")
    scope: Literal["global", "layer"] = Field(
        "global", description="Compare weights across the whole network, or give every layer the same sparsity."
    )
    pattern: Pattern = Field(
        "weights", description="Single weights, N of every M neighbouring weights, or whole blocks of 4 weights."
    )
    epochs: float = Field(
        0, ge=0, le=200, description="Passes over the training images while the sparsity rises; 0 prunes at once."
    )
    regrowth: Literal["none", "gradient", "magnitude"] = Field(
        "none",
        description="Whether zeros may come back while training: where the gradient is large (RigL), or where the "
        "hidden weight has grown (DNS).",
    )
    learning_rate: float = Field(0.01, gt=0, le=1, description="Largest step size of the optimizer.")
    recalibrate: bool = Field(
        True,
        description="After pruning at once, fit what is left to what each layer answered before; no training.",
    )

    @model_validator(mode="after")
    def _sparsity_of_pattern(self) -> MagnitudePruning:
        _check_pattern(self.pattern, self.sparsity)
        return self


class SecondOrderPruning(_Data):
    """Zero the weights that matter least to each layer's output; the others make up for them (Frantar et al., 2022)."""

    technique: Literal["second_order_pruning"] = "second_order_pruning"
    sparsity: float = Field(ge=0, le=0.999, description="Fraction of weights that become zero.")
    scope: Literal["global", "layer"] = Field(
        "global", description="Prune where the whole network loses least, or give every layer the same sparsity."
    )
    pattern: Pattern = Field(
        "weights", description="Single weights, N of every M neighbouring weights, or whole blocks of 4 weights."
    )

    @model_validator(mode="after")
    def _sparsity_of_pattern(self) -> SecondOrderPruning:
        _check_pattern(self.pattern, self.sparsity)
        return self


class ChannelPruning(_Data):
    """Remove whole channels and neurons, wherever they are coupled (Li et al., 2017; Fang et al., 2023)."""

    technique: Literal["channel_pruning"] = "channel_pruning"
    pruning_ratio: float = Field(ge=0, le=0.95, description="Fraction of the channels of each layer to remove.")
    importance: Literal["l1", "l2", "batch_norm", "taylor", "activation", "random"] = Field(
        "l2",
        description="How a channel's worth is judged: size of its weights, its batch-norm scale, how the loss would "
        "change without it (Taylor), how strongly it answers (activation), or by chance.",
    )
    ratios: Literal["uniform", "sensitivity"] = Field(
        "uniform", description="The same ratio in every layer, or more where the network notices least."
    )
    target: Literal["channels", "macs", "latency"] = Field(
        "channels", description="What the pruning ratio counts: channels, operations (MACs), or measured time."
    )
    round_to: Literal[1, 2, 4, 8, 16] = Field(
        KERNEL_CHANNELS,
        description="Keep a multiple of this many channels: fast kernels need 4 and like 8 or 16.",
    )
    recalibrate: bool = Field(
        True, description="Afterwards fit what is left to what each layer answered before; no training."
    )


class LowRank(_Data):
    """Write each layer as a product of thinner ones (Denton et al., 2014; Kim et al., 2016)."""

    technique: Literal["low_rank"] = "low_rank"
    rank_ratio: float = Field(ge=0.05, le=1, description="Share of each layer's full rank that is kept.")
    convolutions: Literal["tucker", "spatial"] = Field(
        "tucker",
        description="Fewer channels inside each convolution (Tucker-2), or one row and one column instead of a square.",
    )
    ranks: Literal["uniform", "error"] = Field(
        "error", description="The same share in every layer, or lower ranks where they cost the least error."
    )
    round_to: Literal[1, 2, 4, 8, 16] = Field(
        KERNEL_CHANNELS, description="Ranks are multiples of this: fast kernels need 4 and like 8 or 16."
    )


class DepthwiseSeparable(_Data):
    """Split convolutions into one filter a channel and a mixing of channels (Howard et al., 2017)."""

    technique: Literal["depthwise_separable"] = "depthwise_separable"
    share: float = Field(
        1, ge=0, le=1, description="Fraction of the convolutions that are replaced, those that lose least first."
    )


class LayerTying(_Data):
    """Let neighbouring blocks of the same shape use one set of weights (Lan et al., ALBERT, 2020)."""

    technique: Literal["layer_tying"] = "layer_tying"
    blocks: int = Field(ge=1, le=8, description="How many blocks of the same shape share one set of weights.")


class WeightSharing(_Data):
    """Let all weights of a layer take few different values, kept in a codebook (Han et al., 2016)."""

    technique: Literal["weight_sharing"] = "weight_sharing"
    clusters: int = Field(ge=2, le=256, description="Number of different values.")
    weighting: Literal["none", "hessian"] = Field(
        "hessian", description="Place values by how much weights matter to the loss, or treat all weights alike."
    )
    scope: Literal["layer", "global"] = Field(
        "layer", description="A codebook for each layer, or one for the whole network."
    )


class Quantization(_Data):
    """Store weights, and optionally activations, with few bits (Jacob et al., 2018)."""

    technique: Literal["quantization"] = "quantization"
    weight_bits: Literal[1, 2, 3, 4, 5, 6, 7, 8, 16] = Field(
        description="Bits a weight; 16 is half precision, symmetric 2 is ternary (-1, 0, 1), 1 is binary."
    )
    activation_bits: Literal[4, 5, 6, 7, 8] | None = Field(
        None, description="Bits an activation between layers, so that integer kernels run, or none (float)."
    )
    activations: Literal["static", "dynamic"] = Field(
        "static",
        description="Ranges of activations fixed on calibration images, or found for each image (linear layers only).",
    )
    granularity: Literal["channel", "tensor"] = Field(
        "channel", description="One scale for each output channel, or one for the whole layer."
    )
    symmetric: bool = Field(True, description="Zero in the middle of the grid, or a grid fitted to both ends.")
    method: Literal["auto", "nearest", "mse", "gptq", "adaround"] = Field(
        "auto",
        description="How weights are rounded: over their full range, clipped where that lowers the squared error, or "
        "so that each layer's answers change least (GPTQ, AdaRound). auto: the nearest for fine grids, else GPTQ.",
    )
    float_format: Literal["float16", "bfloat16"] = Field(
        "float16", description="The kind of 16-bit number: finer (float16) or with a wider range (bfloat16)."
    )
    equalize: bool = Field(
        False, description="First balance the ranges of neighbouring layers; the function stays the same."
    )
    mixed_precision: bool = Field(
        False, description="Give sensitive layers more bits and others fewer, in the same number of bytes."
    )


class Distillation(_Data):
    """Train a smaller student on the teacher's predictions (Hinton et al., 2015)."""

    technique: Literal["distillation"] = "distillation"
    width_mult: float = Field(ge=0.1, le=1, description="Channels of the student relative to its family's full size.")
    student: Literal["same", "mobilenet_v3_small", "efficientnet_b0", "squeezenet"] = Field(
        "same", description="The student's family: the teacher's own, or an efficient architecture."
    )
    depth_mult: float = Field(
        1, ge=0.2, le=1, description="Layers of the student relative to its family's full depth (other families)."
    )
    resolution: int | None = Field(
        None, ge=4, le=64, description="Side in pixels to which a student of another family scales its images first."
    )
    teachers: tuple[str, ...] = Field(
        (), max_length=4, description="Models whose predictions are averaged as the teacher; none: the model itself."
    )
    epochs: float = Field(5, ge=0, le=200, description="Passes over the training images.")
    loss: Literal["kd", "dkd"] = Field(
        "kd", description="Match the teacher's whole prediction (KD), or target and other classes apart (DKD)."
    )
    match: Literal["none", "hint", "attention", "relation"] = Field(
        "none", description="Also match what happens inside: features, where they are strong, or how images relate."
    )
    match_weight: float = Field(1, ge=0, le=1000, description="Weight of that against the predictions.")
    temperature: float = Field(4, ge=1, le=20, description="Softens the teacher's predictions.")
    alpha: float = Field(
        0.9, ge=0, le=1, description="Weight of the teacher's predictions against the true labels; 0 is plain training."
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Largest step size of the optimizer; none: 0.01 for the teacher's own family, 0.05 for others.",
    )


class SlimmableStudent(_Data):
    """Take a student of any width out of one network trained for all widths (Yu and Huang, 2019); no training."""

    technique: Literal["slimmable_student"] = "slimmable_student"
    width_mult: float = Field(ge=0.25, le=1, description="Channels of the student relative to the full network.")


class FineTuning(_Data):
    """Train the compressed network on; masks, codes and shapes stay."""

    technique: Literal["fine_tuning"] = "fine_tuning"
    epochs: float = Field(ge=0, le=200, description="Passes over the training images; fractions are allowed.")
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Largest step size of the optimizer; none: 0.003 where nearly all predictions are still the "
        "original network's, 0.01 elsewhere.",
    )
    alpha: float = Field(
        0,
        ge=0,
        le=1,
        description="Weight of the original network's predictions against the true labels; 0 is plain training.",
    )
    temperature: float = Field(4, ge=1, le=20, description="Softens the original network's predictions.")
    learn_scales: bool = Field(False, description="Train the scales of quantized layers too (LSQ).")
    entropy_penalty: float = Field(
        0,
        ge=0,
        le=1,
        description="How hard training pushes towards weights that need few bits in the stored file; "
        "above 0.3 accuracy pays for it.",
    )


class EntropyCoding(_Data):
    """How the stored file writes weights down; only `rate_weight` changes them."""

    technique: Literal["entropy_coding"] = "entropy_coding"
    coding: Literal["context", "huffman", "packed"] = Field(
        "context", description="Adaptive arithmetic coding, Huffman codes, or plain bits without any entropy coding."
    )
    rate_weight: float = Field(
        0, ge=0, le=1, description="Round to a cheaper neighbouring code where that changes the layer little."
    )


Step = (
    MagnitudePruning
    | SecondOrderPruning
    | ChannelPruning
    | LowRank
    | DepthwiseSeparable
    | LayerTying
    | WeightSharing
    | Quantization
    | Distillation
    | SlimmableStudent
    | FineTuning
    | EntropyCoding
)
AnyStep = Annotated[Step, Field(discriminator="technique")]
STEP_TYPES: dict[str, type[Step]] = {
    step.model_fields["technique"].default: step
    for step in (
        Distillation,
        SlimmableStudent,
        LayerTying,
        DepthwiseSeparable,
        LowRank,
        ChannelPruning,
        MagnitudePruning,
        SecondOrderPruning,
        WeightSharing,
        Quantization,
        FineTuning,
        EntropyCoding,
    )
}

PATTERN_SPARSITY = {"2:4": 0.5, "1:4": 0.75}
"""N:M patterns fix the fraction of zeros."""


def _check_pattern(pattern: Pattern, sparsity: float) -> None:
    fixed = PATTERN_SPARSITY.get(pattern)
    if fixed is not None and sparsity not in (0, fixed):
        raise ValueError(f"the pattern {pattern} has sparsity {fixed}; set sparsity to that, or choose another pattern")


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
