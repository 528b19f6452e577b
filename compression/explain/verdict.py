"""Was it worth it: one rule, one tone and the words for both, the same wherever a result is judged. Torch-free.

Words never claim more than the measurement holds: a difference is called one only where the paired test
on the same images finds it, a speed-up only where the interval of the latency ratio stays below 1, and no difference
is told without its interval.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from compression import units
from compression.explain import reasons
from compression.explain.differences import (
    Gap,
    accuracy_gap,
    amount_effect,
    gap_effect,
    gap_words,
    percent,
    time_effect,
)
from compression.explain.rivals import POINT, WORTH, Rival, rivals
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Distillation, FineTuning, MagnitudePruning
from compression.results.metrics import Effect
from compression.results.record import Measures, Result, Underway
from compression.results.score import says
from compression.search.estimate import Estimate, Known

Tone = Literal["good", "mixed", "bad", "neutral"]

COLLAPSE = 0.10
"""A measurable loss of ten percentage points or more is called a collapse."""

_TOO_LITTLE = f"What is won is less than {units.share(WORTH)}, too little to change for."

MATTERS = POINT
"""A loss of this much is worth knowing of: where the interval allows it, nothing is called worth it without doubt."""


@dataclass(frozen=True)
class Verdict:
    """`title` in two words, `text` with the numbers, `plain` for people who decide.

    `reasons` say why the file did not shrink or is not faster; `rivals` are what was measured and speaks against it.
    """

    tone: Tone
    title: str
    text: str
    plain: str
    reasons: tuple[str, ...] = ()
    rivals: tuple[Rival, ...] = ()

    @property
    def sign(self) -> str:
        """What stands before the title where there is room for a large one."""
        return _SIGNS[self.tone]


_SIGNS: dict[Tone, str] = {"good": "✓", "mixed": "⇄", "bad": "✕", "neutral": "•"}


@says
def judge(result: Result, measured: Iterable[Result] = (), gap: Gap = accuracy_gap) -> Verdict:
    """The verdict on a result, beside all that is `measured` of its model; `gap` compares the accuracies of two."""
    if result.is_baseline:
        return Verdict("neutral", "The original", *_original(result))
    against = rivals(result, (other for other in measured if not has_collapsed(other)), gap)
    tone, title, because = _grade(result, against)
    named = f"{against[0].title}." if against else ""
    text = " ".join(filter(None, (_text(result), because, named)))
    plain = " ".join(filter(None, (_plain(result), because, named)))
    return Verdict(tone, title, text, plain, reasons.in_short(result), against)


def _grade(result: Result, against: tuple[Rival, ...]) -> tuple[Tone, str, str]:
    """Tone, title, and the sentence that says what decided where the numbers alone do not show it."""
    found = {*effects(result), memory_effect(result)}
    if has_collapsed(result):
        return "bad", "The accuracy collapses", ""
    if not _is_won(result):
        little = _TOO_LITTLE if "better" in found else ""
        title = "Not worth it" if "worse" in found else "Hardly anything won" if little else "Nothing won"
        return "bad" if "worse" in found else "neutral", title, little
    if any(rival.beats for rival in against):
        return "mixed", "Something else is better", ""
    if "worse" in found:
        return "mixed", "A trade-off", ""
    if result.accuracy_difference_low <= -MATTERS:
        doubt = f"Whether it loses a whole point cannot be told on {result.n_test:,} images."
        return "neutral", "Perhaps worth it", doubt
    return "good", "Worth it", ""


def _is_won(result: Result) -> bool:
    """Whether size, time or memory fell by `WORTH` or more, or the accuracy rose measurably."""
    old, most = result.baseline, 1 - WORTH
    return (
        result.stored_bytes <= most * old.stored_bytes
        or (speed_effect(result) == "better" and result.latency_ratio <= most)
        or 0 < result.peak_memory_bytes <= most * old.peak_memory_bytes
        or accuracy_effect(result) == "better"
    )


def effects(result: Result) -> tuple[Effect, Effect, Effect]:
    """What became of size, speed and accuracy."""
    return size_effect(result), speed_effect(result), accuracy_effect(result)


def size_effect(result: Result) -> Effect:
    """Of the stored file."""
    return amount_effect(result.baseline.stored_bytes, result.stored_bytes)


def speed_effect(result: Result) -> Effect:
    """Of the time for one image."""
    return time_effect(result.latency_ratio_low, result.latency_ratio_high)


def memory_effect(result: Result) -> Effect:
    """Of the peak memory, which is computed: only what changes by `WORTH` or more counts."""
    old, new = result.baseline.peak_memory_bytes, result.peak_memory_bytes
    return "same" if old and abs(new / old - 1) < WORTH else amount_effect(old, new)


def accuracy_effect(result: Result) -> Effect:
    """Of the accuracy on the test images."""
    if not result.is_different:
        return "same"
    return "better" if result.accuracy_difference > 0 else "worse"


def effect_between(result: Result, other: Result) -> Effect:
    """Of the accuracy against another's: the same where the interval of the difference holds 0."""
    return gap_effect(*accuracy_gap(result, other))


def has_collapsed(result: Result) -> bool:
    """Whether the accuracy is measurably lower, by `COLLAPSE` or more."""
    return result.is_different and result.accuracy_difference <= -COLLAPSE


# The words.


def size_words(result: Result) -> str:
    """'6.1× smaller', '1.2× larger' or 'same size': the stored file against the baseline's."""
    return units.size_change(result.baseline.stored_bytes, result.stored_bytes)


def speed_words(result: Result) -> str:
    """'1.4× faster (1.3–1.5×)', '1.2× slower …' or 'no measurable difference in speed …'."""
    return units.speed(result.latency_ratio, result.latency_ratio_low, result.latency_ratio_high)


@says
def _original(result: Result) -> tuple[str, str]:
    right, images = percent(result), f"{result.n_test:,}"
    return (
        f"Accuracy {right} on {images} images, {units.size(result.stored_bytes)}, "
        f"{units.milliseconds(result.latency_p50_ms)}. Nothing is compressed yet.",
        f"Nothing is compressed yet: {right} right on {images} test images.",
    )


def _text(result: Result) -> str:
    gains = [*filter(None, (size_words(result), speed_words(result), _memory_words(result)))]
    accuracy = accuracy_sentence(result)
    if has_collapsed(result):
        return f"{units.capital(accuracy)}. {units.capital(', '.join(gains))}."
    return f"{units.capital(', '.join(gains))}, {accuracy}."


def _memory_words(result: Result) -> str:
    """'1.2× more memory'; of less memory only where nothing else is won: it mostly falls with the size."""
    old, new = result.baseline.peak_memory_bytes, result.peak_memory_bytes
    effect = memory_effect(result)
    if effect == "worse":
        return f"{units.factor(new / old)} more memory"
    alone = "better" not in (size_effect(result), speed_effect(result))
    return f"{units.factor(old / new)} less memory" if effect == "better" and alone else ""


@says
def accuracy_sentence(result: Result) -> str:
    """'accuracy 97.2 → 96.9 %: no measurable difference on 1,000 images (between …)', or how large it is."""
    images, decimals = f"on {result.n_test:,} images", units.decimals_for(result.n_test)
    before, after = percent(result.baseline).removesuffix(" %"), percent(result)
    between = units.points_between(result.accuracy_difference_low, result.accuracy_difference_high, decimals)
    if has_collapsed(result):
        return f"accuracy collapsed: {before} → {after} {images} ({between})"
    if result.is_different:
        kind = "gain" if result.accuracy_difference > 0 else "loss"
        return f"accuracy {before} → {after}: a measurable {kind} {images} ({between})"
    if result.changed_predictions == 0:
        return f"accuracy {after}: every prediction the same {images}"
    return f"accuracy {before} → {after}: no measurable difference {images} ({between})"


def _plain(result: Result) -> str:
    """For people who decide: one 'but' at most, and mistakes counted in whole images."""
    won = units.capital(size_words(result))
    right = f"{percent(result)} right instead of {percent(result.baseline)}"
    if (speed := speed_effect(result)) != "same":
        is_turn = size_effect(result) != "same" and speed != size_effect(result)
        won += f" {'but' if is_turn else 'and'} {speed_words(result)}"
    if memory := _memory_words(result):
        won += f", in {memory}"
    low, high = result.accuracy_difference_low, result.accuracy_difference_high
    decimals = units.decimals_for(result.n_test)
    match accuracy_effect(result):
        case "worse":
            more = f"{_per_thousand(-result.accuracy_difference)} more mistakes in every 1,000 images"
            between = f"(between {_per_thousand(-high)} and {_per_thousand(-low)})"
            if has_collapsed(result):
                return f"Only {right}, {more} {between}. {won}."
            return f"{won}, and {more} {between}: {right}."
        case "better":
            return f"{won}, and it even gets more right: {right} ({units.points_between(low, high, decimals)})."
        case _:
            found = units.points_between(low, high, decimals)
            return f"{won}, with no measurable difference in accuracy on {result.n_test:,} test images ({found})."


def _per_thousand(share: float) -> str:
    """'7', '0.4': images in every 1,000."""
    count = 1000 * share
    return f"{count:,.0f}" if count >= 1 else f"{max(0.0, count):.1f}"


# Before everything is measured, and beside other ways.


@says
def so_far(preview: Underway, baseline: Measures) -> str:
    """Before all is known: '6.1× smaller, accuracy 97.2 → 96.9 % on 1,000 images', how sure that is, and what comes."""
    size = units.capital(units.size_change(baseline.stored_bytes, preview.stored_bytes))
    decimals = units.decimals_for(preview.n_test)
    before = units.share(preview.accuracy - preview.accuracy_difference, decimals).removesuffix(" %")
    between = units.points_between(preview.accuracy_difference_low, preview.accuracy_difference_high, decimals)
    is_through = preview.n_test == preview.n_planned
    images = f"{preview.n_test:,} {'' if is_through else f'of {preview.n_planned:,} '}images"
    accuracy = f"accuracy {before} → {percent(preview)} on {images} ({between})"
    return (
        f"{size}, {accuracy}. {'Its latency is being measured.' if is_through else 'More images are being evaluated.'}"
    )


@says
def guess(settings_in_words: str, expected: Estimate, known: Known) -> str:
    """While the measurement runs: guessed numbers, called estimated."""
    parts = []
    if expected.stored_bytes is not None and known.stored_bytes is not None:
        change = units.size_change(known.stored_bytes, expected.stored_bytes)
        parts.append(f"about {'the ' if change == units.SAME else ''}{change}")
    if expected.accuracy is not None:
        low, high = expected.accuracy_range or (expected.accuracy, expected.accuracy)
        ends = dict.fromkeys(units.percent(end, 1) for end in (low, high))
        parts.append(f"accuracy {' to '.join(ends)} %")
    numbers = ", ".join(parts) or "no numbers yet"
    return f"Estimated: {numbers}. Measuring {settings_in_words} now …"


@says
def control_sentence(result: Result, control: Result) -> str:
    """What a way of training was worth: the result against the same shapes and as much training without it."""
    subject = _beyond_plain_training(result.parsed_recipe)
    numbers = f"{percent(result)} with, {percent(control)} without, by as much training"
    numbers += f" ({gap_words(result, control)})"
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
                found += ["learning the scales"] * step.learn_scales
                found += ["the entropy penalty"] * (step.entropy_penalty > 0)
            case MagnitudePruning(epochs=epochs) if epochs > 0:
                found.append("pruning little by little")
    return " and ".join(dict.fromkeys(found)) or "this training"
