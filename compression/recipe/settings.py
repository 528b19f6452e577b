"""Sliders to recipes and back. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from compression.models.subject import Subject
from compression.recipe.budgets import BUDGETS, Budget, budget_epochs, student_epochs
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.steps import (
    PATTERN_SPARSITY,
    ChannelPruning,
    DepthwiseSeparable,
    Distillation,
    EntropyCoding,
    FineTuning,
    LayerTying,
    LowRank,
    MagnitudePruning,
    Pattern,
    Quantization,
    SecondOrderPruning,
    SlimmableStudent,
    Step,
    WeightSharing,
    limits,
)

FLOAT_BITS = 32
"""The bit width slider's neutral end: weights stay 32-bit floats, no quantization step."""

BIT_WIDTHS = (FLOAT_BITS, 16, 8, 7, 6, 5, 4, 3, 2, 1)
PRUNING_STEP = 5
"""Percent between two positions of the pruning slider."""

MAX_PRUNING = 95
STUDENT_STEP = 5
MIN_STUDENT = 10
MIN_SLIMMABLE = round(100 * limits(SlimmableStudent, "width_mult")[0])
MIN_DEPTH = 20
RANK_STEP = 5
MIN_RANK = 5
SHARE_STEP = 25
"""Percent between two shares of separable convolutions: networks here have few convolutions."""

QUANTIZATION_AWARE_BITS = 4
"""Down to 5 bits rounding alone costs next to nothing; from 4 bits on training with the codes pays."""

INTEGER_BITS = 8
"""Up to 8 bits integer kernels exist, so activations are quantized too unless that is switched off."""

ACTIVATION_BITS = (FLOAT_BITS, 8, 7, 6, 5, 4)

Student = Literal["same", "slimmable", "mobilenet_v3_small", "efficientnet_b0", "squeezenet"]


_FIELDS: dict[type[Step], dict[str, str]] = {
    ChannelPruning: {
        "importance": "importance",
        "ratios": "ratios",
        "target": "target",
        "round_to": "round_to",
        "recalibrate": "recalibrate",
    },
    MagnitudePruning: {
        "scope": "scope",
        "pattern": "pattern",
        "recalibrate": "recalibrate",
        "regrowth": "regrowth",
    },
    SecondOrderPruning: {"scope": "scope", "pattern": "pattern"},
    LowRank: {"convolutions": "convolutions", "ranks": "ranks", "rank_multiple": "round_to"},
    DepthwiseSeparable: {},
    LayerTying: {"tied_blocks": "blocks"},
    WeightSharing: {"weighting": "weighting", "codebook_scope": "scope"},
    Quantization: {
        "weight_bits": "weight_bits",
        "activation_bits": "activation_bits",
        "activations": "activations",
        "granularity": "granularity",
        "symmetric": "symmetric",
        "method": "method",
        "float_format": "float_format",
        "equalize": "equalize",
        "mixed_precision": "mixed_precision",
    },
    Distillation: {
        "student": "student",
        "resolution": "resolution",
        "teachers": "teachers",
        "loss": "loss",
        "match": "match",
        "match_weight": "match_weight",
        "temperature": "temperature",
        "alpha": "alpha",
    },
    SlimmableStudent: {},
    FineTuning: {
        "recover_alpha": "alpha",
        "recover_temperature": "temperature",
        "learn_scales": "learn_scales",
        "entropy_penalty": "entropy_penalty",
    },
    EntropyCoding: {"coding": "coding", "rate_weight": "rate_weight"},
}
"""Which settings are plain settings of which step, and what they are called there: read in both directions."""

_DEFAULTS: dict[str, Any] = {
    name: float(field.default) if field.annotation is float else field.default
    for step_type, names in _FIELDS.items()
    for name, field in ((name, step_type.model_fields[field]) for name, field in names.items())
}
"""Controls start where the steps' defaults are."""


@dataclass(frozen=True)
class Settings:
    """Everything the controls say. Percentages are whole numbers, as the sliders show them.

    `epochs` replaces the budget's number of epochs wherever the recipe trains; None leaves it. `gradual`
    prunes while training, so it needs a budget. 100 % rank, no separable share, 1 tied block and 100 % of
    the same family's student are off. `codebook` gives weights 2^`weight_bits` shared values instead of a
    grid. Settings without effect on the others' recipe are kept, but do not enter it.
    """

    pruning_percent: int = 0
    weight_bits: int = FLOAT_BITS
    student_percent: int = 100
    budget: Budget = "none"
    remove: Literal["channels", "weights"] = "channels"
    importance: Literal["l1", "l2", "batch_norm", "taylor", "activation", "random"] = _DEFAULTS["importance"]
    ratios: Literal["uniform", "sensitivity"] = _DEFAULTS["ratios"]
    target: Literal["channels", "macs", "latency"] = _DEFAULTS["target"]
    round_to: Literal[1, 2, 4, 8, 16] = _DEFAULTS["round_to"]
    recalibrate: bool = _DEFAULTS["recalibrate"]
    criterion: Literal["magnitude", "second_order"] = "magnitude"
    pattern: Pattern = _DEFAULTS["pattern"]
    gradual: bool = False
    regrowth: Literal["none", "gradient", "magnitude"] = _DEFAULTS["regrowth"]
    scope: Literal["global", "layer"] = _DEFAULTS["scope"]
    codes: Literal["grid", "codebook"] = "grid"
    weighting: Literal["none", "hessian"] = _DEFAULTS["weighting"]
    codebook_scope: Literal["layer", "global"] = _DEFAULTS["codebook_scope"]
    activation_bits: Literal[4, 5, 6, 7, 8] | None = 8
    activations: Literal["static", "dynamic"] = _DEFAULTS["activations"]
    granularity: Literal["channel", "tensor"] = _DEFAULTS["granularity"]
    symmetric: bool = _DEFAULTS["symmetric"]
    method: Literal["auto", "nearest", "mse", "gptq", "adaround"] = _DEFAULTS["method"]
    float_format: Literal["float16", "bfloat16"] = _DEFAULTS["float_format"]
    equalize: bool = _DEFAULTS["equalize"]
    mixed_precision: bool = _DEFAULTS["mixed_precision"]
    learn_scales: bool = _DEFAULTS["learn_scales"]
    student: Student = "same"
    depth_percent: int = 100
    resolution: int | None = _DEFAULTS["resolution"]
    teachers: tuple[str, ...] = _DEFAULTS["teachers"]
    loss: Literal["kd", "dkd"] = _DEFAULTS["loss"]
    match: Literal["none", "hint", "attention", "relation"] = _DEFAULTS["match"]
    match_weight: float = _DEFAULTS["match_weight"]
    temperature: float = _DEFAULTS["temperature"]
    alpha: float = _DEFAULTS["alpha"]
    rank_percent: int = 100
    convolutions: Literal["tucker", "spatial"] = _DEFAULTS["convolutions"]
    ranks: Literal["uniform", "error"] = _DEFAULTS["ranks"]
    rank_multiple: Literal[1, 2, 4, 8, 16] = _DEFAULTS["rank_multiple"]
    separable_percent: int = 0
    tied_blocks: int = 1
    epochs: float | None = None
    recover_alpha: float = _DEFAULTS["recover_alpha"]
    recover_temperature: float = _DEFAULTS["recover_temperature"]
    entropy_penalty: float = _DEFAULTS["entropy_penalty"]
    seed: int = 0
    coding: Literal["context", "huffman", "packed"] = _DEFAULTS["coding"]
    rate_weight: float = _DEFAULTS["rate_weight"]

    @property
    def has_student(self) -> bool:
        """Whether a smaller network takes the model's place. Another family does so at every size."""
        return self.student_percent < 100 or self.student not in ("same", "slimmable")

    @property
    def removed(self) -> float:
        """Fraction of channels or weights that pruning takes; N:M patterns fix it."""
        fraction = self.pruning_percent / 100
        if self.remove == "channels" or not self.pruning_percent:
            return fraction
        return PATTERN_SPARSITY.get(self.pattern, fraction)

    @property
    def has_codebook(self) -> bool:
        """Whether weights share the values of a codebook."""
        return self.codes == "codebook" and self.weight_bits <= INTEGER_BITS

    @property
    def has_grid(self) -> bool:
        """Whether weights are rounded to a grid of 8 bits or fewer."""
        return self.codes == "grid" and self.weight_bits <= INTEGER_BITS

    @property
    def integer_activations(self) -> int | None:
        """Bits of activations, None where they stay floats."""
        return self.activation_bits if self.has_grid else None


def field_of(setting: str, step_type: type[Step]) -> str:
    """The step's name for a control that is a plain setting of it."""
    return _FIELDS[step_type][setting]


def epochs_of(subject: Subject, settings: Settings, *, student: bool) -> float:
    """Epochs of a training step: those that were asked for, or else the budget's."""
    if settings.epochs is not None:
        return settings.epochs
    if not student:
        return budget_epochs(subject, settings.budget)
    size = {"width_mult": settings.student_percent / 100, "depth_mult": settings.depth_percent / 100}
    return student_epochs(subject, settings.budget, student=settings.student, resolution=settings.resolution, **size)


def recipe_of(subject: Subject, settings: Settings) -> Recipe:
    """The recipe of the controls, in the order that is legal and sensible.

    Student, structure, pruning, fine-tuning, codes, training with the codes, and how the file is written.
    """
    shapes = [*_student_steps(subject, settings), *_structure_steps(settings), *_pruning_steps(subject, settings)]
    codes = _code_steps(settings)
    recovery = [_fine_tuning(subject, settings)] if _needs_recovery(shapes, settings) else []
    adaption = [_fine_tuning(subject, settings, settings.has_grid)] if _needs_adaption(settings) else []
    steps = [*shapes, *recovery, *codes, *adaption, *_file_steps(settings)]
    return make_recipe(subject.name, steps, settings.seed)


def _step(
    step_type: type[Step],
    settings: Settings,
    main: Mapping[str, object] = MappingProxyType({}),
    *,
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """A step: `main` settings, and its plain ones from the controls, `without` those that have no effect."""
    plain = {field: getattr(settings, name) for name, field in _FIELDS[step_type].items() if name not in without}
    return {"technique": step_type.model_fields["technique"].default, **plain, **main}


def _student_steps(subject: Subject, settings: Settings) -> list[dict[str, Any]]:
    """Another family's student is trained at every size; a slimmable one is there already."""
    if not settings.has_student:
        return []
    if settings.student == "slimmable":
        width = max(settings.student_percent, MIN_SLIMMABLE) / 100
        return [_step(SlimmableStudent, settings, {"width_mult": width})]
    same = settings.student == "same"
    without = (*(["resolution"] if same else []), *(["match_weight"] if settings.match == "none" else []))
    main = {
        "width_mult": settings.student_percent / 100,
        "depth_mult": 1.0 if same else settings.depth_percent / 100,
        "epochs": epochs_of(subject, settings, student=True),
    }
    return [_step(Distillation, settings, main, without=without)]


def _structure_steps(settings: Settings) -> list[dict[str, Any]]:
    steps = []
    if settings.tied_blocks > 1:
        steps.append(_step(LayerTying, settings))
    if settings.separable_percent > 0:
        steps.append(_step(DepthwiseSeparable, settings, {"share": settings.separable_percent / 100}))
    if settings.rank_percent < 100:
        steps.append(_step(LowRank, settings, {"rank_ratio": settings.rank_percent / 100}))
    return steps


def _pruning_steps(subject: Subject, settings: Settings) -> list[dict[str, Any]]:
    if settings.pruning_percent == 0:
        return []
    if settings.remove == "channels":
        return [_step(ChannelPruning, settings, {"pruning_ratio": settings.removed})]
    sparsity = settings.removed
    if settings.criterion == "second_order":
        return [_step(SecondOrderPruning, settings, {"sparsity": sparsity})]
    if not _is_gradual(settings):
        return [_step(MagnitudePruning, settings, {"sparsity": sparsity}, without=("regrowth",))]
    epochs = epochs_of(subject, settings, student=False)
    return [_step(MagnitudePruning, settings, {"sparsity": sparsity, "epochs": epochs})]


def _is_gradual(settings: Settings) -> bool:
    """Whether zeros come little by little while training, which takes the place of fine-tuning afterwards."""
    single = settings.remove == "weights" and settings.criterion == "magnitude"
    return settings.pruning_percent > 0 and single and settings.gradual and settings.budget != "none"


def _needs_recovery(shapes: list[dict[str, Any]], settings: Settings) -> bool:
    """Whether to train before weights get codes: where a budget is given and something else was done."""
    untrained = [step for step in shapes if step["technique"] != "distillation"]
    return settings.budget != "none" and bool(untrained) and not _is_gradual(settings)


def _code_steps(settings: Settings) -> list[dict[str, Any]]:
    if settings.weight_bits == FLOAT_BITS:
        return []
    if settings.has_codebook:
        return [_step(WeightSharing, settings, {"clusters": 2**settings.weight_bits})]
    if settings.weight_bits > INTEGER_BITS:
        rest = [name for name in _FIELDS[Quantization] if name not in ("weight_bits", "float_format")]
        return [_step(Quantization, settings, without=rest)]
    without = ("float_format", *(["activations"] if settings.activation_bits is None else []))
    return [_step(Quantization, settings, without=without)]


def _needs_adaption(settings: Settings) -> bool:
    """Whether to train with the codes: where they are coarse, or where only training brings what is asked."""
    if settings.budget == "none" or settings.weight_bits > INTEGER_BITS:
        return False
    coarse = min(settings.weight_bits, settings.integer_activations or FLOAT_BITS) <= QUANTIZATION_AWARE_BITS
    return coarse or settings.entropy_penalty > 0 or (settings.learn_scales and settings.has_grid)


def _fine_tuning(subject: Subject, settings: Settings, scales: bool = False) -> dict[str, Any]:
    """`scales`: after quantization, where there are scales to learn."""
    without = (
        *(["recover_temperature"] if settings.recover_alpha == 0 else []),
        *([] if scales else ["learn_scales"]),
    )
    return _step(FineTuning, settings, {"epochs": epochs_of(subject, settings, student=False)}, without=without)


def _file_steps(settings: Settings) -> list[dict[str, Any]]:
    if settings.coding == "context" and settings.rate_weight == 0:
        return []
    return [_step(EntropyCoding, settings)]


def settings_of(subject: Subject, recipe: Recipe, budget: Budget = "none") -> Settings | None:
    """The controls' position that gives exactly this recipe; None where no position does.

    Some recipes belong to several budgets (quantization alone trains in none); `budget` is tried first.
    """
    nearest = nearest_settings(subject, recipe)
    for candidate in dict.fromkeys((budget, *BUDGETS)):
        for epochs in (None, nearest.epochs):
            settings = replace(nearest, budget=candidate, epochs=epochs)
            if recipe_of(subject, settings) == recipe:
                return settings
    return None


def nearest_settings(subject: Subject, recipe: Recipe) -> Settings:
    """The controls' position closest to a recipe, which may be one that they cannot express."""
    settings = replace(neutral_settings(subject), seed=recipe.seed)
    for step in recipe.steps:
        plain = {name: _typed(name, getattr(step, field)) for name, field in _FIELDS[type(step)].items()}
        settings = replace(settings, **(plain | _main_settings(step, settings)))
    return settings


def _typed(name: str, value: Any) -> Any:  # noqa: ANN401  (settings differ in type)
    """Numbers with a fraction are floats, as controls need them, also where a recipe says 4."""
    return float(value) if isinstance(getattr(_NEUTRAL, name), float) else value


_NEUTRAL = Settings()


def _main_settings(step: Step, settings: Settings) -> dict[str, Any]:
    """What a step says of the sliders, and which technique was chosen where a slider has several."""
    main: dict[str, Any] = {}
    match step:
        case Distillation():
            main = {"student_percent": _student_position(step.width_mult), "epochs": float(step.epochs)}
            main["depth_percent"] = _on_grid(step.depth_mult, STUDENT_STEP, MIN_DEPTH, 100)
        case SlimmableStudent():
            main = {"student_percent": _student_position(step.width_mult), "student": "slimmable"}
        case ChannelPruning():
            main = {"pruning_percent": _pruning_position(step.pruning_ratio), "remove": "channels"}
        case MagnitudePruning():
            main = _weights_settings(step.sparsity, "magnitude") | _gradual_settings(step)
        case SecondOrderPruning():
            main = _weights_settings(step.sparsity, "second_order")
        case LowRank():
            main = {"rank_percent": _on_grid(step.rank_ratio, RANK_STEP, MIN_RANK, 100)}
        case DepthwiseSeparable():
            main = {"separable_percent": _on_grid(step.share, SHARE_STEP, 0, 100)}
        case WeightSharing():
            main = {"weight_bits": min(INTEGER_BITS, round(math.log2(step.clusters))), "codes": "codebook"}
        case Quantization(weight_bits=16):
            main = {"codes": "grid", "activation_bits": settings.activation_bits}
        case Quantization():
            main = {"codes": "grid"}
        case FineTuning():
            main = {"epochs": float(step.epochs), "budget": "quick"}
    return main


def _weights_settings(sparsity: float, criterion: str) -> dict[str, Any]:
    return {"pruning_percent": _pruning_position(sparsity), "remove": "weights", "criterion": criterion}


def _gradual_settings(step: MagnitudePruning) -> dict[str, Any]:
    return {"gradual": True, "epochs": float(step.epochs), "budget": "quick"} if step.epochs > 0 else {}


def _student_position(fraction: float) -> int:
    return _on_grid(fraction, STUDENT_STEP, MIN_STUDENT, 100)


def _pruning_position(fraction: float) -> int:
    return _on_grid(fraction, PRUNING_STEP, 0, MAX_PRUNING)


def _on_grid(fraction: float, step: int, low: int, high: int) -> int:
    return min(high, max(low, step * round(100 * fraction / step)))


def neutral_settings(subject: Subject) -> Settings:
    """Where the controls start. Students need no training where a slimmable network comes with the model."""
    return Settings(student="slimmable" if subject.has_slimmable else "same")


def fitted_to(settings: Settings, subject: Subject, before: Subject) -> Settings:
    """The settings taken over from the model `before`, with what exists for `subject`.

    Students are of the new model's usual kind if they were of the old one's, and teachers have seen its data.
    """
    usual = settings.student == neutral_settings(before).student
    student = neutral_settings(subject).student if usual or settings.student == "slimmable" else settings.student
    teachers = tuple(name for name in settings.teachers if name in subject.teachers)
    return replace(settings, student=student, teachers=teachers)
