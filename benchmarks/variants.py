"""What the table of techniques tries: each technique with its settings, alone and combined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from compression.errors import NotApplicable
from compression.models.subject import subject_of
from compression.recipe.budgets import Budget, student_passes, tuning_passes
from compression.recipe.steps import STEP_TYPES, TAUGHT_ALPHA, ChannelPruning, Distillation, EntropyCoding
from compression.recipe.words import kind_of, option

Steps = list[dict[str, Any]]

STUDENT_SIZE = ("student", "width_mult", "depth_mult", "resolution")
"""Settings of a student that decide how long one pass of training it takes."""


@dataclass(frozen=True)
class Plan:
    """For which model the steps are, and how much they may train."""

    model: str
    budget: Budget

    @property
    def epochs(self) -> float:
        """Epochs of training the compressed network; 0 is none."""
        return 0.0 if self.budget == "none" else tuning_passes(subject_of(self.model), self.budget, alpha=TAUGHT_ALPHA)

    @property
    def peers(self) -> list[str]:
        """Other sample models for the same data."""
        return list(subject_of(self.model).teachers[1:])


@dataclass(frozen=True)
class Variant:
    """One setting of a technique; `steps` may raise `NotApplicable`. `trains`: there is no such thing untrained."""

    technique: str
    name: str
    steps: Callable[[Plan], Steps]
    trains: bool = False


def step(technique: str, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 - settings are of any type
    """A step as plain data."""
    return {"technique": technique, **settings}


def tuned(*steps: dict[str, Any], **settings: Any) -> Callable[[Plan], Steps]:  # noqa: ANN401
    """The steps, and behind them fine-tuning (with `settings`) where the budget allows it."""

    def build(plan: Plan) -> Steps:
        training = [step("fine_tuning", epochs=plan.epochs, **settings)] if plan.epochs else []
        return [*steps, *training]

    return build


def magnitude_pruning() -> Iterator[Variant]:
    """Sparsities, scopes, patterns, and schedules while training."""
    one = "magnitude_pruning"
    for sparsity in (0.5, 0.8, 0.9, 0.95):
        yield Variant(one, f"{sparsity:.0%} of weights", tuned(step(one, sparsity=sparsity)))
    yield Variant(one, "80% in each layer", tuned(step(one, sparsity=0.8, scope="layer")))
    yield Variant(one, "80%, not recalibrated", tuned(step(one, sparsity=0.8, recalibrate=False)))
    yield Variant(one, "80% in blocks", tuned(step(one, sparsity=0.8, pattern="blocks")))
    yield Variant(one, "2:4", tuned(step(one, sparsity=0.5, pattern="2:4")))
    yield Variant(one, "1:4", tuned(step(one, sparsity=0.75, pattern="1:4")))
    for name, regrowth in (("gradual", "none"), ("gradual, RigL", "gradient"), ("gradual, DNS", "magnitude")):
        yield Variant(one, f"95%, {name}", _gradual(regrowth), trains=True)


def _gradual(regrowth: str) -> Callable[[Plan], Steps]:
    return lambda plan: [
        step("magnitude_pruning", sparsity=0.95, epochs=plan.epochs, regrowth=regrowth, learning_rate=0.02)
    ]


def second_order_pruning() -> Iterator[Variant]:
    """The same with exact second-order updates."""
    one = "second_order_pruning"
    for sparsity in (0.5, 0.8, 0.9, 0.95):
        yield Variant(one, f"{sparsity:.0%} of weights", tuned(step(one, sparsity=sparsity)))
    yield Variant(one, "80% in each layer", tuned(step(one, sparsity=0.8, scope="layer")))
    yield Variant(one, "80% in blocks", tuned(step(one, sparsity=0.8, pattern="blocks")))
    yield Variant(one, "2:4", tuned(step(one, sparsity=0.5, pattern="2:4")))
    yield Variant(one, "1:4", tuned(step(one, sparsity=0.75, pattern="1:4")))


def channel_pruning() -> Iterator[Variant]:
    """Importances, ratios, targets."""
    one = "channel_pruning"
    for importance in ("l2", "l1", "batch_norm", "taylor", "activation", "random"):
        name = f"50% {option(ChannelPruning, 'importance', importance).phrase}"
        yield Variant(one, name, tuned(step(one, pruning_ratio=0.5, importance=importance)))
    yield Variant(one, "30%", tuned(step(one, pruning_ratio=0.3)))
    yield Variant(one, "30%, any width", tuned(step(one, pruning_ratio=0.3, round_to=1)))
    yield Variant(one, "50%, not recalibrated", tuned(step(one, pruning_ratio=0.5, recalibrate=False)))
    yield Variant(one, "50%, multiples of 8", tuned(step(one, pruning_ratio=0.5, round_to=8)))
    yield Variant(one, "50% by sensitivity", tuned(step(one, pruning_ratio=0.5, ratios="sensitivity")))
    for target in ("macs", "latency"):
        counted = option(ChannelPruning, "target", target).phrase
        for ratios in ("uniform", "sensitivity"):
            settings = {"pruning_ratio": 0.5, "target": target, "ratios": ratios, "importance": "taylor"}
            yield Variant(one, f"50% of {counted}, {ratios}", tuned(step(one, **settings)))


def quantization() -> Iterator[Variant]:
    """Bits by methods; activations; grids; 16-bit floats; scales learned in training."""
    one = "quantization"
    for bits in (8, 4, 3, 2, 1):
        for method in ("nearest", "mse", "gptq", "adaround"):
            yield Variant(one, f"W{bits}, {method}", tuned(step(one, weight_bits=bits, method=method)))
    yield Variant(one, "W4, one scale a layer", tuned(step(one, weight_bits=4, granularity="tensor")))
    yield Variant(one, "W4, asymmetric", tuned(step(one, weight_bits=4, symmetric=False)))
    yield Variant(one, "W4, equalized", tuned(step(one, weight_bits=4, granularity="tensor", equalize=True)))
    yield Variant(one, "W4, mixed precision", tuned(step(one, weight_bits=4, mixed_precision=True)))
    yield Variant(one, "W8 A8", tuned(step(one, weight_bits=8, activation_bits=8)))
    yield Variant(one, "W4 A8, AdaRound", tuned(step(one, weight_bits=4, activation_bits=8, method="adaround")))
    yield Variant(one, "W4 A4", tuned(step(one, weight_bits=4, activation_bits=4)))
    yield Variant(one, "W8 A8, dynamic", tuned(step(one, weight_bits=8, activation_bits=8, activations="dynamic")))
    yield Variant(one, "float16", tuned(step(one, weight_bits=16)))
    yield Variant(one, "bfloat16", tuned(step(one, weight_bits=16, float_format="bfloat16")))
    for bits in (3, 2):
        yield Variant(
            one, f"W{bits}, scales learned", tuned(step(one, weight_bits=bits), learn_scales=True), trains=True
        )


def weight_sharing() -> Iterator[Variant]:
    """Codebooks; fine-tuning trains their values."""
    one = "weight_sharing"
    for clusters in (256, 16, 4):
        yield Variant(one, f"{clusters} values", tuned(step(one, clusters=clusters)))
    yield Variant(one, "16 values, all weights alike", tuned(step(one, clusters=16, weighting="none")))
    yield Variant(one, "16 values for all layers", tuned(step(one, clusters=16, scope="global")))


def structure() -> Iterator[Variant]:
    """Tied blocks, low rank, depthwise-separable convolutions."""
    for blocks in (2, 3):
        yield Variant("layer_tying", f"{blocks} blocks", tuned(step("layer_tying", blocks=blocks)))
    low, thin = "low_rank", "depthwise_separable"
    yield Variant(low, "50% Tucker", tuned(step(low, rank_ratio=0.5, ranks="uniform")))
    yield Variant(low, "25% Tucker", tuned(step(low, rank_ratio=0.25, ranks="uniform")))
    rows = step(low, rank_ratio=0.5, ranks="uniform", convolutions="spatial")
    yield Variant(low, "50% rows and columns", tuned(rows))
    yield Variant(low, "50% Tucker, by error", tuned(step(low, rank_ratio=0.5, ranks="error")))
    yield Variant(low, "25% Tucker, by error", tuned(step(low, rank_ratio=0.25, ranks="error")))
    yield Variant(
        low, "50% rows and columns, by error", tuned(step(low, rank_ratio=0.5, ranks="error", convolutions="spatial"))
    )
    yield Variant(low, "50% Tucker, multiples of 8", tuned(step(low, rank_ratio=0.5, round_to=8)))
    for share in (0.5, 1):
        yield Variant(thin, f"{share:.0%} of convolutions", tuned(step(thin, share=share)))


def students() -> Iterator[Variant]:
    """Students of the same family and of others, ways to teach them, and the same without a teacher."""
    yield Variant("distillation", "50% wide, KD", _student(), trains=True)
    yield Variant("distillation", "25% wide, KD", _student(width_mult=0.25), trains=True)
    yield Variant("distillation", "50% wide, no teacher (control)", _student(alpha=0), trains=True)
    yield Variant("distillation", "50% wide, DKD", _student(loss="dkd"), trains=True)
    for match in ("hint", "attention", "relation"):
        yield Variant("distillation", f"50% wide, KD and {match}", _student(match=match), trains=True)
    yield Variant("distillation", "50% wide, ensemble", _taught_by_many, trains=True)
    for family in ("mobilenet_v3_small", "efficientnet_b0", "squeezenet"):
        name = option(Distillation, "student", family).phrase
        yield Variant("distillation", f"50% wide {name}", _student(student=family, depth_mult=0.5), trains=True)
        yield Variant(
            "distillation", f"50% wide {name} (control)", _student(student=family, depth_mult=0.5, alpha=0), trains=True
        )
    larger = _student(student="mobilenet_v3_small", depth_mult=0.5, resolution=32)
    yield Variant("distillation", "50% wide MobileNetV3-small, 32 × 32 pixels", larger, trains=True)
    for width in (0.5, 0.25):
        slimmable = step("slimmable_student", width_mult=width)
        yield Variant("slimmable_student", f"{width:.0%} wide", tuned(slimmable))


def _student(**settings: Any) -> Callable[[Plan], Steps]:  # noqa: ANN401
    size = {"width_mult": 0.5} | {name: settings[name] for name in STUDENT_SIZE if name in settings}

    def build(plan: Plan) -> Steps:
        epochs = student_passes(subject_of(plan.model), plan.budget, **size)
        return [step("distillation", **({"width_mult": 0.5, "epochs": epochs} | settings))]

    return build


def _taught_by_many(plan: Plan) -> Steps:
    if not plan.peers:
        raise NotApplicable("no other sample model has learned these data")
    return _student(teachers=[plan.model, *plan.peers[:2]])(plan)


def file_coding() -> Iterator[Variant]:
    """Codings of the stored file, on weights that are sparse and have few bits."""
    one = "entropy_coding"
    before = (step("magnitude_pruning", sparsity=0.8), step("quantization", weight_bits=4))
    for coding in ("context", "huffman", "packed"):
        name = f"80% zeros, W4, {option(EntropyCoding, 'coding', coding).phrase}"
        yield Variant(one, name, _coded(*before, coding=coding))
    yield Variant(one, "W4, cheaper codes", _coded(step("quantization", weight_bits=4), rate_weight=0.1))
    yield Variant(
        one, "W4, entropy penalty", tuned(step("quantization", weight_bits=4), entropy_penalty=0.1), trains=True
    )


def _coded(*steps: dict[str, Any], **settings: Any) -> Callable[[Plan], Steps]:  # noqa: ANN401
    return lambda plan: [*tuned(*steps)(plan), step("entropy_coding", **settings)]


def recovery() -> Iterator[Variant]:
    """Training alone: what the budget is worth without any compression."""
    yield Variant("fine_tuning", "plain", tuned(alpha=0), trains=True)
    yield Variant("fine_tuning", "taught by the original", tuned(), trains=True)
    halved = step("channel_pruning", pruning_ratio=0.5)
    yield Variant("fine_tuning", "50% channels, plain (control)", tuned(halved, alpha=0), trains=True)
    yield Variant("fine_tuning", "50% channels, self-distillation", tuned(halved), trains=True)


def combinations() -> Iterator[Variant]:
    """Techniques one after another."""
    one = "combination"
    integers = step("quantization", weight_bits=8, activation_bits=8)
    yield Variant(one, "Deep Compression: 90% zeros, 16 values", _deep_compression)
    yield Variant(one, "50% channels, W8 A8", _in_stages(step("channel_pruning", pruning_ratio=0.5), integers))
    yield Variant(one, "50% rank, W8 A8", _in_stages(step("low_rank", rank_ratio=0.5), integers))
    yield Variant(
        one,
        "second-order 80% zeros, W4 GPTQ",
        _in_stages(step("second_order_pruning", sparsity=0.8), step("quantization", weight_bits=4, method="gptq")),
    )
    yield Variant(
        one,
        "30% channels, 80% zeros, W4",
        _in_stages(
            step("channel_pruning", pruning_ratio=0.3),
            step("magnitude_pruning", sparsity=0.8),
            step("quantization", weight_bits=4),
        ),
    )
    yield Variant(one, "50% wide student, 80% zeros, W4", _student_pipeline, trains=True)


def _in_stages(*steps: dict[str, Any]) -> Callable[[Plan], Steps]:
    """Fine-tuning behind every step where the budget allows it, with equal shares of it."""

    def build(plan: Plan) -> Steps:
        training = [step("fine_tuning", epochs=plan.epochs / len(steps))] if plan.epochs else []
        return [made for compressed in steps for made in (compressed, *training)]

    return build


def _deep_compression(plan: Plan) -> Steps:
    """Han et al., 2016: prune, retrain, share, train the codebooks, code."""
    stages = _in_stages(step("magnitude_pruning", sparsity=0.9), step("weight_sharing", clusters=16))
    return [*stages(plan), step("entropy_coding", coding="huffman")]


def _student_pipeline(plan: Plan) -> Steps:
    stages = _in_stages(step("magnitude_pruning", sparsity=0.8), step("quantization", weight_bits=4))
    return [*_student()(plan), *stages(plan)]


TRIED: tuple[Variant, ...] = tuple(
    variant
    for family in (
        magnitude_pruning,
        second_order_pruning,
        channel_pruning,
        quantization,
        weight_sharing,
        structure,
        students,
        file_coding,
        recovery,
        combinations,
    )
    for variant in family()
)
"""Every setting of these techniques."""


def others() -> Iterator[Variant]:
    """Techniques that nothing is written down for here: each as a new step of it is."""
    for technique in STEP_TYPES.keys() - {variant.technique for variant in TRIED}:
        kind = kind_of(STEP_TYPES[technique])
        yield Variant(technique, kind.title, tuned(step(technique, **kind.start)))


VARIANTS = (*TRIED, *others())
