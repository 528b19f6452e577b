"""Predict, then reveal: questions about a recipe, and how what was measured answers them. Torch-free.

The answer is never written down beforehand: which choice came true, and what is said about it, follow from results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from compression import units
from compression.explain import verdict
from compression.recipe.recipe import Recipe
from compression.results.metrics import METRICS
from compression.results.predictions import Answers
from compression.results.record import Result
from compression.results.significance import SIGNIFICANT, paired_over_seeds


@dataclass(frozen=True)
class Outcome:
    """The name of the choice that came true, what was measured (half a sentence), and why."""

    choice: str
    measured: str
    explanation: str


@dataclass(frozen=True)
class Question:
    """Asked about `recipes`, of which the first is the setting itself and others are what it is compared with.

    `choices` are words by name; `judge` takes the recipes' results, and with `needs_answers` after them what each
    of these networks answers to the test images.
    """

    text: str
    choices: Mapping[str, str]
    recipes: tuple[Recipe, ...]
    judge: Callable[..., Outcome]
    needs_answers: bool = False

    @property
    def recipe(self) -> Recipe:
        """The setting that the question is about."""
        return self.recipes[0]


@dataclass(frozen=True)
class Judgement:
    """A guess held against what was measured; `choice` names what came true."""

    is_right: bool
    said: str
    explanation: str
    choice: str


def judge(
    question: Question, guess: str | None, results: Sequence[Result], answers: Sequence[Answers] = ()
) -> Judgement:
    """What became of a guess, which is one of the question's choices, or what came out where nobody guessed.

    `results` are those of its recipes in order.
    """
    found = question.judge(*results, *answers)
    truth = question.choices[found.choice]
    measured = f"Measured: {found.measured}."
    if guess is None:
        return Judgement(True, f"“{truth}”. {measured}", found.explanation, found.choice)
    said = f"You said: “{guess}”. {measured}"
    if guess != truth:
        said += f" So it is: “{truth}”."
    return Judgement(guess == truth, said, found.explanation, found.choice)


Reasons = Mapping[str, str]
"""What is said of each outcome, by its name."""


# --- accuracy ----------------------------------------------------------------------------------------------------

ACCURACY = {
    "better": "It gets better",
    "same": "No measurable difference",
    "little": "It loses up to 5 points",
    "much": "It loses 5 to 30 points",
    "collapse": "It loses more than 30 points",
}
LITTLE, MUCH = 0.05, 0.30


def accuracy_question(text: str, recipe: Recipe, reasons: Reasons, *others: tuple[str, Recipe]) -> Question:
    """What happens to the share of test images that the whole network gets right.

    `others` are settings that nobody is asked about, and what is said of them before their accuracy.
    """

    def answer(result: Result, *more: Result) -> Outcome:
        name = accuracy_outcome(result)
        beside = (
            f"{words}: **{METRICS['accuracy'].said(one)}**." for (words, _), one in zip(others, more, strict=True)
        )
        return Outcome(name, _accuracies(result), _why(result, " ".join([reasons[name], *beside])))

    return Question(text, ACCURACY, (recipe, *(other for _, other in others)), answer)


def accuracy_outcome(result: Result) -> str:
    """One of `ACCURACY`."""
    effect = verdict.accuracy_effect(result)
    if effect != "worse":
        return effect
    lost = round(-result.accuracy_difference, 6)
    return "little" if lost <= LITTLE else "much" if lost <= MUCH else "collapse"


def _accuracies(result: Result) -> str:
    after, before = map(METRICS["accuracy"].said, (result, result.baseline))
    return f"{after} of {result.n_test:,} test images are right, against {before} before"


def _why(result: Result, reason: str) -> str:
    """The reason, and what else the measurement brought."""
    return f"{reason}\n\nAll in all: {verdict.judge(result).text}"


# --- size --------------------------------------------------------------------------------------------------------

SIZES = {
    "none": "Hardly: less than 1.5 times",
    "little": "1.5 to 4 times",
    "some": "4 to 10 times",
    "much": "10 to 25 times",
    "most": "More than 25 times",
}
_SIZE_BOUNDS = (1.5, 4, 10, 25)


def size_question(text: str, recipe: Recipe, theory: Callable[[Result], str]) -> Question:
    """How many times smaller the stored file gets; `theory` says how that compares with what was calculated."""

    def answer(result: Result) -> Outcome:
        before, after = (units.size(one.stored_bytes) for one in (result.baseline, result))
        measured = f"{before} became {after}, {verdict.size_words(result)}"
        return Outcome(_reached(result.size_ratio, _SIZE_BOUNDS, SIZES), measured, _why(result, theory(result)))

    return Question(text, SIZES, (recipe,), answer)


def _reached(value: float, bounds: Sequence[float], choices: Mapping[str, str]) -> str:
    """The name of the choice that a value lies in, of which the bounds, ascending, are between two."""
    return list(choices)[sum(value >= bound for bound in bounds)]


# --- speed -------------------------------------------------------------------------------------------------------

SPEEDS = {
    "slower": "It gets slower",
    "same": "No measurable change",
    "faster": "Faster, but it needs more than 60 % of the time",
    "half": "It needs 40 to 60 % of the time",
    "more": "It needs less than 40 % of the time",
}


def speed_question(text: str, recipe: Recipe, counted: str, reasons: Reasons) -> Question:
    """What happens to the time for one image; `counted` and `reasons` are those of `speed_reason`."""

    def answer(result: Result) -> Outcome:
        measured = (
            f"{units.share(result.latency_ratio)} of the time "
            f"(95 % interval {units.percent_interval(result.latency_ratio_low, result.latency_ratio_high, 0)} %), "
            f"with {units.share(result.macs / result.baseline.macs)} of the operations"
        )
        return Outcome(speed_outcome(result), measured, _why(result, speed_reason(result, counted, reasons)))

    return Question(text, SPEEDS, (recipe,), answer)


def speed_outcome(result: Result) -> str:
    """One of `SPEEDS`."""
    effect = verdict.speed_effect(result)
    if effect != "better":
        return "slower" if effect == "worse" else "same"
    return "faster" if result.latency_ratio > 0.6 else "half" if result.latency_ratio >= 0.4 else "more"


def speed_reason(result: Result, counted: str, reasons: Reasons) -> str:
    """What a measured time says against the operations: `counted`, with their percentage for "{}", and a reason.

    Where it got faster the reasons are of "less", "alike" or "more" than by the operations saved.
    """
    work, name = result.macs / result.baseline.macs, speed_outcome(result)
    if name not in ("slower", "same"):
        name = "less" if result.latency_ratio_low > work else "more" if result.latency_ratio_high < work else "alike"
    return f"{counted.format(units.share(work))}, {reasons[name]}"


# --- one way against another -------------------------------------------------------------------------------------

TEACHING = {
    "better": "Better than without the teacher, each time",
    "same": "No difference that can be told, or sometimes one and sometimes the other",
    "worse": "Worse than without the teacher, each time",
}


def teaching_question(text: str, pairs: Sequence[tuple[Recipe, Recipe]], reasons: Reasons) -> Question:
    """Whether students with a teacher beat the same students without; one pair of each for every seed.

    They do where they are better with every seed, and over all seeds by more than chance on these images.
    """
    seeds = len(pairs)

    def answer(*found: Result | Answers) -> Outcome:
        results = [one for one in found if isinstance(one, Result)]
        right = [one.right for one in found if isinstance(one, Answers)]
        difference = paired_over_seeds(right[::2], right[1::2])
        name = _teaching_outcome([one.accuracy - other.accuracy for one, other in zip(*_pairs(results), strict=True)])
        if name != "same" and not difference.p_value < SIGNIFICANT:
            name = "same"
        decimals = units.decimals_for(results[0].n_test)
        taught, plain = (_listed(list(map(METRICS["accuracy"].said, some))) for some in _pairs(results))
        interval = units.points_interval(difference.low, difference.high, decimals)
        measured = (
            f"with the teacher {taught} of {results[0].n_test:,} test images are right, without {plain}. On these "
            f"{seeds} seeds that is {units.points(difference.difference, decimals)} points on average, 95 % interval "
            f"{interval}, compared image by image"
        )
        return Outcome(name, measured, f"{reasons[name]} {_ON_THESE_SEEDS}")

    return Question(text, TEACHING, tuple(recipe for pair in pairs for recipe in pair), answer, needs_answers=True)


_ON_THESE_SEEDS = "This holds on these seeds: other random beginnings may come out otherwise, and other networks too."


def _pairs(results: Sequence[Result]) -> tuple[Sequence[Result], Sequence[Result]]:
    """Those with the teacher, and those without."""
    return results[::2], results[1::2]


def _teaching_outcome(differences: Sequence[float]) -> str:
    if all(difference > 0 for difference in differences):
        return "better"
    return "worse" if all(difference < 0 for difference in differences) else "same"


def _listed(words: Sequence[str]) -> str:
    """'97.1 %, 97.3 % and 97.0 %'."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


CODINGS = {
    "none": "Less than 5 % smaller",
    "little": "5 to 15 % smaller",
    "some": "15 to 30 % smaller",
    "half": "30 to 60 % smaller",
    "most": "More than 60 % smaller",
}
_CODING_BOUNDS = (0.05, 0.15, 0.30, 0.60)


def coding_question(text: str, coded: Recipe, plain: Recipe) -> Question:
    """How much smaller arithmetic coding makes the whole stored file, against plain bits."""

    def answer(short: Result, long: Result) -> Outcome:
        saved = 1 - short.stored_bytes / long.stored_bytes
        sizes = f"{units.size(short.stored_bytes)} against {units.size(long.stored_bytes)} with plain bits"
        choice = _reached(saved, _CODING_BOUNDS, CODINGS)
        return Outcome(choice, f"{sizes}, {_saved_words(saved)}", _coding_reason(short, long))

    return Question(text, CODINGS, (coded, plain), answer)


def _saved_words(saved: float) -> str:
    return f"{units.share(saved)} smaller" if saved >= 0 else f"{units.share(-saved)} larger"


def _coding_reason(coded: Result, plain: Result) -> str:
    if coded.changed_predictions == plain.changed_predictions and coded.accuracy == plain.accuracy:
        same = "Nothing is lost: both files hold the same weights, and accuracy is the same to the last image."
    else:
        same = "The two files do not answer exactly alike, which coding alone should never cause."
    if coded.stored_bytes < plain.stored_bytes:
        return f"Some codes are more frequent than others, and frequent ones get fewer bits. {same}"
    return f"Here no code is frequent enough for shorter words to pay for the description of the code. {same}"
