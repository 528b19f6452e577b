"""What settings and their values are called, the same for sliders, advanced controls and steps."""

from __future__ import annotations

from compression.recipe.steps import (
    ChannelPruning,
    Distillation,
    EntropyCoding,
    FineTuning,
    LowRank,
    MagnitudePruning,
    Quantization,
    SecondOrderPruning,
    Step,
    WeightSharing,
)

_TITLES = {
    "pruning_ratio": "Pruning ratio", "sparsity": "Zeros", "share": "Depthwise-separable share",
    "rank_ratio": "Rank kept", "width_mult": "Student size", "depth_mult": "Depth", "clusters": "Shared values",
    "weight_bits": "Bit width", "activation_bits": "Activation bits", "blocks": "Blocks that share weights",
    "coding": "How weights are written", "round_to": "Round channels to multiples of",
    "importance": "Which channels go first", "ratios": "How much of each layer", "target": "What the ratio counts",
    "recalibrate": "Recalibrate after pruning", "scope": "Compare weights across", "pattern": "Where zeros may be",
    "regrowth": "Zeros may come back for", "method": "Rounding", "granularity": "Scales",
    "activations": "Ranges of activations", "symmetric": "Symmetric grid", "float_format": "Kind of 16-bit number",
    "equalize": "Balance neighbouring layers first", "mixed_precision": "Bits by sensitivity of layers",
    "weighting": "Values are placed", "convolutions": "Convolutions become", "student": "Family",
    "match": "Also match", "match_weight": "Weight of that match", "learn_scales": "Train scales too",
    "entropy_penalty": "Push towards cheap weights", "rate_weight": "Round to cheaper codes",
}  # fmt: skip
_TITLES_OF_STEPS: dict[type[Step], dict[str, str]] = {
    LowRank: {"round_to": "Round ranks to multiples of"},
    WeightSharing: {"scope": "Codebooks"},
    FineTuning: {"alpha": "Help from the original", "temperature": "Temperature of that help"},
}
"""Settings that mean something else in one kind of step than in the others."""


def title_of(step: type[Step], field: str) -> str:
    """What people call a setting of a step."""
    plain = field.replace("_", " ").capitalize()
    return _TITLES_OF_STEPS.get(step, {}).get(field, _TITLES.get(field, plain))


REMOVE = {"channels": "whole channels", "weights": "single weights"}
IMPORTANCE = {
    "l2": "size of its weights (L2)",
    "l1": "size of its weights (L1)",
    "batch_norm": "batch-norm scale",
    "taylor": "effect on the loss (Taylor)",
    "activation": "strength of its answers",
    "random": "by chance",
}
RATIOS = {"uniform": "the same in every layer", "sensitivity": "by sensitivity"}
TARGET = {"channels": "channels", "macs": "operations (MACs)", "latency": "measured time"}
CRITERION = {"magnitude": "the smallest", "second_order": "those that matter least (second order)"}
PATTERN = {
    "weights": "anywhere",
    "2:4": "2 of every 4 stay (2:4)",
    "1:4": "1 of every 4 stays (1:4)",
    "blocks": "blocks of 4",
}
REGROWTH = {"none": "never", "gradient": "large gradients (RigL)", "magnitude": "grown weights (DNS)"}
SCOPE = {"global": "the whole network", "layer": "each layer"}
CODES = {"grid": "a grid", "codebook": "a codebook"}
WEIGHTING = {"hessian": "where weights matter most", "none": "for all weights alike"}
BOOKS = {"layer": "one a layer", "global": "one for all layers"}
METHOD = {
    "auto": "what suits the bits",
    "nearest": "nearest, full range",
    "mse": "nearest, range of least error",
    "gptq": "GPTQ: correct as you go",
    "adaround": "AdaRound: learn up or down",
}
GRANULARITY = {"channel": "one a channel", "tensor": "one a layer"}
ACTIVATIONS = {"static": "fixed beforehand", "dynamic": "found for each image"}
FLOATS = {"float16": "float16", "bfloat16": "bfloat16"}
STUDENT = {
    "same": "same family, trained for its size",
    "slimmable": "same family, ready in all sizes (slimmable)",
    "mobilenet_v3_small": "MobileNetV3-small",
    "efficientnet_b0": "EfficientNet-B0",
    "squeezenet": "SqueezeNet",
}
LOSS = {"kd": "whole prediction (KD)", "dkd": "target and others apart (DKD)"}
MATCH = {
    "none": "nothing",
    "hint": "features (hints)",
    "attention": "where features are strong",
    "relation": "how images relate",
}
CONVOLUTIONS = {"tucker": "fewer channels (Tucker)", "spatial": "rows and columns"}
RANKS = {"uniform": "the same in every layer", "error": "by error"}
CODING = {"context": "arithmetic, with context", "huffman": "Huffman codes", "packed": "plain bits"}

OF_STEPS: dict[type[Step], dict[str, dict[str, str]]] = {
    ChannelPruning: {"importance": IMPORTANCE, "ratios": RATIOS, "target": TARGET},
    MagnitudePruning: {"pattern": PATTERN, "scope": SCOPE, "regrowth": REGROWTH},
    SecondOrderPruning: {"pattern": PATTERN, "scope": SCOPE},
    WeightSharing: {"weighting": WEIGHTING, "scope": BOOKS},
    Quantization: {
        "method": METHOD,
        "granularity": GRANULARITY,
        "activations": ACTIVATIONS,
        "float_format": FLOATS,
    },
    Distillation: {
        "student": {name: title for name, title in STUDENT.items() if name != "slimmable"} | {"same": "same family"},
        "loss": LOSS,
        "match": MATCH,
    },
    LowRank: {"convolutions": CONVOLUTIONS, "ranks": RANKS},
    EntropyCoding: {"coding": CODING},
}
"""By kind of step and the name of its setting."""
