"""Steps and recipes in words, the same everywhere. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compression.recipe.recipe import Recipe
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
from compression.units import percent

STUDENTS = {
    "mobilenet_v3_small": "MobileNetV3-small",
    "efficientnet_b0": "EfficientNet-B0",
    "squeezenet": "SqueezeNet",
}
"""Families of students by their published names."""


METHODS = {
    "auto": "what suits the bits",
    "nearest": "nearest code",
    "mse": "least squared error",
    "gptq": "GPTQ",
    "adaround": "AdaRound",
}
"""Ways to round weights."""


_PATTERNS = {"2:4": "2 of every 4 weights", "1:4": "3 of every 4 weights"}
"""What an N:M pattern zeroes: all but N of M."""


IMPORTANCE = {
    "l1": "L1 norm", "l2": "L2 norm", "batch_norm": "batch-norm scale", "taylor": "Taylor",
    "activation": "activation", "random": "chance",
}  # fmt: skip


_REGROWTH = {"gradient": "zeros regrow by gradient (RigL)", "magnitude": "zeros regrow by magnitude (DNS)"}


_MATCHES = {"hint": "hints", "attention": "attention maps", "relation": "relations"}


CODINGS = {"context": "arithmetic coding", "huffman": "Huffman codes", "packed": "plain bits"}


COUNTED = {"macs": "MACs", "latency": "latency"}


def step_in_words(step: Step) -> str:
    """One step as a phrase: its main setting, and those others that do not have their default."""
    main, details = _PHRASES[type(step)]
    fields = type(step).model_fields
    chosen = [name for name in details if getattr(step, name) != fields[name].default]
    return ", ".join(filter(None, [main(step), *(details[name](getattr(step, name)) for name in chosen)]))


def _channels(step: ChannelPruning) -> str:
    share = percent(step.pruning_ratio, 0)
    if step.target == "channels":
        return f"prune {share} % of channels"
    return f"prune channels for {share} % less {COUNTED[step.target]}"


def _zeros(step: MagnitudePruning | SecondOrderPruning) -> str:
    if step.pattern in _PATTERNS and step.sparsity:
        return f"zero {_PATTERNS[step.pattern]}"
    decimals = 0 if round(100 * step.sparsity, 1).is_integer() else 1
    return f"zero {percent(step.sparsity, decimals)} % of weights{' in blocks' if step.pattern == 'blocks' else ''}"


def _quantization(step: Quantization) -> str:
    weights = "bfloat16" if step.weight_bits == 16 and step.float_format == "bfloat16" else f"{step.weight_bits}-bit"
    if not step.activation_bits:
        return f"{weights} weights"
    dynamic = "dynamic " if step.activations == "dynamic" else ""
    return f"{weights} weights, {dynamic}{step.activation_bits}-bit activations"


def _student(step: Distillation) -> str:
    student = f"{percent(step.width_mult, 0)} % wide {STUDENTS.get(step.student, 'student')}"
    if step.alpha == 0:
        return f"train a {student} without teacher, {_epochs(step.epochs)}"
    return f"distil a {student}, {_epochs(step.epochs)}"


def _separable(step: DepthwiseSeparable) -> str:
    if step.share == 1:
        return "depthwise-separable convolutions"
    return f"{percent(step.share, 0)} % of convolutions depthwise-separable"


def _plain(words: str) -> Callable[[object], str]:
    """Words that hold whatever the value."""
    return lambda value: words


def _number(words: str) -> Callable[[float], str]:
    return lambda value: f"{words} {value:g}"


def _percent_of(words: str) -> Callable[[float], str]:
    return lambda fraction: f"{percent(fraction, 0)} % {words}"


_ROUND_TO = {"round_to": lambda multiple: f"multiples of {multiple}"}


_RATE = {"learning_rate": _number("learning rate")}


_SCOPE = {"scope": _plain("the same share in each layer")}


_AS_IT_IS = {"recalibrate": _plain("not recalibrated")}


_PHRASES: dict[type[Step], tuple[Callable[[Any], str], dict[str, Callable[[Any], str]]]] = {
    ChannelPruning: (
        _channels,
        {
            "importance": lambda importance: f"by {IMPORTANCE[importance]}",
            "ratios": _plain("more where the network notices least"),
            **_ROUND_TO,
            **_AS_IT_IS,
        },
    ),
    MagnitudePruning: (
        _zeros,
        {
            **_SCOPE,
            "epochs": lambda epochs: f"gradually over {_epochs(epochs)}",
            "regrowth": lambda regrowth: _REGROWTH[regrowth],
            **_RATE,
            **_AS_IT_IS,
        },
    ),
    SecondOrderPruning: (lambda step: f"{_zeros(step)} by second-order effect", _SCOPE),
    LowRank: (
        lambda step: f"{percent(step.rank_ratio, 0)} % of full rank",
        {"convolutions": _plain("rows and columns"), "ranks": _plain("the same in every layer"), **_ROUND_TO},
    ),
    DepthwiseSeparable: (_separable, {}),
    LayerTying: (lambda step: f"{step.blocks} blocks share one set of weights", {}),
    WeightSharing: (
        lambda step: f"{step.clusters} shared weight values",
        {"weighting": _plain("all weights alike"), "scope": _plain("one codebook for all layers")},
    ),
    Quantization: (
        _quantization,
        {
            "granularity": _plain("one scale a layer"),
            "symmetric": _plain("asymmetric"),
            "method": lambda method: f"rounded by {METHODS[method]}",
            "equalize": _plain("equalized"),
            "mixed_precision": _plain("mixed precision"),
        },
    ),
    Distillation: (
        _student,
        {
            "depth_mult": _percent_of("deep"),
            "resolution": lambda side: f"{side} × {side} pixels",
            "teachers": lambda names: f"taught by {' and '.join(names)}",
            "alpha": lambda alpha: alpha and f"{percent(alpha, 0)} % taught by the teacher",
            "loss": _plain("DKD"),
            "match": lambda match: f"matching {_MATCHES[match]}",
            "match_weight": _number("weighted"),
            "temperature": _number("temperature"),
            **_RATE,
        },
    ),
    SlimmableStudent: (lambda step: f"{percent(step.width_mult, 0)} % wide slimmable student", {}),
    FineTuning: (
        lambda step: f"fine-tune {_epochs(step.epochs)}",
        {
            "alpha": _percent_of("taught by the original"),
            "temperature": _number("temperature"),
            **_RATE,
            "learn_scales": _plain("scales learned"),
            "entropy_penalty": _number("entropy penalty"),
        },
    ),
    EntropyCoding: (
        lambda step: CODINGS[step.coding],
        {"rate_weight": _number("rounded to cheaper codes, rate weight")},
    ),
}
"""Of each step: the phrase for what it does, and those for settings that differ from their default, in order."""


def recipe_in_words(recipe: Recipe) -> str:
    """The whole pipeline on one line; the seed where it is not the usual one."""
    words = " → ".join(step_in_words(step) for step in recipe.steps) or "the model as it is"
    return f"{words} (seed {recipe.seed})" if recipe.seed else words


def _epochs(epochs: float) -> str:
    return f"{epochs:g} epoch{'' if epochs == 1 else 's'}"
