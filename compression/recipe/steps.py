"""Steps and their settings: plain data, validated at the door. Torch-free.

The legal range of every setting stands here, once; validation, sliders and command line read it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from compression.kernels import KERNEL_CHANNELS

Pattern = Literal["weights", "2:4", "1:4", "blocks"]
Across = Literal["global", "layer"]
Regrowth = Literal["none", "gradient", "magnitude"]
Importance = Literal["l2", "l1", "batch_norm", "taylor", "activation", "random"]
Ratios = Literal["uniform", "sensitivity"]
Target = Literal["channels", "macs", "latency"]
Multiple = Literal[1, 2, 4, 8, 16]
Weighting = Literal["hessian", "none"]
Codebooks = Literal["layer", "global"]
ActivationBits = Literal[4, 5, 6, 7, 8]
Activations = Literal["static", "dynamic"]
Granularity = Literal["channel", "tensor"]
Rounding = Literal["auto", "nearest", "mse", "gptq", "adaround"]
FloatFormat = Literal["float16", "bfloat16"]
Loss = Literal["kd", "dkd"]
Match = Literal["none", "hint", "attention", "relation"]
Coding = Literal["context", "huffman", "packed"]
Share = Annotated[float, "percent"]
"""A fraction that people read in percent."""


class Data(BaseModel):
    """Plain data that is checked when it is made and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Levels = tuple[tuple[Annotated[str, Field(min_length=1, max_length=200)], float], ...]
"""Pairs of a layer's name and its level."""


class ByLayer(Data):
    """A step whose main setting may have another level in single layers, so that recipes can say an allocation."""

    WITH_LEVELS: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """What other settings must be with levels: one of these values. Others decide themselves what each layer gets."""

    technique: str
    levels: Levels = Field((), max_length=500, exclude_if=lambda levels: not levels)
    """The main setting for single layers by name; the others have its own value."""

    @field_validator("levels")
    @classmethod
    def _legal_levels(cls, levels: Levels) -> Levels:
        """In the order of names: equal allocations are equal recipes."""
        for name, count in Counter(name for name, _ in levels).items():
            if count > 1:
                raise ValueError(f"{name!r} has {count} levels; give each layer one")
        for name, level in levels:
            if not is_level(cls, level):
                raise ValueError(f"the level of {name!r} is {level:g}, but {_range_of_levels(cls)}")
        return tuple(sorted(levels))

    @model_validator(mode="after")
    def _goes_with_levels(self) -> Self:
        for setting, legal in self.WITH_LEVELS.items() if self.levels else ():
            if (value := getattr(self, setting)) not in legal:
                choice = f"{legal[0]} to {legal[-1]}" if len(legal) > 2 else " or ".join(map(str, legal))
                raise ValueError(
                    f"levels for single layers do not go with {setting} {value}; set that to {choice}, or leave levels "
                    "out"
                )
        return self

    @property
    def level(self) -> float:
        """That of all layers without one of their own: the main setting."""
        value: float = getattr(self, main_setting(type(self)))
        return value

    @property
    def lowest_level(self) -> float:
        """Of the main setting and all levels."""
        return min([self.level, *(level for _, level in self.levels)])


TAUGHT_ALPHA = 0.9
"""Usual weight of a teacher's predictions against the true labels (Hinton et al., 2015)."""

TAUGHT_TEMPERATURE = 4.0
"""What usually softens them."""

PATTERN_SPARSITY = {"2:4": 0.5, "1:4": 0.75}
"""N:M patterns fix the fraction of zeros."""


class WeightPruning(ByLayer):
    """Set single weights to zero."""

    WITH_LEVELS: ClassVar[Mapping[str, tuple[Any, ...]]] = {"pattern": ("weights", "blocks")}

    sparsity: Share = Field(ge=0, le=0.999, title="Zeros")
    """Fraction of weights that become zero."""
    scope: Across = Field("global", title="Compare weights across")
    """Compare weights across the whole network, or give every layer the same sparsity."""
    pattern: Pattern = Field("weights", title="Where zeros may be")
    """Single weights, N of every M neighbouring weights, or whole blocks of 4 weights."""

    @model_validator(mode="after")
    def _sparsity_of_pattern(self) -> Self:
        fixed = PATTERN_SPARSITY.get(self.pattern)
        if fixed is not None and self.sparsity not in (0, fixed):
            raise ValueError(
                f"the pattern {self.pattern} has sparsity {fixed}; set sparsity to that, or choose another pattern"
            )
        return self


class MagnitudePruning(WeightPruning):
    """Set the smallest weights to zero (Han et al., 2015), at once or little by little while training."""

    WITH_LEVELS: ClassVar[Mapping[str, tuple[Any, ...]]] = {**WeightPruning.WITH_LEVELS, "epochs": (0,)}

    technique: Literal["magnitude_pruning"] = "magnitude_pruning"
    epochs: float = Field(0, ge=0, le=200)
    """Passes over the training images while the sparsity rises; 0 prunes at once."""
    regrowth: Regrowth = Field("none", title="Zeros may come back for")
    """Whether zeros may come back while training: where the gradient is large (RigL), or where the hidden weight has
    grown (DNS)."""
    learning_rate: float = Field(0.01, gt=0, le=1)
    """Step size of the optimizer."""
    recalibrate: bool = Field(True, title="Recalibrate after pruning")
    """After pruning at once, fit what is left to what each layer answered before; no training."""


class SecondOrderPruning(WeightPruning):
    """Zero the weights that matter least to each layer's output; the others make up for them (Frantar et al., 2022)."""

    technique: Literal["second_order_pruning"] = "second_order_pruning"
    scope: Across = Field("global", title="Compare weights across")
    """Prune where the whole network loses least, or give every layer the same sparsity."""


class ChannelPruning(ByLayer):
    """Remove whole channels and neurons, wherever they are coupled (Li et al., 2017; Fang et al., 2023).

    A layer's level is that of all layers which lose the same channels.
    """

    WITH_LEVELS: ClassVar[Mapping[str, tuple[Any, ...]]] = {"target": ("channels",), "ratios": ("uniform",)}

    technique: Literal["channel_pruning"] = "channel_pruning"
    pruning_ratio: Share = Field(ge=0, le=0.95)
    """Fraction of the channels of each layer to remove."""
    importance: Importance = Field("l2", title="Which channels go first")
    """How a channel's worth is judged: size of its weights, its batch-norm scale, how the loss would change without it
    (Taylor), how strongly it answers (activation), or by chance."""
    ratios: Ratios = Field("uniform", title="How much of each layer")
    """The same ratio in every layer, or more where the network notices least."""
    target: Target = Field("channels", title="What the ratio counts")
    """What the pruning ratio counts: channels, operations (MACs), or measured time."""
    round_to: Multiple = Field(KERNEL_CHANNELS, title="Round channels to multiples of")
    """Keep a multiple of this many channels: fast kernels need 4 and like 8 or 16."""
    recalibrate: bool = Field(True, title="Recalibrate after pruning")
    """Afterwards fit what is left to what each layer answered before; no training."""


class LowRank(ByLayer):
    """Write each layer as a product of thinner ones (Denton et al., 2014; Kim et al., 2016)."""

    technique: Literal["low_rank"] = "low_rank"
    rank_ratio: Share = Field(ge=0.05, le=1, title="Rank kept")
    """Share of each layer's full rank that is kept."""
    convolutions: Literal["tucker", "spatial"] = Field("tucker", title="Convolutions become")
    """Fewer channels inside each convolution (Tucker-2), or one row and one column instead of a square."""
    ranks: Literal["uniform", "error"] = "error"
    """The same share in every layer, or lower ranks where they cost the least error."""
    round_to: Multiple = Field(KERNEL_CHANNELS, title="Round ranks to multiples of")
    """Ranks are multiples of this: fast kernels need 4 and like 8 or 16."""


class DepthwiseSeparable(Data):
    """Split convolutions into one filter a channel and a mixing of channels (Howard et al., 2017)."""

    technique: Literal["depthwise_separable"] = "depthwise_separable"
    share: Share = Field(1, ge=0, le=1, title="Depthwise-separable share")
    """Fraction of the convolutions that are replaced, those that lose least first; without training little of the
    accuracy is left."""


class LayerTying(Data):
    """Let neighbouring blocks of the same shape use one set of weights (Lan et al., ALBERT, 2020)."""

    technique: Literal["layer_tying"] = "layer_tying"
    blocks: int = Field(ge=1, le=8, title="Blocks that share weights")
    """How many blocks of the same shape share one set of weights."""


class WeightSharing(ByLayer):
    """Let all weights of a layer take few different values, kept in a codebook (Han et al., 2016)."""

    WITH_LEVELS: ClassVar[Mapping[str, tuple[Any, ...]]] = {"scope": ("layer",)}

    technique: Literal["weight_sharing"] = "weight_sharing"
    clusters: int = Field(ge=2, le=256, title="Shared values")
    """Number of different values."""
    weighting: Weighting = Field("hessian", title="Values are placed")
    """Place values by how much weights matter to the loss, or treat all weights alike."""
    scope: Codebooks = Field("layer", title="Codebooks")
    """A codebook for each layer, or one for the whole network."""


GRID_BITS = (1, 2, 3, 4, 5, 6, 7, 8)
"""Bits of a code on a grid; layers of one network may have different ones."""


class Quantization(ByLayer):
    """Store weights, and optionally activations, with few bits (Jacob et al., 2018)."""

    WITH_LEVELS: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "weight_bits": GRID_BITS,
        "mixed_precision": (False,),
    }

    technique: Literal["quantization"] = "quantization"
    weight_bits: Literal[1, 2, 3, 4, 5, 6, 7, 8, 16] = Field(title="Bit width")
    """Bits a weight; 16 is half precision, symmetric 2 is ternary (-1, 0, 1), 1 is binary."""
    activation_bits: ActivationBits | None = None
    """Bits an activation between layers, so that integer kernels run, or none (float)."""
    activations: Activations = Field("static", title="Ranges of activations")
    """Ranges of activations fixed on calibration images, or found for each image (linear layers only)."""
    granularity: Granularity = Field("channel", title="Scales")
    """One scale for each output channel, or one for the whole layer."""
    symmetric: bool = Field(True, title="Symmetric grid")
    """Zero in the middle of the grid, or a grid fitted to both ends."""
    method: Rounding = Field("auto", title="Rounding")
    """How weights are rounded: over their full range, clipped where that lowers the squared error, or so that each
    layer's answers change least (GPTQ, AdaRound). auto: the nearest for fine grids, else GPTQ."""
    float_format: FloatFormat = Field("float16", title="Kind of 16-bit number")
    """The kind of 16-bit number: finer (float16; layers beyond its range get bfloat16), or bfloat16 everywhere."""
    equalize: bool = Field(False, title="Balance neighbouring layers first")
    """First balance the ranges of neighbouring layers; the function stays the same."""
    mixed_precision: bool = Field(False, title="Bits by sensitivity of layers")
    """Give sensitive layers more bits and others fewer, in the same number of bytes."""


class Distillation(Data):
    """Train a smaller student on the teacher's predictions (Hinton et al., 2015)."""

    technique: Literal["distillation"] = "distillation"
    width_mult: Share = Field(ge=0.1, le=1, title="Student size")
    """Channels of the student relative to its family's full size."""
    student: Literal["same", "mobilenet_v3_small", "efficientnet_b0", "squeezenet"] = Field("same", title="Family")
    """The student's family: the teacher's own, or an efficient architecture."""
    depth_mult: Share = Field(1, ge=0.2, le=1, title="Depth")
    """Layers of the student relative to its family's full depth (other families)."""
    resolution: int | None = Field(None, ge=4, le=64)
    """Side in pixels to which a student of another family scales its images first."""
    teachers: tuple[str, ...] = Field((), max_length=4)
    """Models whose predictions are averaged as the teacher; none: the model itself."""
    epochs: float = Field(5, ge=0, le=200)
    """Passes over the training images."""
    loss: Loss = "kd"
    """Match the teacher's whole prediction (KD), or target and other classes apart (DKD)."""
    match: Match = Field("none", title="Also match")
    """Also match what happens inside: features, where they are strong, or how images relate."""
    match_weight: float = Field(1, ge=0, le=1000, title="Weight of that match")
    """Weight of that against the predictions."""
    temperature: float = Field(TAUGHT_TEMPERATURE, ge=1, le=20)
    """Softens the teacher's predictions."""
    alpha: float = Field(TAUGHT_ALPHA, ge=0, le=1)
    """Weight of the teacher's predictions against the true labels; 0 is plain training."""
    learning_rate: float | None = Field(None, gt=0, le=1)
    """Step size of the optimizer; none: 0.03 for the teacher's own family, 0.05 for others."""


class SlimmableStudent(Data):
    """Take a student of any width out of one network trained for all widths (Yu and Huang, 2019); no training."""

    technique: Literal["slimmable_student"] = "slimmable_student"
    width_mult: Share = Field(ge=0.25, le=1, title="Student size")
    """Channels of the student relative to the full network."""


class FineTuning(Data):
    """Train the compressed network on; masks, codes and shapes stay."""

    technique: Literal["fine_tuning"] = "fine_tuning"
    epochs: float = Field(ge=0, le=200)
    """Passes over the training images; fractions are allowed."""
    learning_rate: float | None = Field(None, gt=0, le=1)
    """Step size of the optimizer; none: from 0.003 to 0.03, smaller where nearly all predictions are still the original
    network's, and on grids. With a push towards cheap weights it is a share of each tensor's size; none: 0.02."""
    alpha: float = Field(TAUGHT_ALPHA, ge=0, le=1, title="Help from the original")
    """Weight of the original network's predictions against the true labels; 0 is plain training."""
    temperature: float = Field(TAUGHT_TEMPERATURE, ge=1, le=20, title="Temperature of that help")
    """Softens the original network's predictions."""
    learn_scales: bool = Field(False, title="Train scales too")
    """Train the scales of quantized layers too (LSQ)."""
    entropy_penalty: float = Field(0, ge=0, le=1, title="Push towards cheap weights")
    """How hard training pushes towards weights that need few bits in the stored file; above 0.3 accuracy pays for
    it."""


class EntropyCoding(Data):
    """How the stored file writes weights down; only `rate_weight` changes them."""

    technique: Literal["entropy_coding"] = "entropy_coding"
    coding: Coding = Field("context", title="How weights are written")
    """Adaptive arithmetic coding, Huffman codes, or plain bits without any entropy coding."""
    rate_weight: float = Field(0, ge=0, le=1, title="Round to cheaper codes")
    """Round to a cheaper neighbouring code where that changes the layer little."""


Step = (
    Distillation
    | SlimmableStudent
    | LayerTying
    | DepthwiseSeparable
    | LowRank
    | ChannelPruning
    | MagnitudePruning
    | SecondOrderPruning
    | WeightSharing
    | Quantization
    | FineTuning
    | EntropyCoding
)
AnyStep = Annotated[Step, Field(discriminator="technique")]
STEP_TYPES: dict[str, type[Step]] = {step.model_fields["technique"].default: step for step in get_args(Step)}
"""By technique, in the order in which steps usually come."""


def technique_of(step_type: type[Step]) -> str:
    """The name of what carries a step out, as recipes have it."""
    name: str = step_type.model_fields["technique"].default
    return name


def fields_of(step_type: type[Step]) -> tuple[str, ...]:
    """The settings of a step that controls can say, in order: all but the levels of single layers."""
    return tuple(name for name in step_type.model_fields if name not in ("technique", "levels"))


def main_setting(step_type: type[Data]) -> str:
    """The setting that a step must be given: how much of it is to be done."""
    return next(name for name, field in step_type.model_fields.items() if field.is_required())


def is_level(step_type: type[ByLayer], level: float) -> bool:
    """Whether single layers may have this level of a step's main setting."""
    low, high = _limits_of_levels(step_type)
    return low <= level <= high and (level.is_integer() or is_share(step_type, main_setting(step_type)))


def _limits_of_levels(step_type: type[ByLayer]) -> tuple[float, float]:
    main = main_setting(step_type)
    legal = step_type.WITH_LEVELS.get(main) or limits(step_type, main)
    return min(legal), max(legal)


def _range_of_levels(step_type: type[ByLayer]) -> str:
    main, (low, high) = main_setting(step_type), _limits_of_levels(step_type)
    whole = "" if is_share(step_type, main) else ", in whole numbers"
    return f"{main} of single layers goes from {low:g} to {high:g}{whole}"


def is_share(step_type: type[Data], setting: str) -> bool:
    """Whether people read a setting in percent."""
    return "percent" in step_type.model_fields[setting].metadata


def options(step_type: type[Step], setting: str) -> tuple[Any, ...]:
    """The values of a setting that has few, `None` among them where it may be left out; else empty."""
    annotation = step_type.model_fields[setting].annotation
    literals = [part for part in (annotation, *get_args(annotation)) if get_origin(part) is Literal]
    values = get_args(literals[0]) if literals else ()
    return (*values, None) if literals and literals[0] is not annotation else values


def limits(step_type: type[Data], setting: str) -> tuple[float, float]:
    """Smallest and largest legal value of a numeric setting."""
    low, high = None, None
    for rule in step_type.model_fields[setting].metadata:
        low = getattr(rule, "ge", getattr(rule, "gt", low))
        high = getattr(rule, "le", getattr(rule, "lt", high))
    assert low is not None and high is not None, f"{step_type.__name__}.{setting} has no range"
    return float(low), float(high)


def title_of(step_type: type[Step], setting: str) -> str:
    """What people call a setting."""
    return step_type.model_fields[setting].title or setting.replace("_", " ").capitalize()


def help_text(step_type: type[Step], setting: str) -> str:
    """One sentence for a tooltip: what stands below the setting in its class, or else its field's description."""
    classes = [base for base in step_type.__mro__ if issubclass(base, Data)]
    below = (_sentences(base.__module__).get((base.__name__, setting)) for base in classes)
    return next(filter(None, below), None) or step_type.model_fields[setting].description or ""


@functools.cache
def _sentences(module: str) -> dict[tuple[str, str], str]:
    """By class and setting. Read when asked for: with `use_attribute_docstrings` importing takes twice as long."""
    found = {}
    for kind in ast.parse(inspect.getsource(sys.modules[module])).body:
        for pair in itertools.pairwise(getattr(kind, "body", ())):
            match kind, *pair:
                case [
                    ast.ClassDef(name=name),
                    ast.AnnAssign(target=ast.Name(id=setting)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ]:
                    found[name, setting] = " ".join(words.split())
    return found
