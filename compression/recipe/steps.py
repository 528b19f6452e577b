"""Steps and their settings: plain data, validated at the door. Torch-free.

The legal range of every setting stands here, once; validation, sliders and command line read it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from compression.kernels import KERNEL_CHANNELS

Pattern = Literal["weights", "2:4", "1:4", "blocks"]


class Data(BaseModel):
    """Plain data that is checked when it is made and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MagnitudePruning(Data):
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


class SecondOrderPruning(Data):
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


class ChannelPruning(Data):
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


class LowRank(Data):
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


class DepthwiseSeparable(Data):
    """Split convolutions into one filter a channel and a mixing of channels (Howard et al., 2017)."""

    technique: Literal["depthwise_separable"] = "depthwise_separable"
    share: float = Field(
        1, ge=0, le=1, description="Fraction of the convolutions that are replaced, those that lose least first."
    )


class LayerTying(Data):
    """Let neighbouring blocks of the same shape use one set of weights (Lan et al., ALBERT, 2020)."""

    technique: Literal["layer_tying"] = "layer_tying"
    blocks: int = Field(ge=1, le=8, description="How many blocks of the same shape share one set of weights.")


class WeightSharing(Data):
    """Let all weights of a layer take few different values, kept in a codebook (Han et al., 2016)."""

    technique: Literal["weight_sharing"] = "weight_sharing"
    clusters: int = Field(ge=2, le=256, description="Number of different values.")
    weighting: Literal["none", "hessian"] = Field(
        "hessian", description="Place values by how much weights matter to the loss, or treat all weights alike."
    )
    scope: Literal["layer", "global"] = Field(
        "layer", description="A codebook for each layer, or one for the whole network."
    )


class Quantization(Data):
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


class Distillation(Data):
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


class SlimmableStudent(Data):
    """Take a student of any width out of one network trained for all widths (Yu and Huang, 2019); no training."""

    technique: Literal["slimmable_student"] = "slimmable_student"
    width_mult: float = Field(ge=0.25, le=1, description="Channels of the student relative to the full network.")


class FineTuning(Data):
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


class EntropyCoding(Data):
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
