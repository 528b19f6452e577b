"""What a result means, in one plain sentence. Torch-free.

Words never claim more than the measurement holds: a difference is called one only where the paired test
on the same images finds it, a speed-up only where the interval of the latency ratio stays below 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compression import wording
from compression.estimate import Estimate, Known
from compression.recipe import ChannelPruning, Recipe
from compression.result import Result

Tone = Literal["neutral", "good", "mixed", "bad"]

FAST_MULTIPLE = 8
"""ONNX Runtime's convolutions on CPUs work on blocks of 8 or 16 channels (NCHWc)."""

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


def has_collapsed(result: Result) -> bool:
    """Whether the accuracy is measurably lower, by `COLLAPSE` or more."""
    return result.is_different and result.accuracy_difference <= -COLLAPSE


def _tone(result: Result) -> Tone:
    lost = result.is_different and result.accuracy_difference < 0
    shrunk = result.size_ratio > 1 + wording.SAME_SIZE
    faster = result.latency_ratio_high < 1
    slower = result.latency_ratio_low > 1
    if lost or slower or not shrunk:
        return "mixed"
    return "good" if shrunk or faster else "neutral"


def _baseline_sentence(result: Result) -> str:
    decimals = wording.decimals_for(result.n_test)
    return (
        f"The model as it is: accuracy {wording.percent(result.accuracy, decimals)} % "
        f"on {result.n_test:,} images, {wording.size(result.stored_bytes)}, "
        f"{wording.milliseconds(result.latency_p50_ms)}. Move a slider to compress it."
    )


def size_words(result: Result) -> str:
    """'6.1× smaller', '1.2× larger' or 'same size': the stored file against the baseline's."""
    return wording.size_change(result.baseline.stored_bytes, result.stored_bytes)


def speed_words(result: Result) -> str:
    """'1.4× faster', '1.2× slower' or 'no measurable change in speed', from the ratio's interval."""
    if result.latency_ratio_high < 1:
        return f"{wording.factor(1 / result.latency_ratio)} faster"
    if result.latency_ratio_low > 1:
        return f"{wording.factor(result.latency_ratio)} slower"
    return "no measurable change in speed"


def accuracy_sentence(result: Result) -> str:
    """'accuracy 97.2 → 96.9 %: no measurable difference on 1,000 images', or how large the difference is."""
    decimals = wording.decimals_for(result.n_test)
    before = wording.percent(result.baseline.accuracy, decimals)
    after = wording.percent(result.accuracy, decimals)
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
    low = wording.points(result.accuracy_difference_low, decimals)
    high = wording.points(result.accuracy_difference_high, decimals)
    return f"{wording.points(result.accuracy_difference, decimals)} points, 95 % interval {low} to {high}"


def control_sentence(result: Result, control: Result) -> str:
    """What the teacher was worth: a distilled student against plain training with the same start and budget.

    The two are called different only where their 95 % intervals do not overlap, which errs on the safe side.
    """
    decimals = wording.decimals_for(result.n_test)
    taught, plain = (wording.percent(row.accuracy, decimals) for row in (result, control))
    numbers = f"{taught} % with the teacher, {plain} % by plain training with the same start and budget"
    if result.accuracy_low > control.accuracy_high:
        return f"The teacher helped: {numbers}."
    if result.accuracy_high < control.accuracy_low:
        return f"The teacher did harm here: {numbers}."
    return f"Whether the teacher helped cannot be told on {result.n_test:,} images: {numbers}."


def size_reasons(recipe: Recipe, result: Result) -> list[str]:
    """Why the file did not shrink as a person may expect."""
    techniques = {step.technique for step in recipe.steps}
    reasons = []
    if "magnitude_pruning" in techniques and result.onnx_bytes > 1.5 * result.stored_bytes:
        reasons.append(
            "Zeros shrink the stored file; the runtime file (.onnx) writes them out and stays larger, "
            "though zipping finds them."
        )
    if result.stored_bytes >= result.baseline.stored_bytes:
        reasons.append(
            "The stored file did not shrink: the positions or scales it must also hold cost more than was saved."
        )
    return reasons


def speed_reasons(recipe: Recipe, result: Result) -> list[str]:
    """Why it is not faster; nothing where it is."""
    if result.latency_ratio_high < 1:
        return []
    steps = {step.technique: step for step in recipe.steps}
    reasons = []
    if "magnitude_pruning" in steps:
        reasons.append("Single zeros save no time: ONNX Runtime multiplies by them. Removing whole channels does.")
    quantization = steps.get("quantization")
    if quantization is not None and getattr(quantization, "activation_bits", None) is None:
        reasons.append(
            "Without 8-bit activations the weights become floats before each layer: integer kernels do not run."
        )
    elif quantization is not None:
        reasons.append("In a network this small, converting to integers and back can cost what integer kernels save.")
    pruning = steps.get("channel_pruning")
    if isinstance(pruning, ChannelPruning) and pruning.round_to < FAST_MULTIPLE and result.latency_ratio_low > 1:
        reasons.append(
            f"Kernels work on blocks of {FAST_MULTIPLE} channels, and what is left fills no whole blocks: "
            f"try rounding channels to multiples of {FAST_MULTIPLE} (Advanced)."
        )
    elif {"channel_pruning", "distillation"} & set(steps):
        reasons.append("In a network this small, starting each layer takes most of the time, however narrow it is.")
    return reasons


def guess(settings_in_words: str, expected: Estimate, known: Known) -> Verdict:
    """The verdict while the measurement runs: guessed numbers, called estimated."""
    parts = []
    if expected.stored_bytes is not None and known.stored_bytes is not None:
        parts.append(f"about {wording.size_change(known.stored_bytes, expected.stored_bytes)}")
    if expected.accuracy is not None:
        parts.append(f"accuracy near {wording.percent(expected.accuracy, 0)} %")
    numbers = ", ".join(parts) or "no numbers yet"
    return Verdict("neutral", f"Estimated: {numbers}. Measuring {settings_in_words} now …")
