"""Was it worth it: one rule, one tone and the words for both, the same wherever a result is judged. Torch-free.

Words never claim more than the measurement holds: a difference is called one only where the paired test
on the same images finds it, a speed-up only where the interval of the latency ratio stays below 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compression import units
from compression.explain import reasons
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Distillation, FineTuning, MagnitudePruning
from compression.results.metrics import Effect
from compression.results.record import Measures, Preview, Result
from compression.search.estimate import Estimate, Known

Tone = Literal["good", "mixed", "bad", "neutral"]

COLLAPSE = 0.10
"""A measurable loss of ten percentage points or more is called a collapse: no longer the same product."""


@dataclass(frozen=True)
class Verdict:
    """`title` in two words, `text` with the numbers, `plain` for people who decide.

    `reasons` say why the file did not shrink or is not faster.
    """

    tone: Tone
    title: str
    text: str
    plain: str
    reasons: tuple[str, ...] = ()


def judge(result: Result) -> Verdict:
    """The verdict on a measured result."""
    if result.is_baseline:
        return Verdict("neutral", "The original", *_original(result))
    tone = tone_of(result)
    return Verdict(tone, _title(result, tone), _text(result), _plain(result), reasons.in_short(result))


def tone_of(result: Result) -> Tone:
    """`bad` where the accuracy collapsed, `good` where something got better and nothing worse.

    `neutral` is the original, and what differs from it in nothing that can be measured; the rest is `mixed`.
    """
    if has_collapsed(result):
        return "bad"
    found = () if result.is_baseline else effects(result)
    if "worse" in found:
        return "mixed"
    return "good" if "better" in found else "neutral"


def effects(result: Result) -> tuple[Effect, Effect, Effect]:
    """What became of size, speed and accuracy."""
    return size_effect(result), speed_effect(result), accuracy_effect(result)


def size_effect(result: Result) -> Effect:
    """Of the stored file."""
    old, new = result.baseline.stored_bytes, result.stored_bytes
    if units.is_same_size(old, new):
        return "same"
    return "better" if new < old else "worse"


def speed_effect(result: Result) -> Effect:
    """Of the time for one image."""
    return time_effect(result.latency_ratio_low, result.latency_ratio_high)


def time_effect(low: float, high: float) -> Effect:
    """Of a ratio of times with this interval: better is a shorter time."""
    return "better" if high < 1 else "worse" if low > 1 else "same"


def accuracy_effect(result: Result) -> Effect:
    """Of the accuracy on the test images."""
    if not result.is_different:
        return "same"
    return "better" if result.accuracy_difference > 0 else "worse"


def effect_between(result: Result, other: Result) -> Effect:
    """Of the accuracy against another's: the same where 95 % intervals overlap, which errs on the safe side."""
    if result.accuracy_low > other.accuracy_high:
        return "better"
    return "worse" if result.accuracy_high < other.accuracy_low else "same"


def has_collapsed(result: Result) -> bool:
    """Whether the accuracy is measurably lower, by `COLLAPSE` or more."""
    return result.is_different and result.accuracy_difference <= -COLLAPSE


# The words.


def size_words(result: Result) -> str:
    """'6.1× smaller', '1.2× larger' or 'same size': the stored file against the baseline's."""
    return units.size_change(result.baseline.stored_bytes, result.stored_bytes)


def speed_words(result: Result) -> str:
    """'1.4× faster', '1.2× slower' or 'no measurable change in speed', from the ratio's interval."""
    return units.speed_change(result.latency_ratio, result.latency_ratio_low, result.latency_ratio_high)


def percent(measures: Preview) -> str:
    """The accuracy: '96.9 %'."""
    return f"{units.percent(measures.accuracy, units.decimals_for(measures.n_test))} %"


_TITLES: dict[Tone, str] = {
    "good": "Worth it",
    "mixed": "A trade-off",
    "bad": "It breaks the product",
    "neutral": "Nothing won",
}


def _title(result: Result, tone: Tone) -> str:
    is_trade = tone != "mixed" or "better" in effects(result)
    return _TITLES[tone if is_trade else "neutral"]


def _original(result: Result) -> tuple[str, str]:
    right, images = percent(result), f"{result.n_test:,}"
    return (
        f"The model as it is: accuracy {right} on {images} images, {units.size(result.stored_bytes)}, "
        f"{units.milliseconds(result.latency_p50_ms)}. Nothing is compressed yet.",
        f"Nothing is compressed yet: {right} right on {images} test images.",
    )


def _text(result: Result) -> str:
    gains, accuracy = f"{size_words(result)}, {speed_words(result)}", accuracy_sentence(result)
    if has_collapsed(result):
        return f"{units.capital(accuracy)} ({gains})."
    return f"{units.capital(gains)}, {accuracy}."


def accuracy_sentence(result: Result) -> str:
    """'accuracy 97.2 → 96.9 %: no measurable difference on 1,000 images', or how large the difference is."""
    change, images = _before_and_after(result.baseline, result), f"on {result.n_test:,} images"
    if has_collapsed(result):
        return f"accuracy collapsed: {change} {images}"
    if result.is_different:
        decimals = units.decimals_for(result.n_test)
        kind = "gain" if result.accuracy_difference > 0 else "loss"
        interval = units.points_interval(result.accuracy_difference_low, result.accuracy_difference_high, decimals)
        points = units.points(result.accuracy_difference, decimals)
        return f"accuracy {change}: a measurable {kind} {images} ({points} points, 95 % interval {interval})"
    if result.changed_predictions == 0:
        return f"accuracy {percent(result)}: every prediction the same {images}"
    return f"accuracy {change}: no measurable difference {images}"


def _before_and_after(before: Preview, after: Preview) -> str:
    return f"{percent(before).removesuffix(' %')} → {percent(after)}"


def _plain(result: Result) -> str:
    won = units.capital(size_words(result))
    right = f"{percent(result)} right instead of {percent(result.baseline)}"
    if has_collapsed(result):
        return f"{won}, but only {right}."
    if (speed := speed_effect(result)) != "same":
        won += f" {'and' if speed == 'better' else 'but'} {speed_words(result)}"
    match accuracy_effect(result):
        case "worse":
            lost = units.percent(-result.accuracy_difference, units.decimals_for(result.n_test))
            return f"{won}, but {lost} more mistakes in every 100: {right}."
        case "better":
            return f"{won}; it even gets more right: {percent(result)} instead of {percent(result.baseline)}."
        case _:
            return f"{won}; no measurable loss of accuracy on {result.n_test:,} test images."


# Before everything is measured, and beside other ways.


def so_far(preview: Preview, baseline: Measures) -> str:
    """Before the latency is known: '6.1× smaller, accuracy 97.2 → 96.9 % on 1,000 images', and that it comes."""
    size = units.capital(units.size_change(baseline.stored_bytes, preview.stored_bytes))
    accuracy = f"accuracy {_before_and_after(baseline, preview)} on {preview.n_test:,} images"
    return f"{size}, {accuracy}. Its latency is being measured."


def guess(settings_in_words: str, expected: Estimate, known: Known) -> str:
    """While the measurement runs: guessed numbers, called estimated."""
    parts = []
    if expected.stored_bytes is not None and known.stored_bytes is not None:
        parts.append(f"about {units.size_change(known.stored_bytes, expected.stored_bytes)}")
    if expected.accuracy is not None:
        parts.append(f"accuracy near {units.percent(expected.accuracy, 0)} %")
    numbers = ", ".join(parts) or "no numbers yet"
    return f"Estimated: {numbers}. Measuring {settings_in_words} now …"


def control_sentence(result: Result, control: Result) -> str:
    """What a way of training was worth: the result against plain training with the same shapes and budget."""
    subject = _beyond_plain_training(result.parsed_recipe)
    numbers = f"{percent(result)} with, {percent(control)} by plain training with the same budget"
    if result.stored_bytes < (1 - units.SAME_SIZE) * control.stored_bytes:
        numbers += f", in {units.size(result.stored_bytes)} instead of {units.size(control.stored_bytes)}"
    effect = effect_between(result, control)
    if effect == "same":
        return f"Whether {subject} helped cannot be told on {result.n_test:,} images: {numbers}."
    return f"{units.capital(subject)} {'helped' if effect == 'better' else 'cost accuracy here'}: {numbers}."


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
