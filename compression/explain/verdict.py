"""What a result means, in one plain sentence. Torch-free.

Words never claim more than the measurement holds: a difference is called one only where the paired test
on the same images finds it, a speed-up only where the interval of the latency ratio stays below 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compression import units
from compression.recipe.recipe import Recipe
from compression.recipe.steps import (
    PATTERN_SPARSITY,
    ChannelPruning,
    Distillation,
    EntropyCoding,
    FineTuning,
    MagnitudePruning,
    Quantization,
    SecondOrderPruning,
    WeightSharing,
)
from compression.recipe.words import option
from compression.results.record import Measures, Preview, Result, SparseTiming
from compression.search.estimate import Estimate, Known

Tone = Literal["neutral", "good", "mixed", "bad"]

FAST_MULTIPLE = 8
"""ONNX Runtime's convolutions on CPUs work on blocks of 8 or 16 channels (NCHWc)."""

HALF_BITS, INTEGER_BITS = 16, 8
"""Weights that are half-precision floats; the only width for which there are integer kernels."""

MOSTLY = 0.9
"""From this share of the operations on, integer kernels are said to run the network."""

COLLAPSE = 0.10
"""A measurable loss of ten percentage points or more is called a collapse: no longer the same product."""


@dataclass(frozen=True)
class Verdict:
    """`text` for everyone; `reasons` say why the file did not shrink or is not faster."""

    tone: Tone
    text: str
    reasons: tuple[str, ...] = ()


def judge(result: Result) -> Verdict:
    """The verdict on a measured result."""
    if not result.recipe.get("steps"):
        return Verdict("neutral", _baseline_sentence(result))
    accuracy = accuracy_sentence(result)
    gains = f"{size_words(result)}, {speed_words(result)}"
    recipe = Recipe.model_validate(result.recipe)
    reasons = (*size_reasons(recipe, result), *speed_reasons(recipe, result))
    if has_collapsed(result):
        return Verdict("bad", f"{accuracy[0].upper()}{accuracy[1:]} ({gains}).", reasons)
    return Verdict(_tone(result), f"{gains[0].upper()}{gains[1:]}, {accuracy}.", reasons)


def so_far(preview: Preview, baseline: Measures) -> str:
    """Before the latency is known: '6.1× smaller, accuracy 97.2 → 96.9 % on 1,000 images', and that it comes."""
    decimals = units.decimals_for(preview.n_test)
    size = units.size_change(baseline.stored_bytes, preview.stored_bytes)
    before, after = (units.percent(found.accuracy, decimals) for found in (baseline, preview))
    accuracy = f"accuracy {before} → {after} % on {preview.n_test:,} images"
    return f"{size[0].upper()}{size[1:]}, {accuracy}. Its latency is being measured."


def has_collapsed(result: Result) -> bool:
    """Whether the accuracy is measurably lower, by `COLLAPSE` or more."""
    return result.is_different and result.accuracy_difference <= -COLLAPSE


def _tone(result: Result) -> Tone:
    lost = result.is_different and result.accuracy_difference < 0
    shrunk = result.size_ratio > 1 + units.SAME_SIZE
    faster = result.latency_ratio_high < 1
    slower = result.latency_ratio_low > 1
    if lost or slower or not shrunk:
        return "mixed"
    return "good" if shrunk or faster else "neutral"


def _baseline_sentence(result: Result) -> str:
    decimals = units.decimals_for(result.n_test)
    return (
        f"The model as it is: accuracy {units.percent(result.accuracy, decimals)} % "
        f"on {result.n_test:,} images, {units.size(result.stored_bytes)}, "
        f"{units.milliseconds(result.latency_p50_ms)}. Nothing is compressed yet."
    )


def size_words(result: Result) -> str:
    """'6.1× smaller', '1.2× larger' or 'same size': the stored file against the baseline's."""
    return units.size_change(result.baseline.stored_bytes, result.stored_bytes)


def speed_words(result: Result) -> str:
    """'1.4× faster', '1.2× slower' or 'no measurable change in speed', from the ratio's interval."""
    if result.latency_ratio_high < 1:
        return f"{units.factor(1 / result.latency_ratio)} faster"
    if result.latency_ratio_low > 1:
        return f"{units.factor(result.latency_ratio)} slower"
    return "no measurable change in speed"


def accuracy_sentence(result: Result) -> str:
    """'accuracy 97.2 → 96.9 %: no measurable difference on 1,000 images', or how large the difference is."""
    decimals = units.decimals_for(result.n_test)
    before = units.percent(result.baseline.accuracy, decimals)
    after = units.percent(result.accuracy, decimals)
    images = f"on {result.n_test:,} images"
    if has_collapsed(result):
        return f"accuracy collapsed: {before} → {after} % {images}"
    if result.is_different:
        kind = "gain" if result.accuracy_difference > 0 else "loss"
        return f"accuracy {before} → {after} %: a measurable {kind} {images} ({_interval(result, decimals)})"
    if result.changed_predictions == 0:
        return f"accuracy {after} %: every prediction the same {images}"
    return f"accuracy {before} → {after} %: no measurable difference {images}"


def _interval(result: Result, decimals: int) -> str:
    low = units.points(result.accuracy_difference_low, decimals)
    high = units.points(result.accuracy_difference_high, decimals)
    return f"{units.points(result.accuracy_difference, decimals)} points, 95 % interval {low} to {high}"


def control_sentence(result: Result, control: Result) -> str:
    """What a way of training was worth: the result against plain training with the same shapes and budget.

    The two are called different only where their 95 % intervals do not overlap, which errs on the safe side.
    """
    decimals = units.decimals_for(result.n_test)
    trained, plain = (units.percent(row.accuracy, decimals) for row in (result, control))
    subject = _beyond_plain_training(Recipe.model_validate(result.recipe))
    numbers = f"{trained} % with, {plain} % by plain training with the same budget"
    if result.stored_bytes < (1 - units.SAME_SIZE) * control.stored_bytes:
        numbers += f", in {units.size(result.stored_bytes)} instead of {units.size(control.stored_bytes)}"
    if result.accuracy_low > control.accuracy_high:
        return f"{subject[0].upper()}{subject[1:]} helped: {numbers}."
    if result.accuracy_high < control.accuracy_low:
        return f"{subject[0].upper()}{subject[1:]} cost accuracy here: {numbers}."
    return f"Whether {subject} helped cannot be told on {result.n_test:,} images: {numbers}."


def _beyond_plain_training(recipe: Recipe) -> str:
    """What a recipe has that its control has not."""
    found = []
    for step in recipe.steps:
        match step:
            case Distillation(alpha=alpha) if alpha > 0:
                found.append("the teacher")
            case FineTuning():
                found += ["the original network's predictions"] * (step.alpha > 0)
                found += ["learning the scales"] * step.learn_scales
                found += ["the entropy penalty"] * (step.entropy_penalty > 0)
            case MagnitudePruning(epochs=epochs) if epochs > 0:
                found.append("pruning little by little")
    return " and ".join(dict.fromkeys(found)) or "this training"


def size_reasons(recipe: Recipe, result: Result) -> list[str]:
    """Why the file did not shrink as a person may expect."""
    reasons = []
    if _sparse_steps(recipe) and result.onnx_bytes > 1.5 * result.stored_bytes:
        reasons.append(
            "Zeros shrink the stored file; the runtime file (.onnx) writes them out and stays larger, "
            "though zipping finds them."
        )
    reasons += _coding_reasons(recipe)
    if result.stored_bytes >= result.baseline.stored_bytes:
        reasons.append(_not_smaller(result))
    return reasons


def _not_smaller(result: Result) -> str:
    if result.params > result.baseline.params:
        return (
            f"The stored file did not shrink: this network has {units.count(result.params)} weights, the model "
            f"{units.count(result.baseline.params)}. Choose a smaller rank or width."
        )
    return "The stored file did not shrink: the positions or scales it must also hold cost more than was saved."


def _coding_reasons(recipe: Recipe) -> list[str]:
    for step in recipe.steps:
        if isinstance(step, EntropyCoding) and step.coding == "packed":
            return ["Plain bits give a frequent value as much room as a rare one: arithmetic coding makes it smaller."]
        if isinstance(step, EntropyCoding) and step.coding == "huffman":
            return ["Huffman codes spend a whole bit on even the most frequent value: arithmetic coding spends less."]
    return []


def speed_reasons(recipe: Recipe, result: Result) -> list[str]:
    """Why it is not faster; nothing where it is."""
    if result.latency_ratio_high < 1:
        return []
    return [
        *_zero_reasons(recipe, result),
        *_number_reasons(recipe, result),
        *_structure_reasons(recipe, result),
        *_width_reasons(recipe, result),
    ]


def _sparse_steps(recipe: Recipe) -> list[MagnitudePruning | SecondOrderPruning]:
    return [step for step in recipe.steps if isinstance(step, MagnitudePruning | SecondOrderPruning)]


def _zero_reasons(recipe: Recipe, result: Result) -> list[str]:
    """Zeros that the runtime multiplies by, and what skipping them would be worth where that was measured."""
    steps = _sparse_steps(recipe)
    if not steps:
        return []
    if any(step.pattern in PATTERN_SPARSITY for step in steps):
        return ["Patterns such as 2:4 are made for graphics processors: no kernel on CPUs skips their zeros."]
    reasons = ["Single zeros save no time: ONNX Runtime multiplies by them. Removing whole channels does."]
    if any(step.pattern == "blocks" for step in steps):
        reasons = ["Blocks of zeros save no time: ONNX Runtime multiplies by them. Removing whole channels does."]
    single = [timing for timing in result.sparse if timing.batch_size == 1]
    if single:
        reasons.append(_sparse_sentence(single[0]))
    return reasons


def _sparse_sentence(timing: SparseTiming) -> str:
    zeros = f"With {units.percent(timing.sparsity, 0)} % zeros, a product that skips them"
    if timing.sparse_ms < timing.dense_ms:
        times = units.factor(timing.dense_ms / timing.sparse_ms)
        return f"{zeros} would make the largest layer ({timing.layer}) {times} faster (measured apart, with SciPy)."
    times = units.factor(timing.sparse_ms / timing.dense_ms)
    return f"{zeros} would even make the largest layer ({timing.layer}) {times} slower (measured apart, with SciPy)."


def _number_reasons(recipe: Recipe, result: Result) -> list[str]:
    """Fewer bits or fewer different values in the file, but not in the kernels."""
    reasons = []
    for step in recipe.steps:
        if isinstance(step, WeightSharing):
            reasons.append("Shared values become floats again when the file is loaded: they save bytes, not time.")
        elif isinstance(step, Quantization):
            reasons.append(_quantization_reason(step, result))
    return reasons


def _quantization_reason(step: Quantization, result: Result) -> str:
    if step.weight_bits == HALF_BITS:
        return "16-bit weights become 32-bit floats when the file is loaded: they save bytes, not time."
    if step.activation_bits is None:
        return "Without 8-bit activations the weights become floats before each layer: integer kernels do not run."
    share = result.integer_macs / result.macs if result.macs else 1.0
    if share < MOSTLY:
        return f"Integer kernels carry out {units.percent(share, 0)} % of the operations; the rest runs on floats."
    if step.activations == "dynamic":
        return "Finding the range of every layer's input anew for each image costs what integer kernels save."
    if step.weight_bits < INTEGER_BITS:
        return (
            f"Integer kernels take 8 bits: {step.weight_bits}-bit weights are smaller in the file, not faster. In a "
            "network this small, converting to integers and back can cost what those kernels save."
        )
    return "In a network this small, converting to integers and back can cost what integer kernels save."


def _structure_reasons(recipe: Recipe, result: Result) -> list[str]:
    """Other layers in place of the old ones."""
    techniques = {step.technique for step in recipe.steps}
    reasons = []
    if "layer_tying" in techniques:
        reasons.append("Blocks that share weights are stored once, but each of them still runs.")
    if techniques & {"low_rank", "depthwise_separable"}:
        more = result.macs >= result.baseline.macs
        reasons.append(
            "The thin layers need no fewer operations than those they replace: keep a smaller share."
            if more
            else "Several thin layers in place of one have to be started and pass more numbers through memory: in "
            "small layers that can cost more than fewer operations save."
        )
    if techniques == {"entropy_coding"}:
        reasons.append("Entropy coding is undone before the network runs: it saves bytes, not time.")
    return reasons


def _width_reasons(recipe: Recipe, result: Result) -> list[str]:
    """Fewer channels."""
    steps = {step.technique: step for step in recipe.steps}
    pruning = steps.get("channel_pruning")
    if isinstance(pruning, ChannelPruning) and pruning.round_to < FAST_MULTIPLE and result.latency_ratio_low > 1:
        return [
            f"Kernels work on blocks of {FAST_MULTIPLE} channels, and what is left fills no whole blocks: "
            f"try rounding channels to multiples of {FAST_MULTIPLE} (Advanced)."
        ]
    student = steps.get("distillation")
    if isinstance(student, Distillation) and student.student != "same" and result.latency_ratio_low > 1:
        family = option(Distillation, "student", student.student).label
        return [
            f"{family} has many more layers than this model: each has to be started, however few operations it needs."
        ]
    if {"channel_pruning", "distillation", "slimmable_student"} & set(steps):
        return ["In a network this small, starting each layer takes most of the time, however narrow it is."]
    return []


def guess(settings_in_words: str, expected: Estimate, known: Known) -> Verdict:
    """The verdict while the measurement runs: guessed numbers, called estimated."""
    parts = []
    if expected.stored_bytes is not None and known.stored_bytes is not None:
        parts.append(f"about {units.size_change(known.stored_bytes, expected.stored_bytes)}")
    if expected.accuracy is not None:
        parts.append(f"accuracy near {units.percent(expected.accuracy, 0)} %")
    numbers = ", ".join(parts) or "no numbers yet"
    return Verdict("neutral", f"Estimated: {numbers}. Measuring {settings_in_words} now …")
