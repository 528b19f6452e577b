"""A measured result for people who decide: a verdict, what it means in practice, and the risk. Torch-free.

What it means rests on assumptions, which are always shown with it. Energy is a labelled model
(`compression.results.energy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from compression import units
from compression.errors import InvalidRecipe
from compression.explain import verdict
from compression.explain.verdict import Tone, Verdict
from compression.results import energy, predictions
from compression.results.energy import Memory
from compression.results.metrics import METRICS, Effect
from compression.results.predictions import Answers, Recall
from compression.results.record import Measures, Result

_MEGA = 1e6


@dataclass(frozen=True)
class Assumptions:
    """What the numbers beside the measured ones rest on: `LIMITS` holds legal values, `ASSUMED` the words."""

    mbits: float = 20.0
    flash_mb: float = 1.0
    inferences: float = 1e6
    hour_price: float = 0.04
    kwh_price: float = 0.25
    intensity: float = energy.WORLD_GRID
    memory: Memory = "cache"


LIMITS: Mapping[str, tuple[float, float]] = {
    "mbits": (0.01, 10_000.0),
    "flash_mb": (0.001, 100_000.0),
    "inferences": (1.0, 1e12),
    "hour_price": (0.0, 1000.0),
    "kwh_price": (0.0, 100.0),
    "intensity": (0.0, 2000.0),
}
"""Smallest and largest value of each number in `Assumptions`."""

ASSUMED: Mapping[str, tuple[str, str]] = {
    "mbits": ("4G download, Mbit/s", "A usual speed outdoors in a city; at the edge of a cell it is a tenth of it."),
    "flash_mb": ("Flash memory, MB", "What a small microcontroller has. 1 MB is 1,000,000 bytes."),
    "inferences": ("Images", "How many images the network looks at."),
    "hour_price": ("One vCPU for an hour, $", "About what a general-purpose virtual machine costs in a cloud."),
    "kwh_price": ("Electricity, $ a kWh", "For the energy model only."),
    "intensity": ("CO₂, g a kWh", f"{energy.WORLD_GRID:.0f} is the world's average grid."),
    "memory": (
        "Weights come from",
        "A small network stays in the cache; a byte from DRAM costs a hundred times as much.",
    ),
}
"""Title and explanation of each assumption."""


def assumptions_from(parameters: Mapping[str, str]) -> Assumptions:
    """Read a link's query parameters, any of which may be missing; raises `InvalidRecipe`, naming the value."""
    found: dict[str, object] = {name: _number(name, parameters[name]) for name in LIMITS if name in parameters}
    memory = parameters.get("memory", "cache")
    if memory not in energy.BYTE_PJ:
        raise InvalidRecipe(f"The link's memory must be cache or dram, but is {memory[:80]!r}.")
    return Assumptions(**found, memory=memory)  # type: ignore[arg-type]  # the types are those of the fields


def _number(name: str, text: str) -> float:
    low, high = LIMITS[name]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise InvalidRecipe(f"The link's {name} must be a number from {low:g} to {high:g}, but is {text[:80]!r}.")
    return value


def parameters_of(assumed: Assumptions) -> dict[str, str]:
    """The query parameters of assumptions: those that are not the usual ones."""
    usual = Assumptions()
    changed = [field.name for field in fields(assumed) if getattr(assumed, field.name) != getattr(usual, field.name)]
    return {name: f"{getattr(assumed, name):.12g}" if name in LIMITS else getattr(assumed, name) for name in changed}


# The three numbers.


@dataclass(frozen=True)
class BigNumber:
    """One number that everybody remembers, with what it was before."""

    title: str
    value: str
    before: str
    tone: Tone


_TONES: Mapping[Effect, Tone] = {"better": "good", "same": "neutral", "worse": "mixed"}


def big_numbers(result: Result, before_ms: float | None = None) -> tuple[BigNumber, BigNumber, BigNumber]:
    """Size, time and accuracy.

    The time is the ratio to the baseline, measured in turns, times that one's: `before_ms`, so that several results
    have the same, or what it was then.
    """
    old = result.baseline
    before_ms = before_ms or old.latency_p50_ms
    times = (units.milliseconds(ms) for ms in (before_ms, before_ms * result.latency_ratio))
    size, speed, accuracy = (_TONES[effect] for effect in verdict.effects(result))
    return (
        BigNumber(
            "File to ship (stored file)",
            verdict.size_words(result),
            f"{units.size(old.stored_bytes)} before, {units.size(result.stored_bytes)} after",
            size,
        ),
        BigNumber(
            "Time for an image",
            verdict.speed_words(result).removesuffix(" in speed"),
            "{} before, {} after".format(*times),
            speed,
        ),
        BigNumber(
            "Right answers",
            verdict.percent(result),
            f"{verdict.percent(old)} before: {accuracy_words(result)}",
            "bad" if verdict.has_collapsed(result) else accuracy,
        ),
    )


def accuracy_words(result: Result) -> str:
    """Whether the accuracy changed measurably."""
    effect = verdict.accuracy_effect(result)
    return "no measurable difference" if effect == "same" else f"measurably {effect}"


# Several settings beside each other, for people who choose one.

AT_MOST = 2
"""Alternatives beside the presented setting: with the original four marks on a chart."""

PRESENTED = "after"
"""What the presented setting is called on charts, beside "before"."""


@dataclass(frozen=True)
class Option:
    """One setting: what charts call it, its recipe in words, the verdict and the three numbers."""

    name: str
    setting: str
    verdict: Verdict
    numbers: tuple[BigNumber, BigNumber, BigNumber]


def names_on_charts(count: int) -> list[str]:
    """What charts call the presented setting and `count` alternatives."""
    return [PRESENTED, *(f"alternative {number + 1}" for number in range(count))]


def options(result: Result, others: Sequence[Result]) -> tuple[Option, ...]:
    """The presented setting first."""
    before_ms = result.baseline.latency_p50_ms
    return tuple(
        Option(name, one.words, verdict.judge(one), big_numbers(one, before_ms))
        for name, one in zip(names_on_charts(len(others)), (result, *others), strict=True)
    )


# What it means.


@dataclass(frozen=True)
class Meaning:
    """One consequence: before and after in words, and what it was computed from."""

    title: str
    before: str
    after: str
    how: str
    is_model: bool = False


def meanings(result: Result, assumed: Assumptions) -> tuple[Meaning, ...]:
    """What the measured numbers mean under these assumptions."""
    count = f"{assumed.inferences:,.0f} image{'' if assumed.inferences == 1 else 's'}"
    unclear = "; no measurable difference" if verdict.speed_effect(result) == "same" else ""
    place = "the cache" if assumed.memory == "cache" else "DRAM"

    def line(title: str, words: Callable[[Measures, Measures], str], how: str, *, is_model: bool = False) -> Meaning:
        """`words` are of the first, in units that the second, beside it, can have too."""
        before, now = result.baseline, result
        return Meaning(title, words(before, now), words(now, before), how, is_model)

    return (
        line(
            "Download over 4G",
            lambda one, other: units.long_time(download_seconds(one, assumed), download_seconds(other, assumed)),
            f"the stored file at {assumed.mbits:g} Mbit/s, transfer alone",
        ),
        line(
            f"How many fit in {assumed.flash_mb:g} MB of flash",
            lambda one, _: f"{fitting(one, assumed):,}",
            "stored files with nothing else beside them; a network is decoded before it runs",
        ),
        line(
            f"Computing {count}",
            lambda one, other: _computing_words(one, other, assumed),
            f"one core like this machine's, one image after the other, at ${assumed.hour_price:g} an hour{unclear}",
        ),
        line(
            f"Energy of {count}",
            lambda one, other: _energy_words(one, other, assumed),
            f"{energy.MODEL}; weights from {place}, ${assumed.kwh_price:g} and {assumed.intensity:g} g of CO₂ a kWh",
            is_model=True,
        ),
    )


def download_seconds(measures: Measures, assumed: Assumptions) -> float:
    """For the stored file."""
    return 8 * measures.stored_bytes / (assumed.mbits * _MEGA)


def fitting(measures: Measures, assumed: Assumptions) -> int:
    """Whole stored files in the flash memory."""
    return int(round(assumed.flash_mb * _MEGA) // measures.stored_bytes)


def cpu_seconds(measures: Measures, assumed: Assumptions) -> float:
    """Of one core, for all inferences."""
    return assumed.inferences * measures.latency_p50_ms / 1000


def cpu_cost(measures: Measures, assumed: Assumptions) -> float:
    """Dollars for that time."""
    return cpu_seconds(measures, assumed) / 3600 * assumed.hour_price


def joules(measures: Measures, assumed: Assumptions) -> float:
    """Of all inferences, by the model."""
    return assumed.inferences * energy.energy(measures, assumed.memory).joules


def _computing_words(one: Measures, other: Measures, assumed: Assumptions) -> str:
    seconds = units.long_time(cpu_seconds(one, assumed), cpu_seconds(other, assumed))
    return f"{seconds}, {money(cpu_cost(one, assumed))}"


def _energy_words(one: Measures, other: Measures, assumed: Assumptions) -> str:
    spent, beside = joules(one, assumed), joules(other, assumed)
    kwh = spent / energy.JOULES_PER_KWH
    carbon, carbon_beside = (amount / energy.JOULES_PER_KWH * assumed.intensity for amount in (spent, beside))
    return f"{units.energy(spent, beside)}, {units.grams(carbon, carbon_beside)} CO₂, {money(kwh * assumed.kwh_price)}"


def money(dollars: float) -> str:
    """'$12.30', '$0.043'; what is less than a cent is not worth a number."""
    if dollars < 0.01:
        return "$0" if dollars == 0 else "under $0.01"
    return f"${dollars:,.2f}" if dollars >= 0.1 else f"${dollars:.3f}"


# The risk.


@dataclass(frozen=True)
class Risk:
    """What may go wrong: a number, and what it says."""

    title: str
    value: str
    text: str


def risks(
    result: Result, answers: Answers | None = None, before: Answers | None = None, names: Sequence[str] = ()
) -> tuple[Risk, ...]:
    """The accuracy's interval, the worst class, changed predictions; without answers what the row alone says."""
    difference = ""
    if not result.is_baseline:
        difference = f"Against the original the difference is {METRICS['difference'].said_interval(result)} points."
    certain = Risk(
        "How sure is the accuracy?",
        f"{METRICS['accuracy'].said_interval(result)} %",
        f"With 95 % confidence it lies in this range, on images like the {result.n_test:,} test images. These chose "
        f"nothing: neither the training nor the compression ever saw them. {difference}",
    )
    changed = f"{result.changed_predictions:,} of {result.n_test:,}"
    if answers is None or before is None:
        return certain, Risk("Changed predictions", changed, "Test images that get another answer than before.")
    return (
        certain,
        _worst_risk(answers, before, names),
        Risk("Changed predictions", changed, _changed_words(answers, before)),
    )


def _worst_risk(answers: Answers, before: Answers, names: Sequence[str]) -> Risk:
    worst = predictions.worst(predictions.recalls(answers))
    old = next(recall for recall in predictions.recalls(before) if recall.index == worst.index)
    most = predictions.class_changes(answers, before)[0]
    lost = ""
    if most.difference.difference < 0:
        sure = "measurable" if most.p_value < 0.05 else "may be chance"
        digits = units.decimals_for(len(answers.labels))
        lost = f" “{names[most.index]}” lost most: {units.points(most.difference.difference, digits)} points ({sure})."
    return Risk(
        "Worst class",
        f"“{names[worst.index]}”: {units.percent(worst.share)} %",
        f"Recognized: {recall_words(worst)}; before {units.percent(old.share)} %.{lost}",
    )


def recall_words(recall: Recall) -> str:
    """'81.2 % (78.6–83.5) of 1,000'."""
    decimals = units.decimals_for(recall.total)
    interval = units.percent_interval(recall.low, recall.high, decimals)
    return f"{units.percent(recall.share, decimals)} % ({interval}) of {recall.total:,}"


def _changed_words(answers: Answers, before: Answers) -> str:
    broken = int((before.right & ~answers.right).sum())
    fixed = int((~before.right & answers.right).sum())
    return (
        f"Test images with another answer than before: {broken:,} turned from right to wrong, {fixed:,} the other way."
    )


def best_of(results: Iterable[Result]) -> Result | None:
    """The smallest stored file without a measurable loss of accuracy; None where nothing is smaller than before."""
    kept = [
        result
        for result in results
        if not result.is_baseline
        and verdict.size_effect(result) == "better"
        and verdict.accuracy_effect(result) != "worse"
    ]
    return min(kept, key=lambda result: result.stored_bytes, default=None)
