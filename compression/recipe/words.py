"""Kinds of steps, their settings and whole recipes in words, the same everywhere. Torch-free."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from compression.models.subject import Subject
from compression.recipe import steps
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Step
from compression.units import counted, percent


class Option(NamedTuple):
    """One value of a setting: what lists call it, and what a step's phrase says of it."""

    label: str
    phrase: str = ""


Said = str | Callable[[Any], str] | Mapping[Any, Option]
"""A setting's values in words: a format for any value, a function of it, or each value's own words."""


@dataclass(frozen=True)
class Kind:
    """A kind of step for people.

    `about` says in one sentence what it does, `start` is what a new step has, its main setting first. `phrase` says
    what a step does with its main setting and those `within`; `said` are the words of the other settings, which the
    phrase goes on with where they do not have their default, and the labels of all. With a `slider`, sliders can say
    the step: these are the main setting's positions, in percent where it is a share, and the first does nothing.
    `needs` says whether a model can take the step.
    """

    title: str
    about: str
    start: Mapping[str, Any]
    phrase: Callable[[Any], str]
    said: Mapping[str, Said] = field(default_factory=dict)
    within: tuple[str, ...] = ()
    slider: range | None = None
    needs: Callable[[Subject], bool] = lambda subject: True

    @property
    def main(self) -> str:
        """The setting that matters most; empty for a step without settings."""
        return next(iter(self.start), "")

    @property
    def off(self) -> int:
        """The position of the slider that does nothing."""
        return self.slider[0] if self.slider else 0


def kind_of(step_type: type[Step]) -> Kind:
    """What people call a kind of step; one that nobody has described goes by its own names."""
    return KINDS.get(step_type) or _undescribed(step_type)


def _undescribed(step_type: type[Step]) -> Kind:
    title = steps.technique_of(step_type).replace("_", " ").capitalize()
    about = inspect.cleandoc(step_type.__doc__ or title).partition("\n\n")[0]
    names, fields = steps.fields_of(step_type), step_type.model_fields
    needed = [name for name in names if fields[name].is_required()]
    start = {name: _first_value(step_type, name) for name in needed} or {
        name: fields[name].default for name in names[:1]
    }
    words = {name: name.replace("_", " ") + " {}" for name in names}
    return Kind(title, about, start, lambda step: title.lower(), words)


def _first_value(step_type: type[Step], setting: str) -> Any:  # noqa: ANN401  (settings differ in type)
    if step_type.model_fields[setting].annotation is bool:
        return False
    return (steps.options(step_type, setting) or steps.limits(step_type, setting))[0]


def option(step_type: type[Step], setting: str, value: object) -> Option:
    """A value's words, its own name where it has no others."""
    said = kind_of(step_type).said.get(setting)
    name = NONE.get(setting, "none") if value is None else str(value).replace("_", " ")
    return said.get(value, Option(name, name)) if isinstance(said, Mapping) else Option(name, name)


def labels(step_type: type[Step], setting: str) -> dict[Any, str]:
    """What lists call the values of a setting that has few, in order."""
    return {value: option(step_type, setting, value).label for value in steps.options(step_type, setting)}


def step_in_words(step: Step) -> str:
    """One step as a phrase: its main setting, and those others that do not have their default."""
    kind, fields = kind_of(type(step)), type(step).model_fields
    others = [name for name in kind.said if name not in kind.within and getattr(step, name) != fields[name].default]
    levels = step.levels if isinstance(step, steps.ByLayer) else ()
    otherwise = f"{counted(len(levels), 'layer')} otherwise" if levels else ""
    return ", ".join(filter(None, [kind.phrase(step), *(_phrase(step, name) for name in others), otherwise]))


SHOWN_LEVELS = 6
"""Layers that are named; networks may have hundreds."""


def levels_in_words(step: Step) -> str:
    """What single layers have in place of the main setting's value; empty where none has a level of its own."""
    if not isinstance(step, steps.ByLayer) or not step.levels:
        return ""
    main = kind_of(type(step)).main
    said = [
        f"{name} {counted(level, _UNITS[main]) if main in _UNITS else _exact_share(level)}"
        for name, level in step.levels
    ]
    more = f" and {len(said) - SHOWN_LEVELS} more" if len(said) > SHOWN_LEVELS else ""
    return f"Levels of {counted(len(said), 'layer')}: {', '.join(said[:SHOWN_LEVELS])}{more}"


def levels_chosen(recipe: Recipe) -> str:
    """'zeros and bits chosen layer by layer'; what `recipe_in_words` says where no layer has a level of its own."""
    if not any(step.levels for step in recipe.steps if isinstance(step, steps.ByLayer)):
        return recipe_in_words(recipe)
    nouns = [_CHOSEN.get(kind_of(type(step)).main, kind_of(type(step)).title.lower()) for step in recipe.steps]
    return f"{' and '.join(filter(None, [', '.join(nouns[:-1]), nouns[-1]]))} chosen layer by layer"


def _phrase(step: Step, setting: str) -> str:
    said, value = kind_of(type(step)).said[setting], getattr(step, setting)
    if isinstance(said, Mapping):
        return option(type(step), setting, value).phrase
    return said.format(value) if isinstance(said, str) else said(value)


def recipe_in_words(recipe: Recipe) -> str:
    """The whole pipeline on one line; the seed where it is not the usual one."""
    words = " → ".join(step_in_words(step) for step in recipe.steps) or "the original model"
    return f"{words} (seed {recipe.seed})" if recipe.seed else words


def _epochs(epochs: float) -> str:
    return counted(float(epochs), "epoch")


def _percent_of(words: str) -> Callable[[float], str]:
    return lambda fraction: f"{percent(fraction, 0)} % {words}"


def _channels(step: steps.ChannelPruning) -> str:
    share = percent(step.pruning_ratio, 0)
    if step.target == "channels":
        return f"prune {share} % of channels"
    return f"prune channels for {share} % less {_phrase(step, 'target')}"


def _zeros(step: steps.MagnitudePruning | steps.SecondOrderPruning) -> str:
    if step.pattern in steps.PATTERN_SPARSITY and step.sparsity:
        return f"zero {_phrase(step, 'pattern')}"
    return f"zero {_exact_share(step.sparsity)} of weights{' in blocks' if step.pattern == 'blocks' else ''}"


def _exact_share(fraction: float) -> str:
    """With a decimal where it has one."""
    return f"{percent(fraction, 0 if round(100 * fraction, 1).is_integer() else 1)} %"


def _quantization(step: steps.Quantization) -> str:
    weights = "bfloat16" if step.weight_bits == 16 and step.float_format == "bfloat16" else f"{step.weight_bits}-bit"
    if not step.activation_bits:
        return f"{weights} weights"
    dynamic = "dynamic " if step.activations == "dynamic" else ""
    return f"{weights} weights, {dynamic}{step.activation_bits}-bit activations"


def _student(step: steps.Distillation) -> str:
    student = f"{percent(step.width_mult, 0)} % wide {_phrase(step, 'student')}"
    if step.alpha == 0:
        return f"train a {student} without teacher, {_epochs(step.epochs)}"
    return f"distil a {student}, {_epochs(step.epochs)}"


def _separable(step: steps.DepthwiseSeparable) -> str:
    if step.share == 1:
        return "depthwise-separable convolutions"
    return f"{percent(step.share, 0)} % of convolutions depthwise-separable"


_UNITS = {"weight_bits": "bit", "clusters": "shared value"}
"""What levels count that are no shares."""
_CHOSEN = {
    "pruning_ratio": "channels",
    "rank_ratio": "ranks",
    "sparsity": "zeros",
    "clusters": "shared values",
    "weight_bits": "bits",
}
"""What has levels, by the main setting."""

NONE = {"activation_bits": "32 (off)", "resolution": "that of the images", "learning_rate": "the usual one"}
"""What it means to leave a setting out."""

_PATTERN = {
    "weights": Option("anywhere"),
    "2:4": Option("2 of every 4 stay (2:4)", "2 of every 4 weights"),
    "1:4": Option("1 of every 4 stays (1:4)", "3 of every 4 weights"),
    "blocks": Option("blocks of 4"),
}
"""The phrases say what an N:M pattern zeroes: all but N of M."""
_ACROSS = {"global": Option("the whole network"), "layer": Option("each layer", "the same share in each layer")}
_TEMPERATURE, _RATE, _ROUND_TO = "temperature {:g}", "learning rate {:g}", "multiples of {}"
_AS_IT_IS = "not recalibrated"

KINDS: dict[type[Step], Kind] = {
    steps.Distillation: Kind(
        "Distil a student",
        "Trains a smaller network on the answers of the large one.",
        {"width_mult": 0.5},
        _student,
        {
            "student": {
                "same": Option("same family, trained for its size", "student"),
                "mobilenet_v3_small": Option("MobileNetV3-small", "MobileNetV3-small"),
                "efficientnet_b0": Option("EfficientNet-B0", "EfficientNet-B0"),
                "squeezenet": Option("SqueezeNet", "SqueezeNet"),
            },
            "depth_mult": _percent_of("deep"),
            "resolution": "{0} × {0} pixels",
            "teachers": lambda names: f"taught by {' and '.join(names)}",
            "alpha": lambda alpha: alpha and f"{percent(alpha, 0)} % taught by the teacher",
            "loss": {"kd": Option("whole prediction (KD)"), "dkd": Option("target and others apart (DKD)", "DKD")},
            "match": {
                "none": Option("nothing"),
                "hint": Option("features (hints)", "matching hints"),
                "attention": Option("where features are strong", "matching attention maps"),
                "relation": Option("how images relate", "matching relations"),
            },
            "match_weight": "weighted {:g}",
            "temperature": _TEMPERATURE,
            "learning_rate": _RATE,
        },
        within=("student",),
    ),
    steps.SlimmableStudent: Kind(
        "Take a slimmable student",
        "Takes a student of any width out of a network trained for all widths.",
        {"width_mult": 0.5},
        lambda step: f"{percent(step.width_mult, 0)} % wide slimmable student",
        needs=lambda subject: subject.has_slimmable,
    ),
    steps.LayerTying: Kind(
        "Tie layers",
        "Neighbouring blocks of the same shape use one set of weights.",
        {"blocks": 2},
        lambda step: f"{step.blocks} blocks share one set of weights",
        slider=range(1, 8 + 1),
    ),
    steps.DepthwiseSeparable: Kind(
        "Separate convolutions",
        "One filter a channel and a mixing of channels instead of full convolutions.",
        {"share": 0.5},
        _separable,
        slider=range(0, 100 + 1, 25),
    ),
    steps.LowRank: Kind(
        "Lower the rank",
        "Writes each layer as a product of thinner ones.",
        {"rank_ratio": 0.5},
        lambda step: f"{percent(step.rank_ratio, 0)} % of full rank",
        {
            "convolutions": {
                "tucker": Option("fewer channels (Tucker)"),
                "spatial": Option("rows and columns", "rows and columns"),
            },
            "ranks": {
                "uniform": Option("the same in every layer", "the same in every layer"),
                "error": Option("by error"),
            },
            "round_to": _ROUND_TO,
        },
        slider=range(100, 5 - 1, -5),
    ),
    steps.ChannelPruning: Kind(
        "Prune channels",
        "Removes whole channels and neurons: the network really gets smaller.",
        {"pruning_ratio": 0.5},
        _channels,
        {
            "importance": {
                "l2": Option("size of its weights (L2)", "by L2 norm"),
                "l1": Option("size of its weights (L1)", "by L1 norm"),
                "batch_norm": Option("batch-norm scale", "by batch-norm scale"),
                "taylor": Option("effect on the loss (Taylor)", "by Taylor"),
                "activation": Option("strength of its answers", "by activation"),
                "random": Option("by chance", "by chance"),
            },
            "ratios": {
                "uniform": Option("the same in every layer"),
                "sensitivity": Option("by sensitivity", "more where the network notices least"),
            },
            "target": {
                "channels": Option("channels"),
                "macs": Option("operations (MACs)", "MACs"),
                "latency": Option("measured time", "latency"),
            },
            "round_to": _ROUND_TO,
            "recalibrate": _AS_IT_IS,
        },
        within=("target",),
    ),
    steps.MagnitudePruning: Kind(
        "Prune weights",
        "Sets the smallest weights to zero.",
        {"sparsity": 0.8},
        _zeros,
        {
            "pattern": _PATTERN,
            "scope": _ACROSS,
            "epochs": lambda epochs: f"gradually over {_epochs(epochs)}",
            "regrowth": {
                "none": Option("never"),
                "gradient": Option("large gradients (RigL)", "zeros regrow by gradient (RigL)"),
                "magnitude": Option("grown weights (DNS)", "zeros regrow by magnitude (DNS)"),
            },
            "learning_rate": _RATE,
            "recalibrate": _AS_IT_IS,
        },
        within=("pattern",),
    ),
    steps.SecondOrderPruning: Kind(
        "Prune weights, second order",
        "Zeroes what matters least; the other weights move to make up for it.",
        {"sparsity": 0.8},
        lambda step: f"{_zeros(step)} by second-order effect",
        {"pattern": _PATTERN, "scope": _ACROSS},
        within=("pattern",),
    ),
    steps.WeightSharing: Kind(
        "Share weights",
        "All weights of a layer take few different values, kept in a codebook.",
        {"clusters": 16},
        lambda step: f"{step.clusters} shared weight values",
        {
            "weighting": {
                "hessian": Option("where weights matter most"),
                "none": Option("for all weights alike", "all weights alike"),
            },
            "scope": {
                "layer": Option("one a layer"),
                "global": Option("one for all layers", "one codebook for all layers"),
            },
        },
    ),
    steps.Quantization: Kind(
        "Quantize",
        "Stores weights, and optionally activations, with few bits.",
        {"weight_bits": 8, "activation_bits": 8},
        _quantization,
        {
            "activations": {"static": Option("fixed beforehand"), "dynamic": Option("found for each image")},
            "granularity": {"channel": Option("one a channel"), "tensor": Option("one a layer", "one scale a layer")},
            "symmetric": "asymmetric",
            "method": {
                "auto": Option("what suits the bits"),
                "nearest": Option("nearest, full range", "rounded by nearest code"),
                "mse": Option("nearest, range of least error", "rounded by least squared error"),
                "gptq": Option("GPTQ: correct as you go", "rounded by GPTQ"),
                "adaround": Option("AdaRound: learn up or down", "rounded by AdaRound"),
            },
            "equalize": "equalized",
            "mixed_precision": "mixed precision",
        },
        within=("activations",),
    ),
    steps.FineTuning: Kind(
        "Fine-tune",
        "Trains on; zeros, codes and shapes stay.",
        {"epochs": 1},
        lambda step: f"fine-tune {_epochs(step.epochs)}",
        {
            "alpha": _percent_of("taught by the original"),
            "temperature": _TEMPERATURE,
            "learning_rate": _RATE,
            "learn_scales": "scales learned",
            "entropy_penalty": "entropy penalty {:g}",
        },
    ),
    steps.EntropyCoding: Kind(
        "Choose the coding",
        "How the stored file writes weights down.",
        {"coding": "huffman"},
        lambda step: _phrase(step, "coding"),
        {
            "coding": {
                "context": Option("arithmetic, with context", "arithmetic coding"),
                "huffman": Option("Huffman codes", "Huffman codes"),
                "packed": Option("plain bits", "plain bits"),
            },
            "rate_weight": "rounded to cheaper codes, rate weight {:g}",
        },
        within=("coding",),
    ),
}
"""In words, what is not said by a step's own titles, descriptions and defaults."""
