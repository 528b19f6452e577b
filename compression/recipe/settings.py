"""Sliders to recipes and back. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from compression.models.subject import Subject
from compression.recipe import steps
from compression.recipe.budgets import BUDGETS, Budget, student_passes, tuning_passes
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.steps import STEP_TYPES, Step
from compression.recipe.words import kind_of

FLOAT_BITS = 32
"""The bit width slider's neutral end: weights stay 32-bit floats, no quantization step."""

BIT_WIDTHS = (FLOAT_BITS, 16, 8, 7, 6, 5, 4, 3, 2, 1)
PRUNING = range(0, 95 + 1, 5)
WIDTHS = range(10, 100 + 1, 5)
SLIMMABLE_WIDTHS = range(25, 100 + 1, 5)
DEPTHS = range(20, 100 + 1, 5)
"""Positions of sliders in percent."""

QUANTIZATION_AWARE_BITS = 4
"""Down to 5 bits rounding alone costs next to nothing; from 4 bits on training with the codes pays."""

INTEGER_BITS = 8
"""Up to 8 bits integer kernels exist, so activations are quantized too unless that is switched off."""

ACTIVATION_BITS = (FLOAT_BITS, 8, 7, 6, 5, 4)

Student = Literal["same", "slimmable", "mobilenet_v3_small", "efficientnet_b0", "squeezenet"]


@dataclass(frozen=True)
class _Controls:
    """What controls and a kind of step say alike, read in both directions.

    `plain` are settings that are the step's own, and what they are called there; `percents` are sliders, the step's
    fraction that each moves, and their positions; `implied` is what a recipe with such a step says of the others.
    """

    plain: Mapping[str, str]
    percents: Mapping[str, tuple[str, range]] = field(default_factory=dict)
    implied: Mapping[str, Any] = field(default_factory=dict)


def _same(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))


_CONTROLS: dict[type[Step], _Controls] = {
    steps.Distillation: _Controls(
        _same("student", "resolution", "teachers", "loss", "match", "match_weight", "temperature", "alpha"),
        {"student_percent": ("width_mult", WIDTHS), "depth_percent": ("depth_mult", DEPTHS)},
    ),
    steps.SlimmableStudent: _Controls({}, {"student_percent": ("width_mult", WIDTHS)}, {"student": "slimmable"}),
    steps.ChannelPruning: _Controls(
        _same("importance", "ratios", "target", "round_to", "recalibrate"),
        {"pruning_percent": ("pruning_ratio", PRUNING)},
        {"remove": "channels"},
    ),
    steps.MagnitudePruning: _Controls(
        _same("scope", "pattern", "recalibrate", "regrowth"),
        {"pruning_percent": ("sparsity", PRUNING)},
        {"remove": "weights", "criterion": "magnitude"},
    ),
    steps.SecondOrderPruning: _Controls(
        _same("scope", "pattern"),
        {"pruning_percent": ("sparsity", PRUNING)},
        {"remove": "weights", "criterion": "second_order"},
    ),
    steps.WeightSharing: _Controls(
        {"weighting": "weighting", "codebook_scope": "scope"}, implied={"codes": "codebook"}
    ),
    steps.Quantization: _Controls(_same(*steps.fields_of(steps.Quantization)), implied={"codes": "grid"}),
    steps.FineTuning: _Controls(
        {"recover_alpha": "alpha", "recover_temperature": "temperature", **_same("learn_scales", "entropy_penalty")},
        implied={"budget": "quick"},
    ),
    steps.EntropyCoding: _Controls(_same("coding", "rate_weight")),
}
"""Kinds of steps without a row are said by `Settings.structure`, or not at all."""

_DEFAULTS: dict[str, Any] = {
    setting: float(field.default) if field.annotation is float else field.default
    for step_type, controls in _CONTROLS.items()
    for setting, field in ((name, step_type.model_fields[theirs]) for name, theirs in controls.plain.items())
}
"""Controls start where the steps' defaults are."""


@dataclass(frozen=True)
class Settings:
    """Everything the controls say. Percentages are whole numbers, as the sliders show them.

    `epochs` replaces the budget's number of epochs wherever the recipe trains; None leaves it. `gradual`
    prunes while training, so it needs a budget. 100 % of the same family's student is off. `codebook` gives weights
    2^`weight_bits` shared values instead of a grid. `structure` are the steps of techniques that have a slider of
    their own, in the order in which steps usually come, none that does nothing. Settings without effect on the
    others' recipe are kept, but do not enter it.
    """

    pruning_percent: int = 0
    weight_bits: int = FLOAT_BITS
    student_percent: int = 100
    budget: Budget = "none"
    remove: Literal["channels", "weights"] = "channels"
    importance: steps.Importance = _DEFAULTS["importance"]
    ratios: steps.Ratios = _DEFAULTS["ratios"]
    target: steps.Target = _DEFAULTS["target"]
    round_to: steps.Multiple = _DEFAULTS["round_to"]
    recalibrate: bool = _DEFAULTS["recalibrate"]
    criterion: Literal["magnitude", "second_order"] = "magnitude"
    pattern: steps.Pattern = _DEFAULTS["pattern"]
    gradual: bool = False
    regrowth: steps.Regrowth = _DEFAULTS["regrowth"]
    scope: steps.Across = _DEFAULTS["scope"]
    codes: Literal["grid", "codebook"] = "grid"
    weighting: steps.Weighting = _DEFAULTS["weighting"]
    codebook_scope: steps.Codebooks = _DEFAULTS["codebook_scope"]
    activation_bits: steps.ActivationBits | None = 8
    activations: steps.Activations = _DEFAULTS["activations"]
    granularity: steps.Granularity = _DEFAULTS["granularity"]
    symmetric: bool = _DEFAULTS["symmetric"]
    method: steps.Rounding = _DEFAULTS["method"]
    float_format: steps.FloatFormat = _DEFAULTS["float_format"]
    equalize: bool = _DEFAULTS["equalize"]
    mixed_precision: bool = _DEFAULTS["mixed_precision"]
    learn_scales: bool = _DEFAULTS["learn_scales"]
    student: Student = "same"
    depth_percent: int = 100
    resolution: int | None = _DEFAULTS["resolution"]
    teachers: tuple[str, ...] = _DEFAULTS["teachers"]
    loss: steps.Loss = _DEFAULTS["loss"]
    match: steps.Match = _DEFAULTS["match"]
    match_weight: float = _DEFAULTS["match_weight"]
    temperature: float = _DEFAULTS["temperature"]
    alpha: float = _DEFAULTS["alpha"]
    structure: tuple[Step, ...] = ()
    epochs: float | None = None
    recover_alpha: float = _DEFAULTS["recover_alpha"]
    recover_temperature: float = _DEFAULTS["recover_temperature"]
    entropy_penalty: float = _DEFAULTS["entropy_penalty"]
    seed: int = 0
    coding: steps.Coding = _DEFAULTS["coding"]
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
        return steps.PATTERN_SPARSITY.get(self.pattern, fraction)

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
    """The step's name for a control, which mostly is the same."""
    controls = _CONTROLS[step_type]
    percents = {name: theirs for name, (theirs, _) in controls.percents.items()}
    return {**controls.plain, **percents}.get(setting, setting)


def placed(settings: Settings, slider: str, position: int) -> Settings:
    """The settings with one slider somewhere else: one of theirs, or a technique's own by the technique's name."""
    if slider not in STEP_TYPES:
        change: dict[str, Any] = {slider: position}
        return replace(settings, **change)
    step_type = STEP_TYPES[slider]
    kind = kind_of(step_type)
    usual = step_type.model_validate(kind.start)
    step = next((step for step in settings.structure if type(step) is step_type), usual)
    value = position / 100 if steps.is_share(step_type, kind.main) else position
    return with_step(settings, step.model_copy(update={kind.main: value}))


def at_slider(settings: Settings, slider: str) -> int:
    """Where such a slider stands."""
    if slider not in STEP_TYPES:
        return int(getattr(settings, slider))
    off = kind_of(STEP_TYPES[slider]).off
    return next((position_of(step) for step in settings.structure if step.technique == slider), off)


def with_step(settings: Settings, step: Step) -> Settings:
    """The settings with this step of a technique that has a slider of its own; without it where it does nothing."""
    others = [other for other in settings.structure if type(other) is not type(step)]
    moved = [*others, step] if position_of(step) != kind_of(type(step)).off else others
    order = list(STEP_TYPES)
    return replace(settings, structure=tuple(sorted(moved, key=lambda one: order.index(one.technique))))


def position_of(step: Step) -> int:
    """Where a step's main setting stands on its technique's slider."""
    main = kind_of(type(step)).main
    value: float = getattr(step, main)
    return round(100 * value if steps.is_share(type(step), main) else value)


def recipe_of(subject: Subject, settings: Settings) -> Recipe:
    """The recipe of the controls, in the order that is legal and sensible.

    Student, structure, pruning, fine-tuning, codes, training with the codes, and how the file is written.
    """
    shapes = [*_student_steps(subject, settings), *settings.structure, *_pruning_steps(subject, settings)]
    recovery = [_fine_tuning(subject, settings)] if _needs_recovery(settings) else []
    adaption = [_fine_tuning(subject, settings, settings.has_grid)] if _needs_adaption(settings) else []
    every = [*shapes, *recovery, *_code_steps(settings), *adaption, *_file_steps(settings)]
    return make_recipe(subject.name, every, settings.seed)


def _step(step_type: type[Step], settings: Settings, without: Collection[str] = (), **others: object) -> Step:
    """A step as its controls say it, but for those `without` effect, and with `others` of its settings."""
    controls = _CONTROLS[step_type]
    plain = {theirs: getattr(settings, name) for name, theirs in controls.plain.items() if name not in without}
    percents = {theirs: getattr(settings, name) / 100 for name, (theirs, _) in controls.percents.items()}
    return step_type.model_validate({**plain, **percents, **others})


def _tuning_passes(subject: Subject, settings: Settings, alpha: float) -> float:
    """Passes of a step that trains the compressed network: those that were asked for, or its part of the budget."""
    if settings.epochs is not None:
        return settings.epochs
    return tuning_passes(subject, settings.budget, alpha=alpha, parts=_trainings(settings))


def _trainings(settings: Settings) -> int:
    """How many steps of the recipe train, and so share the budget."""
    ways = (_trains_student(settings), _is_gradual(settings), _needs_recovery(settings), _needs_adaption(settings))
    return sum(ways)


def _trains_student(settings: Settings) -> bool:
    """Whether a smaller network takes the model's place that has to be trained."""
    return settings.has_student and settings.student != "slimmable"


def _student_steps(subject: Subject, settings: Settings) -> list[Step]:
    """Another family's student is trained at every size; a slimmable one is there already."""
    if not settings.has_student:
        return []
    if settings.student == "slimmable":
        width = max(settings.student_percent, SLIMMABLE_WIDTHS[0]) / 100
        return [_step(steps.SlimmableStudent, settings, width_mult=width)]
    same = {"depth_mult": 1.0, "resolution": None} if settings.student == "same" else {}
    without = ["match_weight"] if settings.match == "none" else []
    if settings.epochs is not None:
        return [_step(steps.Distillation, settings, without, epochs=settings.epochs, **same)]
    passes = student_passes(
        subject,
        settings.budget,
        student=settings.student,
        width_mult=settings.student_percent / 100,
        depth_mult=settings.depth_percent / 100,
        resolution=settings.resolution,
        teachers=max(1, len(settings.teachers)),
        parts=_trainings(settings),
    )
    return [_step(steps.Distillation, settings, without, epochs=passes, **same)]


def _pruning_steps(subject: Subject, settings: Settings) -> list[Step]:
    if settings.pruning_percent == 0:
        return []
    if settings.remove == "channels":
        return [_step(steps.ChannelPruning, settings)]
    if settings.criterion == "second_order":
        return [_step(steps.SecondOrderPruning, settings, sparsity=settings.removed)]
    if not _is_gradual(settings):
        return [_step(steps.MagnitudePruning, settings, ["regrowth"], sparsity=settings.removed)]
    passes = _tuning_passes(subject, settings, alpha=steps.TAUGHT_ALPHA)
    return [_step(steps.MagnitudePruning, settings, sparsity=settings.removed, epochs=passes)]


def _is_gradual(settings: Settings) -> bool:
    """Whether zeros come little by little while training, which takes the place of fine-tuning afterwards."""
    single = settings.remove == "weights" and settings.criterion == "magnitude"
    return settings.pruning_percent > 0 and single and settings.gradual and settings.budget != "none"


def _needs_recovery(settings: Settings) -> bool:
    """Whether to train before weights get codes: where a budget is given, and something was done that did not train."""
    taken = settings.has_student and not _trains_student(settings)
    changed = taken or bool(settings.structure) or settings.pruning_percent > 0
    return settings.budget != "none" and changed and not _is_gradual(settings)


def _code_steps(settings: Settings) -> list[Step]:
    if settings.weight_bits == FLOAT_BITS:
        return []
    if settings.has_codebook:
        return [_step(steps.WeightSharing, settings, clusters=2**settings.weight_bits)]
    if settings.weight_bits > INTEGER_BITS:
        rest = set(_CONTROLS[steps.Quantization].plain) - {"weight_bits", "float_format"}
        return [_step(steps.Quantization, settings, rest)]
    without = ("float_format", *(["activations"] if settings.activation_bits is None else []))
    return [_step(steps.Quantization, settings, without)]


def _needs_adaption(settings: Settings) -> bool:
    """Whether to train with the codes: where they are coarse, or where only training brings what is asked."""
    if settings.budget == "none" or settings.weight_bits > INTEGER_BITS:
        return False
    coarse = min(settings.weight_bits, settings.integer_activations or FLOAT_BITS) <= QUANTIZATION_AWARE_BITS
    return coarse or settings.entropy_penalty > 0 or (settings.learn_scales and settings.has_grid)


def _fine_tuning(subject: Subject, settings: Settings, scales: bool = False) -> Step:
    """`scales`: after quantization, where there are scales to learn."""
    without = [] if scales else ["learn_scales"]
    without += ["recover_temperature"] if settings.recover_alpha == 0 else []
    passes = _tuning_passes(subject, settings, settings.recover_alpha)
    return _step(steps.FineTuning, settings, without, epochs=passes)


def _file_steps(settings: Settings) -> list[Step]:
    if settings.coding == "context" and settings.rate_weight == 0:
        return []
    return [_step(steps.EntropyCoding, settings)]


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
        if type(step) in _CONTROLS:
            settings = replace(settings, **_said_by(step, settings))
        elif slider := kind_of(type(step)).slider:
            settings = with_step(settings, _alike_in_all_layers(step))
            settings = placed(settings, step.technique, _nearest(slider, position_of(step)))
    return settings


def _alike_in_all_layers(step: Step) -> Step:
    """The step without levels of single layers, which no control says."""
    return step.model_copy(update={"levels": ()}) if isinstance(step, steps.ByLayer) else step


def _said_by(step: Step, settings: Settings) -> dict[str, Any]:
    """Where the controls of a step are, and which technique was chosen where a slider has several."""
    controls = _CONTROLS[type(step)]
    said: dict[str, Any] = {
        **{name: _typed(name, getattr(step, theirs)) for name, theirs in controls.plain.items()},
        **{name: _nearest(grid, 100 * getattr(step, theirs)) for name, (theirs, grid) in controls.percents.items()},
        **controls.implied,
    }
    match step:
        case steps.Distillation() | steps.FineTuning():
            said["epochs"] = float(step.epochs)
        case steps.MagnitudePruning() if step.epochs > 0:
            said |= {"gradual": True, "epochs": float(step.epochs), "budget": "quick"}
        case steps.WeightSharing():
            said["weight_bits"] = min(INTEGER_BITS, round(math.log2(step.clusters)))
        case steps.Quantization(weight_bits=16):
            said["activation_bits"] = settings.activation_bits
    return said


def _typed(name: str, value: Any) -> Any:  # noqa: ANN401  (settings differ in type)
    """Numbers with a fraction are floats, as controls need them, also where a recipe says 4."""
    return float(value) if isinstance(getattr(UNMOVED, name), float) else value


UNMOVED = Settings()
"""The model as it is."""


def _nearest(positions: Sequence[int], position: float) -> int:
    return min(positions, key=lambda at: abs(at - position))


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
